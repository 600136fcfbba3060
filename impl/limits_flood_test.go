package impl_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// flooded returns a harness with limits on which passwords have to wait.
func flooded(t *testing.T, hash password.Params) *impltest.Harness {
	t.Helper()
	return impltest.New(t, impltest.Options{
		Limits: true, Patient: true, Hash: hash, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
}

// slow are parameters with which passwords arrive faster than they are hashed.
var slow = password.Params{MemoryKiB: 8192, Passes: 4, Lanes: 1}

// networkLength is how many passwords of one network wait at a harness to be checked, at most, and
// how many wait to be set.
const networkLength = 16

// charged returns how much of all budgets is used up, in seconds until they are whole.
func charged(t *testing.T, h *impltest.Harness) (total float64) {
	t.Helper()
	const sql = `SELECT coalesce(sum(extract(epoch FROM whole_at - $1::timestamptz)), 0)::float8 FROM rate_limits WHERE whole_at > $1`
	if err := h.Pool.QueryRow(t.Context(), sql, h.Clock.Now()).Scan(&total); err != nil {
		t.Fatal(err)
	}
	return total
}

// F-10: a client that knows the passwords of many accounts can't keep others from logging in:
// neither from an address that their account knows nor from a new one, with a session or without.
func TestF10_RightPasswordsKeepNobodyOut(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name      string
		accounts  int
		addresses []string
	}{
		{"one account, one address", 1, []string{"192.0.2.1"}},
		{"four accounts, two networks", 4, []string{"2001:db8:0:1::1", "2001:db8:0:2::1"}},
		{"four accounts, two sites", 4, []string{"192.0.2.1", "203.0.113.1"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := flooded(t, slow)
			for i := range row.accounts {
				registerFrom(t, h, row.addresses[0], fmt.Sprintf("eve%d", i))
			}
			token := registerFrom(t, h, home, "ada").Text("token.access_token")
			stop := make(chan struct{})
			var wg sync.WaitGroup
			defer wg.Wait()
			defer close(stop)
			for i := range 60 { // of each network 16 stand in line
				wg.Go(func() {
					for pause := time.Duration(0); ; {
						select {
						case <-stop:
							return
						case <-time.After(pause):
						}
						r := h.LoginRequest("username", fmt.Sprintf("eve%d@example.com", i%row.accounts), "password", impltest.Password)
						r.Header.Set("X-Forwarded-For", row.addresses[i/row.accounts%len(row.addresses)])
						a, err := h.Try(t, r)
						if err != nil {
							t.Error(err)
							return
						}
						// A refused client waits before it tries again: refusals must not use the
						// processor that the others need.
						if pause = 0; a.Status != http.StatusOK {
							pause = 50 * time.Millisecond
						}
					}
				})
			}
			waitFor(t, func() bool { return h.Auth.Stats().HashesRefused > 0 })
			for i, headers := range [][]string{nil, {"Authorization", "Bearer " + token}, nil} {
				for _, from := range []string{home, fmt.Sprintf("198.51.100.%d", 100+i)} {
					waitFor(t, func() bool { return h.Auth.Stats().HashesWaiting >= networkLength-4 })
					if a := loginFrom(t, h, from, "ada@example.com", impltest.Password, headers...); a.Status != 200 {
						t.Errorf("from %s with %d headers: got %d %s", from, len(headers), a.Status, a.Body)
					}
				}
			}
		})
	}
}

// A client that was refused because no hash was free isn't charged. Only a login with a verdict is
// charged.
func TestL5_OverloadIsNotCharged(t *testing.T) {
	t.Parallel()
	h := flooded(t, password.Params{})
	registerFrom(t, h, home, "ada")
	before := charged(t, h)
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		codes = map[string]int{}
	)
	release := h.OccupyWorkers(t)
	defer wg.Wait()
	defer release()
	attempt := func(i int, from string) {
		email := fmt.Sprintf("nobody%d@example.com", i)
		if i%20 == 0 {
			email = "ada@example.com"
		}
		r := h.LoginRequest("username", email, "password", "a wrong password")
		r.Header.Set("X-Forwarded-For", from)
		wg.Go(func() {
			a, err := h.Try(t, r)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			codes[a.Text("code")]++
		})
	}
	const ofOneNetwork = 108
	for i := range ofOneNetwork {
		attempt(i, fmt.Sprintf("203.0.113.%d", i))
	}
	waitFor(t, func() bool {
		stats := h.Auth.Stats()
		return stats.HashesWaiting == networkLength && stats.HashesRefused == ofOneNetwork-networkLength
	})
	release()
	wg.Wait()
	if want := map[string]int{
		"overloaded":          ofOneNetwork - networkLength,
		"invalid_credentials": networkLength,
	}; !maps.Equal(
		codes,
		want,
	) {
		t.Errorf("got %v, want %v", codes, want)
	}
	const each = 15*60 + 36 // seconds, of an account and of an address
	if got, want := charged(t, h)-before, float64(each*codes["invalid_credentials"]); got != want {
		t.Errorf("%.0f s were charged, want %.0f, for %v", got, want, codes)
	}
}

// F-25: a registration whose client disconnects while its password is hashed is charged, because it
// has cost the hash. If the client disconnects before, it isn't charged. Neither is an error in the
// log.
func TestF25_CancelledRegistrations(t *testing.T) {
	t.Parallel()
	const each = 12*60 + 72 // seconds, of an account and of an address
	for _, row := range []struct {
		name  string
		begun bool
		want  float64
	}{{"while it waits", false, 0}, {"while it is hashed", true, each}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := flooded(t, password.Params{MemoryKiB: 128 << 10, Passes: 16, Lanes: 1}) // seconds, to go in
			var wg sync.WaitGroup
			defer wg.Wait()
			there := func() bool { return h.Auth.Stats().HashesRunning == 1 }
			if !row.begun {
				release := h.OccupyWorkers(t)
				defer release()
				there = func() bool { return h.Auth.Stats().HashesWaiting == 1 }
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			body := fmt.Sprintf(`{"email":"ada@example.com","username":"ada","password":%q}`, impltest.Password)
			r := h.Request("POST", impltest.RegisterPath, body, "Content-Type", "application/json", "X-Forwarded-For", home)
			wg.Go(func() {
				if res, err := http.DefaultClient.Do(r.WithContext(ctx)); err == nil {
					_ = res.Body.Close()
					t.Errorf("answered %d before the client could go", res.StatusCode)
				}
			})
			waitFor(t, there)
			if got := charged(t, h); got != each {
				t.Errorf("%.0f s were charged at first, want %d", got, each)
			}
			cancel()
			waitFor(t, func() bool { return h.Gone() == 1 })
			waitFor(t, func() bool { return strings.Contains(h.Log.String(), "method=POST path=/api/users/ ") })
			if got := charged(t, h); got != row.want {
				t.Errorf("%.0f s were charged, want %.0f", got, row.want)
			}
			if log := h.Log.String(); strings.Contains(log, "level=ERROR") {
				t.Errorf("the log has an error:\n%s", log)
			}
		})
	}
}

// waitFor asks until the condition holds.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	impltest.Eventually(t, so)
}
