package impltest

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/auth"
)

// patience is for a request, and for all that it waits for.
const patience = time.Minute

// hashSlots is how many passwords a harness hashes at once.
const hashSlots = 2

// patient makes a harness that has no time of its own: see [Options.Patient].
func (o *Options) patient() {
	o.Timeouts = impl.Timeouts{Header: patience, Read: patience, Request: patience, Write: 2 * patience, Idle: patience}
}

// gate is where the workers of a harness come by before each hash.
type gate struct {
	mu   sync.Mutex
	shut chan struct{} // nil while it is open
	held atomic.Int64
}

func (g *gate) pass() {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut == nil {
		return
	}
	g.held.Add(1)
	defer g.held.Add(-1)
	<-shut
}

// HoldHashes keeps what is begun from now on from being hashed, until it is released: once or more often, and at the end of the test by itself.
// The harness has to be [Options.Patient].
func (h *Harness) HoldHashes(tb testing.TB) (release func()) {
	tb.Helper()
	if !h.options.Patient {
		tb.Fatal("only a patient harness holds hashes")
	}
	shut := make(chan struct{})
	h.gate.mu.Lock()
	defer h.gate.mu.Unlock()
	h.gate.shut = shut
	release = sync.OnceFunc(func() {
		h.gate.mu.Lock()
		defer h.gate.mu.Unlock()
		h.gate.shut = nil
		close(shut)
	})
	tb.Cleanup(release)
	return release
}

// OccupyWorkers is [Harness.HoldHashes] with hashes of its own for all workers, so that whatever comes now waits in line.
func (h *Harness) OccupyWorkers(tb testing.TB) (release func()) {
	tb.Helper()
	open := h.HoldHashes(tb)
	var wg sync.WaitGroup
	for range hashSlots {
		wg.Go(func() {
			if err := h.hasher.VerifyUnknown(context.Background(), auth.NewSecret(Password)); err != nil {
				tb.Errorf("occupy a worker: %v", err)
			}
		})
	}
	release = func() { open(); wg.Wait() }
	tb.Cleanup(release)
	Eventually(tb, func() bool { return h.HashesHeld() == hashSlots })
	return release
}

// HashesHeld is how many hashes were begun and are held.
func (h *Harness) HashesHeld() int { return int(h.gate.held.Load()) }

// Gone is how many clients of a patient harness have gone before their answer, as far as the server has seen: each has its request's context cancelled by then.
func (h *Harness) Gone() int { return int(h.gone.Load()) }

// watch counts those who go: only when all contexts that were made of the request's are cancelled, so that whoever sees the count can rely on it.
func (h *Harness) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
		defer cancel()
		stop := context.AfterFunc(r.Context(), func() {
			cancel()
			h.gone.Add(1)
		})
		defer stop()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Eventually returns when something is so, within a minute.
func Eventually(tb testing.TB, so func() bool) {
	tb.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !so(); <-tick.C {
		if time.Now().After(end) {
			tb.Fatal("it was not so within a minute")
		}
	}
}
