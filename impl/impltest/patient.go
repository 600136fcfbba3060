package impltest

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
)

// patience is for a request, and for all that it waits for.
const patience = time.Minute

// hashSlots is how many passwords a harness hashes at once.
const hashSlots = 2

// patient makes a harness that has no time of its own: see [Options.Patient].
func (o *Options) patient() {
	request := o.Timeouts.Request
	if request == 0 {
		request = patience
	}
	o.Timeouts = impl.Timeouts{Header: patience, Read: patience, Request: request, Write: 2 * patience, Idle: patience}
}

// OccupyWorkers keeps all of a harness's workers busy until it is released: once or more often, and at the end of the
// test by itself. Every password that comes meanwhile waits in line. The harness has to be [Options.Patient].
func (h *Harness) OccupyWorkers(tb testing.TB) (release func()) {
	tb.Helper()
	if !h.options.Patient {
		tb.Fatal("what waits in line needs a patient harness")
	}
	var (
		held = make(chan struct{})
		wg   sync.WaitGroup
	)
	for range hashSlots {
		wg.Go(func() {
			if err := h.queue.Do(context.Background(), hashqueue.Login, "", func(*argon2id.Memory) { <-held }); err != nil {
				tb.Errorf("occupy a worker: %v", err)
			}
		})
	}
	release = sync.OnceFunc(func() { close(held); wg.Wait() })
	tb.Cleanup(release)
	Eventually(tb, func() bool { stats := h.queue.Stats(); return stats.Waiting == 0 && stats.Running == hashSlots })
	return release
}

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
