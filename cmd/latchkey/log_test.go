package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// counted is a stream that counts how often it is written to.
type counted struct {
	mu     sync.Mutex
	text   strings.Builder
	writes int
}

func (c *counted) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	return c.text.Write(p)
}

func (c *counted) read() (text string, writes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String(), c.writes
}

// TestLogWriter: lines go together, in order, soon, and none is lost at the end.
func TestLogWriter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &counted{}
		w := newLogWriter(out)
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
		want("behind the end", "a\nb\nc\nd\ne\n", 4)
		time.Sleep(time.Second)
		want("for good", "a\nb\nc\nd\ne\n", 4)
	})
}

// TestLogWriterFull: what waits is bounded, and many who write at once keep each their order.
func TestLogWriterFull(t *testing.T) {
	t.Parallel()
	out := &counted{}
	w := newLogWriter(out)
	long := strings.Repeat("x", logRoom/4)
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for n := range 16 {
				_, _ = fmt.Fprintf(w, "%d %02d %s\n", i, n, long)
			}
		})
	}
	writers.Wait()
	w.mu.Lock()
	waits := len(w.waiting)
	w.mu.Unlock()
	if waits > logRoom+len(long)+8 {
		t.Errorf("%d bytes wait", waits)
	}
	w.close()
	last := map[string]string{}
	text, _ := out.read()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, line := range lines {
		who, n, _ := strings.Cut(line, " ")
		if n[:2] <= last[who] {
			t.Errorf("writer %s: %s after %s", who, n[:2], last[who])
		}
		last[who] = n[:2]
	}
	if len(lines) != 8*16 {
		t.Errorf("%d lines, want %d", len(lines), 8*16)
	}
}
