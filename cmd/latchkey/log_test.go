package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// stream counts the writes to it, and fails while it is told to fail.
type stream struct {
	mu     sync.Mutex
	text   strings.Builder
	writes int
	err    error
	gate   chan struct{} // if set, a write waits for it
}

func (s *stream) Write(p []byte) (int, error) {
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if s.err != nil {
		return 0, s.err
	}
	return s.text.Write(p)
}

func (s *stream) read() (text string, writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String(), s.writes
}

func (s *stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func lostFor(n uint64) []byte { return fmt.Appendf(nil, "lost %d\n", n) }

// TestLogWriter: lines are written together, in order and soon, and none is lost at the end.
func TestLogWriter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &stream{}
		w := newLogWriter(out, lostFor)
		want := func(what, text string, writes int) {
			t.Helper()
			synctest.Wait()
			if got, n := out.read(); got != text || n != writes {
				t.Errorf("%s: %d writes of %q, want %d of %q", what, n, got, writes, text)
			}
		}
		write := func(line string) { _, _ = w.Write([]byte(line)) }
		write("a\n")
		write("b\n")
		want("at once", "", 0)
		time.Sleep(logDelay + time.Millisecond)
		want("soon", "a\nb\n", 1)
		write("c\n")
		time.Sleep(logDelay + time.Millisecond)
		want("the next", "a\nb\nc\n", 2)
		write("d\n")
		w.close()
		want("closed", "a\nb\nc\nd\n", 3)
		write("e\n")
		time.Sleep(time.Second)
		want("behind the end", "a\nb\nc\nd\n", 3)
		if got := w.lost.Load(); got != 1 {
			t.Errorf("%d lines were lost, want 1", got)
		}
	})
}

// TestLogWriterLoses: a stream that fails or that nobody reads loses lines, but delays nobody. The
// lost lines are counted.
func TestLogWriterLoses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &stream{}
		w := newLogWriter(out, lostFor)
		line := func(text string) {
			_, _ = w.Write([]byte(text + "\n"))
			time.Sleep(2 * logDelay)
		}
		line("a")
		out.fail(errors.New("no space left on device"))
		line("b")
		line("c")
		out.fail(nil)
		line("d")
		w.close()
		if text, _ := out.read(); text != "a\nd\nlost 2\n" || w.lost.Load() != 2 {
			t.Errorf("%d lines lost, and read %q", w.lost.Load(), text)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		out := &stream{gate: make(chan struct{})}
		w := newLogWriter(out, lostFor)
		long := strings.Repeat("x", logRoom/8-1) + "\n"
		for range 40 {
			_, _ = w.Write([]byte(long))
			time.Sleep(2 * logDelay)
		}
		w.mu.Lock()
		waits := len(w.waiting)
		w.mu.Unlock()
		if lost := w.lost.Load(); lost < 30 || waits > logRoom {
			t.Errorf("%d lines of 40 were lost and %d bytes wait", lost, waits)
		}
		began := time.Now()
		w.close()
		if took := time.Since(began); took > logEnd {
			t.Errorf("the end took %s", took)
		}
		close(out.gate)
	})
}

// TestLogWriterKeepsOrder: if several goroutines write at once, the lines of each stay in order.
func TestLogWriterKeepsOrder(t *testing.T) {
	t.Parallel()
	out := &stream{}
	w := newLogWriter(out, lostFor)
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for n := range 64 {
				_, _ = fmt.Fprintf(w, "%d %02d\n", i, n)
			}
		})
	}
	writers.Wait()
	w.close()
	last := map[string]string{}
	text, _ := out.read()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, line := range lines {
		who, n, _ := strings.Cut(line, " ")
		if n <= last[who] {
			t.Errorf("writer %s: %s after %s", who, n, last[who])
		}
		last[who] = n
	}
	if len(lines) != 8*64 {
		t.Errorf("%d lines, want %d", len(lines), 8*64)
	}
}

// L-11: no text of a client makes a line long, or changes how the line is shown.
func TestL11_TextsOfTheLog(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 8<<10)
	for _, format := range []string{"text", "json"} {
		for name, row := range map[string]struct {
			value any
			want  string
		}{
			"short":          {"/api/é", "/api/é"},
			"long":           {long, strings.Repeat("é", 256) + "… (16384 bytes)"},
			"long at a half": {"x" + long, "x" + strings.Repeat("é", 255) + "… (16385 bytes)"},
			"long error":     {errors.New(long), strings.Repeat("é", 256) + "… (16384 bytes)"},
			"C1":             {"a\u0085b\u009bc", "a\u0085b\u009bc"},
			"DEL":            {"a\x7fb", "a\x7fb"},
			"bidi":           {"a\u202eb\u2066c\u200fd\u061ce", "a\u202eb\u2066c\u200fd\u061ce"},
			"astral":         {"a\U000e0041b", "a\U000e0041b"},
			"lines":          {"a\nb\u2028c\r\x1b[0m", "a\nb\u2028c\r\x1b[0m"},
		} {
			var b strings.Builder
			newLogger(&b, format, slog.LevelInfo).With("x", 1).Info("request", "path", row.value)
			line := b.String()
			isOdd := func(r rune) bool { return r != 'é' && r != '…' && (r < ' ' || r > '~') }
			if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), isOdd) {
				t.Errorf("%s, %s: %q contains an odd character", format, name, line)
			}
			if len(line) > 2<<10 {
				t.Errorf("%s, %s: the line has %d bytes", format, name, len(line))
			}
			var record struct{ Path string }
			if format == "json" && (json.Unmarshal([]byte(line), &record) != nil || record.Path != row.want) {
				t.Errorf("%s, %s: the record has %q, want %q", format, name, record.Path, row.want)
			}
		}
	}
}
