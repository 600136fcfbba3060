package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// logDelay is how long a log line may wait, so that several lines are written together. A
	// system call for each line would cost a twentieth of a request. It would cost more if another
	// process reads the log.
	logDelay = 5 * time.Millisecond
	// logRoom is how many bytes may wait. Lines beyond it are lost.
	logRoom = 1 << 20
	// logEnd bounds how long the process waits at its end until the last lines are read.
	logEnd = time.Second
	// maxLogText bounds each text of a line, in bytes, because a client can send texts of any
	// length.
	maxLogText = 512
)

// newLogger returns a logger that writes one line for each record. No text in a line is longer than
// [maxLogText]. No character changes how a terminal or an editor shows the line.
func newLogger(w io.Writer, format string, level slog.Level) *slog.Logger {
	return slog.New(newLogHandler(w, format, level))
}

func newLogHandler(w io.Writer, format string, level slog.Level) slog.Handler {
	w = escaping{w, isInvisible}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: clipped}
	if format == "json" {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

// clipped shortens a long text. A stack trace stays whole, because no client can choose it.
func clipped(_ []string, a slog.Attr) slog.Attr {
	if text := textOf(a.Value); len(text) > maxLogText && a.Key != "stack" {
		a.Value = slog.StringValue(clip(text))
	}
	return a
}

// textOf returns the text of a string or an error, and "" for any other value.
func textOf(v slog.Value) string {
	switch v.Kind() {
	case slog.KindString:
		return v.String()
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			return err.Error()
		}
	}
	return ""
}

// clip cuts a text between two characters, and appends its full length in bytes.
func clip(text string) string {
	end := maxLogText
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return fmt.Sprintf("%s… (%d bytes)", text[:end], len(text))
}

// isInvisible reports whether slog leaves a character as it is that can't be seen. Such are DEL
// and, in JSON, C1 controls, marks of the writing direction and the like. They occur only within
// texts, so that an escape is always valid.
func isInvisible(r rune) bool { return r >= 0x7f && !unicode.IsPrint(r) }

// logWriter collects lines and writes them in order, each at most [logDelay] later. If nobody reads
// the log, lines are lost, but no request waits. Lost lines are counted, and reported once lines
// are read again.
type logWriter struct {
	to io.Writer
	// report returns the line that reports how many lines were lost.
	report func(lost uint64) []byte
	lost   atomic.Uint64

	mu      sync.Mutex // guards what waits
	waiting []byte
	closed  bool
	wake    chan struct{}
	done    chan struct{}
}

func newLogWriter(to io.Writer, report func(lost uint64) []byte) *logWriter {
	w := &logWriter{to: to, report: report, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go w.run()
	return w
}

// Write accepts lines. It never fails, because no caller could report the error.
func (w *logWriter) Write(lines []byte) (int, error) {
	w.mu.Lock()
	if w.closed || len(w.waiting)+len(lines) > logRoom {
		w.lost.Add(countLines(lines))
	} else {
		w.waiting = append(w.waiting, lines...)
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return len(lines), nil
}

func countLines(lines []byte) uint64 { return uint64(bytes.Count(lines, []byte("\n"))) }

// run writes the waiting lines until the writer is closed.
func (w *logWriter) run() {
	defer close(w.done)
	for reported := uint64(0); ; {
		<-w.wake
		w.mu.Lock()
		closed := w.closed
		w.mu.Unlock()
		if !closed {
			time.Sleep(logDelay)
		}
		w.mu.Lock()
		lines := w.waiting
		closed = w.closed
		w.waiting = nil
		w.mu.Unlock()
		if len(lines) > 0 {
			written, err := w.to.Write(lines)
			if err != nil {
				w.lost.Add(countLines(lines[min(written, len(lines)):]))
			} else if lost := w.lost.Load(); lost > reported {
				if _, err := w.to.Write(w.report(lost - reported)); err == nil {
					reported = lost
				}
			}
		}
		if closed {
			return
		}
	}
}

// close writes the waiting lines. It waits at most [logEnd] for the reader. Later lines are lost.
func (w *logWriter) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	select {
	case <-w.done:
	case <-time.After(logEnd):
	}
}
