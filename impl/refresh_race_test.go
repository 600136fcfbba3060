package impl_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// The immediate predecessor gets the same successor while the window is open, and ends the session
// after that.
func TestR2_ReuseWindow(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]int{0: 200, 9999 * time.Millisecond: 200, 10 * time.Second: 400} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			h := impltest.New(t)
			h.MustRegister(t, "ada")
			_, r1 := login(t, h, "ada")
			_, r2 := wantRefreshed(t, refresh(t, h, r1))
			h.Clock.Advance(after)
			a := refresh(t, h, r1)
			if want == 400 {
				wantRefreshRefused(t, a, "refresh_token_reused")
				wantRefreshRefused(t, refresh(t, h, r2), "invalid_refresh_token")
				return
			}
			if _, again := wantRefreshed(t, a); again != r2 {
				t.Errorf("got another successor")
			}
			wantRefreshed(t, refresh(t, h, r2))
		})
	}
	t.Run("a window of none", func(t *testing.T) {
		t.Parallel()
		times := impltest.SessionTimes
		times.ReuseWindow = 0
		h := impltest.New(t, impltest.Options{Sessions: times})
		h.MustRegister(t, "ada")
		_, r1 := login(t, h, "ada")
		wantRefreshed(t, refresh(t, h, r1))
		wantRefreshRefused(t, refresh(t, h, r1), "refresh_token_reused")
	})
	t.Run("the window is that of the rotation, not of the last repetition", func(t *testing.T) {
		t.Parallel()
		h := impltest.New(t)
		h.MustRegister(t, "ada")
		_, r1 := login(t, h, "ada")
		wantRefreshed(t, refresh(t, h, r1))
		for range 3 {
			h.Clock.Advance(3 * time.Second)
			wantRefreshed(t, refresh(t, h, r1))
		}
		h.Clock.Advance(3 * time.Second)
		wantRefreshRefused(t, refresh(t, h, r1), "refresh_token_reused")
	})
}

// Instances whose clocks differ agree on the window, because the database's clock decides.
func TestF17_ReuseWindowOfInstancesWhoseClocksDiffer(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	ahead := h.With(t, impltest.Options{Skew: 20 * time.Second})
	behind := h.With(t, impltest.Options{Skew: -20 * time.Second})
	h.MustRegister(t, "ada")
	_, r1 := login(t, h, "ada")
	_, r2 := wantRefreshed(t, refresh(t, behind, r1))
	for _, instance := range []*impltest.Harness{ahead, h, behind} {
		if _, again := wantRefreshed(t, refresh(t, instance, r1)); again != r2 {
			t.Error("got another successor")
		}
	}
	h.Clock.Advance(10 * time.Second)
	wantRefreshRefused(t, refresh(t, behind, r1), "refresh_token_reused")
}

// R-2, F-15: clients that present one token at the same moment, at any instance, get the same
// successor. A hundred do so at a time, 10,000 in all, and nobody is logged out.
func TestR2_ConcurrentRefreshes(t *testing.T) {
	t.Parallel()
	const rounds, atOnce = 50, 100
	for instances := 1; instances <= 3; instances += 2 {
		t.Run(fmt.Sprintf("%d instances", instances), func(t *testing.T) {
			t.Parallel()
			all := []*impltest.Harness{impltest.New(t)}
			for len(all) < instances {
				all = append(all, all[0].Beside(t))
			}
			all[0].MustRegister(t, "ada")
			access, token := login(t, all[0], "ada")
			for round := range rounds {
				access, token = refreshAtOnce(t, all, token, atOnce)
				if t.Failed() {
					t.Fatalf("in round %d", round)
				}
			}
			if a := all[0].Me(t, access); a.Status != 200 {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
			var generation int
			if err := all[0].Pool.QueryRow(
				t.Context(),
				"SELECT generation FROM sessions ORDER BY generation DESC LIMIT 1",
			).Scan(
				&generation,
			); err != nil ||
				generation != rounds+1 {
				t.Errorf("after %d rounds the session is at generation %d, %v", rounds, generation, err)
			}
		})
	}
}

// refreshAtOnce presents one token n times, and returns the one successor.
func refreshAtOnce(t *testing.T, all []*impltest.Harness, token string, n int) (access, successor string) {
	t.Helper()
	var (
		mu         sync.Mutex
		successors = map[string]int{}
		wg         sync.WaitGroup
		start      = make(chan struct{})
	)
	for i := range n {
		h := all[i%len(all)]
		wg.Go(func() {
			<-start
			a, err := h.Try(t, h.LoginRequest("grant_type", "refresh_token", "refresh_token", token))
			for patience := time.Now().Add(time.Minute); err == nil && a.Status == 503 && time.Now().Before(patience); { // no connection within a second, on a busy machine
				a, err = h.Try(t, h.LoginRequest("grant_type", "refresh_token", "refresh_token", token))
			}
			if err != nil || a.Status != 200 {
				t.Errorf("got %d %s, %v", a.Status, a.Body, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			access, successor = a.Text("access_token"), a.Text("refresh_token")
			successors[successor]++
		})
	}
	close(start)
	wg.Wait()
	if len(successors) != 1 || successors[successor] != n {
		t.Errorf("%d successors", len(successors))
	}
	return access, successor
}
