package impl_test

import (
	"bytes"
	"net/netip"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// A login opens nothing if its user is deactivated, deleted or gets another password while the
// password is hashed.
func TestLoginOfAUserThatIsChangedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change func(*testing.T, *impltest.Harness, uuid.UUID)
		status int
	}{
		"nothing": {func(*testing.T, *impltest.Harness, uuid.UUID) {}, 200},
		"deactivated": {func(t *testing.T, h *impltest.Harness, id uuid.UUID) {
			if _, err := h.Auth.Deactivate(t.Context(), auth.Operator{}, id); err != nil {
				t.Error(err)
			}
		}, 401},
		"another password": {func(t *testing.T, h *impltest.Harness, id uuid.UUID) {
			user, err := h.Auth.FindUser(t.Context(), id.String())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.Auth.SetPassword(t.Context(), user, secret.New("another correct horse")); err != nil {
				t.Error(err)
			}
		}, 401},
		"deleted": {func(t *testing.T, h *impltest.Harness, id uuid.UUID) {
			if _, err := h.Auth.DeleteUser(t.Context(), auth.Operator{}, id); err != nil {
				t.Error(err)
			}
		}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := flooded(t, password.Params{})
			registerFrom(t, h, home, "ada")
			if _, err := h.Pool.Exec(t.Context(), "DELETE FROM sessions"); err != nil {
				t.Fatal(err)
			}
			user, err := h.Auth.FindUser(t.Context(), "ada")
			if err != nil {
				t.Fatal(err)
			}
			release := h.OccupyWorkers(t)
			var answered sync.WaitGroup
			answered.Go(func() {
				a, err := h.Try(t, h.LoginRequest("username", "ada@example.com", "password", impltest.Password))
				if err != nil || a.Status != row.status {
					t.Errorf("got %d %s, %v; want %d", a.Status, a.Body, err, row.status)
				}
			})
			waitFor(t, func() bool { return h.Auth.Stats().HashesWaiting == 1 }) // the credentials are read
			row.change(t, h.Beside(t), user.ID)                                  // whose hashes wait for nobody
			release()
			answered.Wait()
			want := 0
			if row.status == 200 {
				want = 1
			}
			if got := count(t, h, "SELECT count(*) FROM sessions WHERE user_id = $1", user.ID); got != want {
				t.Errorf("%d sessions were opened, want %d", got, want)
			}
		})
	}
}

// The same if the change is about to be committed when the login opens its session: the login waits
// for the change, and sees it.
func TestLoginWaitsForAChangeOfTheUser(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"deactivated":      "UPDATE users SET is_active = false",
		"another password": "UPDATE passwords SET hash = '$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'",
		"no password":      "DELETE FROM passwords",
		"deleted":          "DELETE FROM users",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := flooded(t, password.Params{})
			registerFrom(t, h, home, "ada")
			if _, err := h.Pool.Exec(t.Context(), "DELETE FROM sessions"); err != nil {
				t.Fatal(err)
			}
			tx, err := h.Pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(t.Context()) }()
			for _, sql := range []string{"SELECT FROM users FOR UPDATE", change} {
				if _, err := tx.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			var answered sync.WaitGroup
			answered.Go(func() {
				a, err := h.Try(t, h.LoginRequest("username", "ada@example.com", "password", impltest.Password))
				if err != nil || a.Status != 401 {
					t.Errorf("got %d %s, %v; want 401", a.Status, a.Body, err)
				}
			})
			waitForWaiters(t, h, 1)
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			answered.Wait()
			if got := count(t, h, "SELECT count(*) FROM sessions"); got != 0 {
				t.Errorf("%d sessions were opened", got)
			}
		})
	}
}

// Another secret key gives nobody fresh budgets, neither while the previous one is set nor later.
func TestBudgetsOutliveTheSecretKey(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	guess(t, h, "ada@example.com", 10)
	const another = "Ym9w-9Wk2vQ8xTz5LrN4cHs7JdF3gPa6"
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, o := range []impltest.Options{
		{Limits: true, Proxies: proxies, Secret: another, Previous: impltest.SecretKey},
		{Limits: true, Proxies: proxies, Secret: another},
	} {
		if a := loginFrom(t, h.With(t, o), "192.0.2.1", "ada@example.com", impltest.Password); a.Status != 429 {
			t.Errorf("with another secret key, previous %t: got %d %s", o.Previous != "", a.Status, a.Body)
		}
	}
}

// An instance whose clock is years ahead deletes nobody's sessions, budgets or known addresses.
func TestSweepsGoByTheDatabasesClock(t *testing.T) {
	t.Parallel()
	h := limited(t)
	token := registerFrom(t, h, home, "ada").Text("token.access_token")
	guess(t, h, "ada@example.com", 10)
	const years = 10 * 365 * 24 * 60 * 60 * 1e9
	ahead := h.With(t, impltest.Options{Limits: true, Skew: years})
	if n, err := ahead.Auth.SweepSessions(t.Context()); n != 0 || err != nil {
		t.Errorf("%d sessions were deleted, %v", n, err)
	}
	if n, err := ahead.Limiter.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("%d budgets and addresses were deleted, %v", n, err)
	}
	if _, err := h.Pool.Exec(
		t.Context(),
		"INSERT INTO signing_keys SELECT 'retired', algorithm, sealed, signs_from, $1, created_at, token_ttl FROM signing_keys",
		h.Clock.Now(),
	); err != nil {
		t.Fatal(err)
	}
	if err := ahead.Keys.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if n := count(t, h, "SELECT count(*) FROM signing_keys"); n != 2 {
		t.Errorf("%d signing keys are left, want 2", n)
	}
	if a := h.Me(t, token); a.Status != 200 {
		t.Errorf("me: got %d %s", a.Status, a.Body)
	}
}

// Servers that start at the same moment agree on the key of the budgets, also if there is none yet,
// or if none of them can unseal the present one.
func TestBudgetKeyIsOneForAllServers(t *testing.T) {
	t.Parallel()
	h := limited(t)
	for _, row := range []struct{ before, master string }{
		{"SELECT", "Ym9w-9Wk2vQ8xTz5LrN4cHs7JdF3gPa6"},
		{"SELECT", "Pa6Ym9w-9Wk2vQ8xTz5LrN4cHs7JdF3g"},
		{"DELETE FROM sealed_keys", impltest.SecretKey},
		{"DELETE FROM sealed_keys", impltest.SecretKey},
	} {
		if _, err := h.Pool.Exec(t.Context(), row.before); err != nil {
			t.Fatal(err)
		}
		keys := make([][]byte, 8)
		var servers sync.WaitGroup
		for i := range keys {
			servers.Go(func() {
				key, err := ratelimit.OpenKey(t.Context(), h.Pool, secret.New(row.master), secret.Text{}, h.Clock.Now())
				if err != nil {
					t.Error(err)
				}
				keys[i] = key
			})
		}
		servers.Wait()
		for i := range keys {
			if !bytes.Equal(keys[i], keys[0]) || len(keys[i]) == 0 {
				t.Errorf("after %s: server %d has another key than the first", row.before, i)
			}
		}
	}
}
