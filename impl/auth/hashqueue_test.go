package auth

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth/argon2id"
)

// occupy keeps a queue's only worker busy until the answered function is called.
func occupy(t *testing.T, q *hashQueue) (release func()) {
	t.Helper()
	begun, end := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := q.do(t.Context(), lineCheck, func(*argon2id.Memory) { close(begun); <-end }); err != nil {
			t.Error(err)
		}
	})
	<-begun
	return func() {
		close(end)
		wg.Wait()
	}
}

// enqueue puts work into a line, and returns when it stands there.
func enqueue(t *testing.T, wg *sync.WaitGroup, q *hashQueue, line int, work func(*argon2id.Memory)) {
	t.Helper()
	before, _ := q.stats()
	wg.Go(func() {
		if err := q.do(t.Context(), line, work); err != nil {
			t.Error(err)
		}
	})
	eventually(t, func() bool {
		waiting, _ := q.stats()
		return waiting != before
	})
}

// eventually returns when something is so.
func eventually(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); !so(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("it was not so within a minute")
		}
	}
}

// F-25: whoever has given up is not hashed for, even where a worker is free, and leaves the line at once.
func TestF25_NothingIsHashedForTheGone(t *testing.T) {
	t.Parallel()
	q := newHashQueue(1, 8, time.Minute)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.do(gone, lineCheck, func(*argon2id.Memory) { t.Error("hashed for the gone") }); !errors.Is(err, context.Canceled) {
		t.Errorf("with a free worker: %v", err)
	}
	release := occupy(t, q)
	waiting, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := q.do(waiting, lineCheck, func(*argon2id.Memory) { t.Error("hashed for the gone") }); !errors.Is(err, context.Canceled) {
			t.Errorf("in line: %v", err)
		}
	})
	cancel()
	wg.Wait()
	if n, _ := q.stats(); n != 0 {
		t.Errorf("%d are still in line", n)
	}
	release()
}

// The line is short, and moves or ends: both are told as what they are, and counted.
func TestHashQueueIsBounded(t *testing.T) {
	t.Parallel()
	q := newHashQueue(1, 2, time.Minute)
	release := occupy(t, q)
	var wg sync.WaitGroup
	for range 2 {
		enqueue(t, &wg, q, lineCheck, func(*argon2id.Memory) {})
	}
	if err := q.do(t.Context(), lineCheck, func(*argon2id.Memory) { t.Error("hashed beyond the line") }); !errors.Is(err, ErrOverloaded) {
		t.Errorf("a full line: %v", err)
	}
	enqueue(t, &wg, q, lineNew, func(*argon2id.Memory) {}) // the other line has room
	release()
	wg.Wait()

	slow := newHashQueue(1, 2, time.Minute)
	release = occupy(t, slow)
	slow.wait = time.Millisecond // only now, for what occupies the worker stands in line too
	if err := slow.do(t.Context(), lineCheck, func(*argon2id.Memory) { t.Error("hashed too late") }); !errors.Is(err, ErrOverloaded) {
		t.Errorf("a line that doesn't move: %v", err)
	}
	release()
	for _, q := range []*hashQueue{q, slow} {
		if waiting, refused := q.stats(); waiting != 0 || refused != 1 {
			t.Errorf("%d wait and %d were refused, want 0 and 1", waiting, refused)
		}
	}
}

// First come, first served; and neither line waits for the other's end.
func TestHashQueueOrder(t *testing.T) {
	t.Parallel()
	q := newHashQueue(1, 8, time.Minute)
	release := occupy(t, q)
	var (
		wg    sync.WaitGroup
		order []string // by the one worker
	)
	for _, name := range []string{"check 1", "check 2", "check 3", "new 1", "new 2"} {
		line := lineCheck
		if name[:3] == "new" {
			line = lineNew
		}
		enqueue(t, &wg, q, line, func(*argon2id.Memory) { order = append(order, name) })
	}
	release()
	wg.Wait()
	if want := []string{"new 1", "check 1", "new 2", "check 2", "check 3"}; !slices.Equal(order, want) {
		t.Errorf("got %q, want %q", order, want)
	}
}

// No more is hashed at once than there are workers, so that memory is bounded.
func TestHashQueueThreads(t *testing.T) {
	t.Parallel()
	const workers = 3
	q := newHashQueue(workers, 100, time.Minute)
	var (
		mu            sync.Mutex
		now, greatest int
		wg            sync.WaitGroup
	)
	for i := range 60 {
		wg.Go(func() {
			err := q.do(t.Context(), i%lines, func(m *argon2id.Memory) {
				mu.Lock()
				now++
				greatest = max(greatest, now)
				mu.Unlock()
				derive(m, "password", cheap, make([]byte, saltBytes), keyBytes)
				mu.Lock()
				now--
				mu.Unlock()
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if greatest > workers || now != 0 {
		t.Errorf("%d at once, want at most %d; %d left", greatest, workers, now)
	}
}

// A panic is that of the request whose work it was: the worker lives on.
func TestPanicInTheQueue(t *testing.T) {
	t.Parallel()
	q := newHashQueue(1, 8, time.Minute)
	for range 2 {
		func() {
			defer func() {
				if p := recover(); p != "broken" {
					t.Errorf("recovered %v", p)
				}
			}()
			_ = q.do(t.Context(), lineCheck, func(*argon2id.Memory) { panic("broken") })
			t.Error("it has not panicked")
		}()
	}
	done := false
	if err := q.do(t.Context(), lineNew, func(*argon2id.Memory) { done = true }); err != nil || !done {
		t.Errorf("the next work: %v, %v", done, err)
	}
}
