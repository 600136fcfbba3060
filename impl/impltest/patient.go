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

// patience bounds a request, and every wait within it.
const patience = time.Minute

// hashSlots is the number of passwords that a harness hashes at once.
const hashSlots = 2

// patient removes the timeouts of a harness: see [Options.Patient].
func (o *Options) patient() {
	request := o.Timeouts.Request
	if request == 0 {
		request = patience
	}
	o.Timeouts = impl.Timeouts{Header: patience, Read: patience, Request: request, Write: 2 * patience, Idle: patience}
}

// OccupyWorkers keeps all of a harness's workers busy until release is called, or until the test
// ends. release may be called several times. Until then every password waits in the queue. The
// harness must be [Options.Patient].
func (h *Harness) OccupyWorkers(tb testing.TB) (release func()) {
	tb.Helper()
	if !h.options.Patient {
		tb.Fatal("OccupyWorkers needs a patient harness")
	}
	var (
		held = make(chan struct{})
		wg   sync.WaitGroup
	)
	for range hashSlots {
		wg.Go(func() {
			if err := h.queue.Do(context.Background(), hashqueue.Login, "", 0, func(*argon2id.Memory) { <-held }); err != nil {
				tb.Errorf("occupy a worker: %v", err)
			}
		})
	}
	release = sync.OnceFunc(func() { close(held); wg.Wait() })
	tb.Cleanup(release)
	Eventually(tb, func() bool { stats := h.queue.Stats(); return stats.Waiting == 0 && stats.Running == hashSlots })
	return release
}

// Gone returns the number of clients of a patient harness that disconnected before their response,
// as far as the server has noticed. The contexts of their requests are cancelled by then.
func (h *Harness) Gone() int { return int(h.gone.Load()) }

// watch counts the clients that disconnect. It counts a client only after it has cancelled the
// request's context, so that a test can rely on the count.
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

// Eventually polls so until it returns true. The test fails after a minute.
func Eventually(tb testing.TB, so func() bool) {
	tb.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !so(); <-tick.C {
		if time.Now().After(end) {
			tb.Fatal("the condition was not true within a minute")
		}
	}
}
