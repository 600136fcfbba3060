package auth

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
)

// A statement carries those who came before it began, and nobody who came later: a refresh after a log-out is not answered by what
// was read before.
func TestRefreshesShareOnlyWhatBeginsLater(t *testing.T) {
	t.Parallel()
	var (
		r       refreshes
		key     = refreshKey{session: uuid.New(), generation: 1}
		began   = make(chan struct{}, 10)
		gate    = make(chan struct{})
		mu      sync.Mutex
		running int32
	)
	work := func(context.Context) (db.SessionRefreshRow, error) {
		mu.Lock()
		running++
		n := running
		mu.Unlock()
		began <- struct{}{}
		<-gate
		return db.SessionRefreshRow{Generation: n}, nil
	}
	var wg sync.WaitGroup
	answers := make(chan int32, 10)
	ask := func() {
		wg.Go(func() {
			row, err := r.do(t.Context(), key, work)
			if err != nil {
				t.Error(err)
			}
			answers <- row.Generation
		})
	}
	ask()
	<-began
	for range 9 {
		ask()
	}
	waitForShare(&r, key)
	// Whoever waits may give up.
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.do(gone, key, work); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// Another token waits for nobody.
	other := func(context.Context) (db.SessionRefreshRow, error) { return db.SessionRefreshRow{}, ErrUnavailable }
	if _, err := r.do(t.Context(), refreshKey{session: key.session, generation: 2}, other); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	close(gate)
	wg.Wait()
	close(answers)
	first := 0
	for n := range answers {
		if n == 1 {
			first++
		}
	}
	if first != 1 {
		t.Errorf("%d were answered by the statement that began before they came", first-1)
	}
	waitUntil(&r, func() bool { return len(r.running) == 0 }) // nothing is left behind
}

// waitForShare returns when somebody waits.
func waitForShare(r *refreshes, key refreshKey) {
	waitUntil(r, func() bool { return r.running[key].next != nil })
}

func waitUntil(r *refreshes, isSo func() bool) {
	for {
		r.mu.Lock()
		done := isSo()
		r.mu.Unlock()
		if done {
			return
		}
		runtime.Gosched()
	}
}

func TestRefreshesOutliveAPanic(t *testing.T) {
	t.Parallel()
	var r refreshes
	key := refreshKey{session: uuid.New()}
	began, gate := make(chan struct{}), make(chan struct{})
	times := 0 // one at a time
	work := func(context.Context) (db.SessionRefreshRow, error) {
		if times++; times == 1 {
			close(began)
			<-gate
			return db.SessionRefreshRow{}, nil
		}
		panic("a mistake")
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := r.do(t.Context(), key, work); err != nil {
			t.Error(err)
		}
	})
	<-began
	wg.Go(func() {
		if _, err := r.do(t.Context(), key, work); err == nil {
			t.Error("a panic was answered as a success")
		}
	})
	waitForShare(&r, key)
	close(gate)
	wg.Wait()
}
