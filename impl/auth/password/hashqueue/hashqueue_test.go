package hashqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
)

// share is the memory of a work in these tests, in bytes.
const share = 64 << 10

func newQueue(t *testing.T, workers int, wait time.Duration) *Queue {
	t.Helper()
	q, err := New(workers, share, wait)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func nothing(*argon2id.Memory) {}

// occupy keeps a queue's only worker busy until the returned function is called.
func occupy(t *testing.T, q *Queue) (release func()) {
	t.Helper()
	begun, end := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := q.Do(t.Context(), Login, "", share, func(*argon2id.Memory) { close(begun); <-end }); err != nil {
			t.Error(err)
		}
	})
	<-begun
	return func() {
		close(end)
		wg.Wait()
	}
}

// enqueue puts work into a line, and returns when it waits there.
func enqueue(t *testing.T, wg *sync.WaitGroup, q *Queue, line Line, network string, work func(*argon2id.Memory)) {
	t.Helper()
	before := q.Stats().Waiting
	wg.Go(func() {
		if err := q.Do(t.Context(), line, network, share, work); err != nil {
			t.Error(err)
		}
	})
	eventually(t, func() bool { return q.Stats().Waiting != before })
}

// eventually returns when the condition holds.
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

func wantStats(t *testing.T, q *Queue, waiting int, refused uint64) {
	t.Helper()
	if got := q.Stats(); got.Waiting != waiting || got.Refused != refused {
		t.Errorf("got %+v, want %d waiting and %d refused", got, waiting, refused)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		workers int
		share   uint64
		wait    time.Duration
	}{{0, share, time.Second}, {-1, share, time.Second}, {1, 0, time.Second}, {1, share, 0}} {
		if _, err := New(row.workers, row.share, row.wait); err == nil {
			t.Errorf("%+v was taken", row)
		}
	}
}

// F-25: the work of a caller that has given up isn't done, even if a worker is free. It leaves the
// line at once.
func TestF25_NothingIsHashedForTheGone(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, time.Minute)
	never := func(*argon2id.Memory) { t.Error("hashed for the gone") }
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Do(gone, Login, "", share, never); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrGivenUp) {
		t.Errorf("with a free worker: %v", err)
	}
	release := occupy(t, q)
	waiting, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := q.Do(waiting, Login, "", share, never); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrGivenUp) {
			t.Errorf("in line: %v", err)
		}
	})
	cancel()
	wg.Wait()
	wantStats(t, q, 0, 0)
	release()
}

// A line is bounded, and work doesn't wait in it for ever.
func TestLineIsBounded(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, time.Minute)
	release := occupy(t, q)
	var wg sync.WaitGroup
	for i := range perWorker {
		enqueue(t, &wg, q, Login, fmt.Sprint(i), nothing)
	}
	if err := q.Do(t.Context(), Login, "another", share, nothing); !errors.Is(err, ErrFull) {
		t.Errorf("a full line: %v", err)
	}
	enqueue(t, &wg, q, Registration, "another", nothing) // the other line has room
	release()
	wg.Wait()
	wantStats(t, q, 0, 1)

	slow := newQueue(t, 1, time.Minute)
	release = occupy(t, slow)
	slow.wait = time.Millisecond // only now, because what occupies the worker stands in line too
	if err := slow.Do(t.Context(), Login, "", share, nothing); !errors.Is(err, ErrFull) {
		t.Errorf("a line that doesn't move: %v", err)
	}
	release()
	wantStats(t, slow, 0, 1)
}

// F-10: a network gets a part of a line, so that a flood from one leaves room for the others. An
// operator has no limit.
func TestF10_NetworkTakesAPartOfALine(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, time.Minute)
	release := occupy(t, q)
	var wg sync.WaitGroup
	for range perWorker / networkShare {
		enqueue(t, &wg, q, Login, "192.0.2.0/24", nothing)
	}
	if q.HasRoom(Login, "192.0.2.0/24") {
		t.Error("it has room for more of the network")
	}
	if err := q.Do(t.Context(), Login, "192.0.2.0/24", share, nothing); !errors.Is(err, ErrFull) {
		t.Errorf("more of the network: %v", err)
	}
	for _, network := range []string{"198.51.100.0/24", "", ""} {
		if !q.HasRoom(Login, network) {
			t.Errorf("no room for %q", network)
		}
		enqueue(t, &wg, q, Login, network, nothing)
	}
	enqueue(t, &wg, q, Registration, "192.0.2.0/24", nothing)
	release()
	wg.Wait()
	wantStats(t, q, 0, 2)
}

// First come, first served, and neither line has to wait until the other is empty.
func TestOrder(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, time.Minute)
	release := occupy(t, q)
	var (
		wg    sync.WaitGroup
		order []string // by the one worker
	)
	for _, name := range []string{"login 1", "login 2", "login 3", "new 1", "new 2"} {
		line := Login
		if name[:3] == "new" {
			line = Registration
		}
		enqueue(t, &wg, q, line, "", func(*argon2id.Memory) { order = append(order, name) })
	}
	release()
	wg.Wait()
	if want := []string{"new 1", "login 1", "new 2", "login 2", "login 3"}; !slices.Equal(order, want) {
		t.Errorf("got %q, want %q", order, want)
	}
}

// There are never more hashes at once than workers, so memory is bounded.
func TestWorkers(t *testing.T) {
	t.Parallel()
	const workers = 3
	q := newQueue(t, workers, time.Minute)
	var (
		mu            sync.Mutex
		now, greatest int
		wg            sync.WaitGroup
	)
	for i := range 60 {
		wg.Go(func() {
			err := q.Do(t.Context(), Line(i%int(lines)), "", share, func(m *argon2id.Memory) {
				mu.Lock()
				now++
				greatest = max(greatest, now)
				mu.Unlock()
				argon2id.Key(argon2id.Argon2id, m, []byte("password"), make([]byte, 16), 1, 64, 1, 32)
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

// A panic belongs to the request whose work it was. The worker continues.
func TestPanic(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, time.Minute)
	for range 2 {
		func() {
			defer func() {
				if p := recover(); p != "broken" {
					t.Errorf("recovered %v", p)
				}
			}()
			_ = q.Do(t.Context(), Login, "", share, func(*argon2id.Memory) { panic("broken") })
			t.Error("it has not panicked")
		}()
	}
	done := false
	if err := q.Do(t.Context(), Registration, "", share, func(*argon2id.Memory) { done = true }); err != nil || !done {
		t.Errorf("the next work: %v, %v", done, err)
	}
}
