package main

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// logDelay is how long a line of the log may wait for others, so that they are written together: a system call for each would be a
	// twentieth of what a request costs, and more where another process reads them.
	logDelay = 5 * time.Millisecond
	// logRoom is how much may wait, in bytes. Beyond it whoever logs writes, and waits for whoever reads.
	logRoom = 64 << 10
)

func newLogger(w io.Writer, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// logWriter gathers lines and writes them in order, each at most [logDelay] later. What has been gathered is lost only when the process is killed, or falls over a panic
// outside of all requests.
type logWriter struct {
	to      io.Writer
	mu      sync.Mutex // of what waits
	waiting []byte
	spare   []byte
	due     *time.Timer
	closed  bool
	writing sync.Mutex // taken before mu, so that the order is kept
}

func newLogWriter(to io.Writer) *logWriter { return &logWriter{to: to} }

// Write takes lines. It can't tell of an error, and nobody would be there to hear it.
func (w *logWriter) Write(lines []byte) (int, error) {
	w.mu.Lock()
	w.waiting = append(w.waiting, lines...)
	full := len(w.waiting) > logRoom || w.closed
	if !full && w.due == nil {
		w.due = time.AfterFunc(logDelay, w.flush)
	}
	w.mu.Unlock()
	if full {
		w.flush()
	}
	return len(lines), nil
}

// flush writes what waits.
func (w *logWriter) flush() {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.mu.Lock()
	lines := w.waiting
	w.waiting, w.spare = w.spare[:0], nil
	if w.due != nil {
		w.due.Stop()
		w.due = nil
	}
	w.mu.Unlock()
	if len(lines) > 0 {
		_, _ = w.to.Write(lines)
	}
	if cap(lines) <= 2*logRoom {
		w.spare = lines
	}
}

// close writes what waits, and from now on each line as it comes.
func (w *logWriter) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.flush()
}
