package impl_test

import (
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// count returns a number from the database.
func count(t *testing.T, h *impltest.Harness, sql string, args ...any) (n int) {
	t.Helper()
	if err := h.Pool.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const sessionCount = "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.username = $1"

// A user has at most 100 sessions. A new one replaces the session that was used least recently, not
// the oldest.
func TestSessionsPerUser(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	h.Clock.Advance(time.Second)
	_, usedRefresh := login(t, h, "ada")
	h.Clock.Advance(time.Second)
	unused, _ := login(t, h, "ada")
	h.Clock.Advance(time.Minute)
	used, _ := wantRefreshed(t, refresh(t, h, usedRefresh))
	for range 98 {
		h.Clock.Advance(time.Second)
		login(t, h, "ada")
	}
	if n := count(t, h, sessionCount, "ada"); n != 100 {
		t.Errorf("%d sessions, want 100", n)
	}
	if a := h.Me(t, used); a.Status != 200 {
		t.Errorf("the session that was used: got %d %s", a.Status, a.Body)
	}
	if a := h.Me(t, unused); a.Status != 200 {
		t.Errorf("the session that is not the last: got %d %s", a.Status, a.Body)
	}
	h.Clock.Advance(time.Second)
	login(t, h, "ada")
	wantRefusal(t, h.Me(t, unused), badToken)
	if a := h.Me(t, used); a.Status != 200 {
		t.Errorf("the session that was used: got %d %s", a.Status, a.Body)
	}
}

// Parallel logins on several instances leave no more sessions than consecutive ones.
func TestSessionsPerUserAtOnce(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Patient: true})
	beside := h.Beside(t)
	h.MustRegister(t, "ada")
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for i := range 20 {
				instance := []*impltest.Harness{h, beside}[i%2]
				a, err := instance.Try(t, instance.LoginRequest("username", "ada@example.com", "password", impltest.Password))
				if err != nil || a.Status != 200 {
					t.Errorf("got %d %s, %v", a.Status, a.Body, err)
				}
			}
		})
	}
	clients.Wait()
	if n := count(t, h, sessionCount, "ada"); n != 100 {
		t.Errorf("%d sessions, want 100", n)
	}
}

// fill gives a user more sessions than the limit, as databases have from before the limit.
func fill(t *testing.T, h *impltest.Harness, username string, n int) {
	t.Helper()
	_, err := h.Pool.Exec(
		t.Context(),
		`INSERT INTO sessions (id, user_id, rotated_at, expires_at, ends_at, budget_at, user_agent, address, created_at)
		SELECT gen_random_uuid(), id, last_login_at, last_login_at + interval '30 days', last_login_at + interval '90 days', 'epoch', '', '::1', last_login_at
		FROM users, generate_series(1, $2) WHERE username = $1`,
		username,
		n,
	)
	if err != nil {
		t.Fatal(err)
	}
}

// Each operation that ends all sessions of a user does bounded work, and ends them all. So does a
// login, which reaches the limit in several steps.
func TestEndingManySessions(t *testing.T) {
	t.Parallel()
	const many = 20_000
	for name, end := range map[string]func(*testing.T, *impltest.Harness, string){
		"EndAllSessions": func(t *testing.T, h *impltest.Harness, token string) {
			if a := as(t, h, token, "DELETE", impltest.SessionsPath); a.Status != 204 {
				t.Fatalf("got %d %s", a.Status, a.Body)
			}
		},
		"deactivate": func(t *testing.T, h *impltest.Harness, _ string) { deactivate(t, h, "ada") },
		"a log-in": func(t *testing.T, h *impltest.Harness, _ string) {
			login(t, h, "ada")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := impltest.New(t)
			token := h.MustRegister(t, "ada")
			fill(t, h, "ada", many)
			before := count(t, h, sessionCount, "ada")
			end(t, h, token)
			if deleted := before - count(t, h, sessionCount, "ada"); deleted > 1000 {
				t.Errorf("%d rows were deleted at once", deleted)
			}
			if name == "a log-in" {
				return
			}
			h.Clock.Advance(time.Second)
			alive := count(t, h, sessionCount+" AND s.created_at > u.tokens_not_before", "ada")
			if alive != 0 {
				t.Errorf("%d sessions are alive", alive)
			}
			swept, err := h.Auth.SweepSessions(t.Context())
			if left := count(t, h, sessionCount, "ada"); err != nil || left != 0 || swept != int64(before) {
				t.Errorf("the sweep has deleted %d of %d, and left %d, %v", swept, before, left, err)
			}
		})
	}
	t.Run("delete", func(t *testing.T) {
		t.Parallel()
		h := impltest.New(t)
		h.MustRegister(t, "ada")
		fill(t, h, "ada", many)
		user, err := h.Auth.FindUser(t.Context(), "ada")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Auth.DeleteUser(t.Context(), auth.Operator{}, user.ID); err != nil {
			t.Fatal(err)
		}
		if n := count(t, h, "SELECT count(*) FROM sessions"); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

// A user who logs out everywhere during an attack can still log in from the same address, which
// stays known.
func TestEndAllSessionsKeepsTheAddressKnown(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Limits: true})
	h.MustRegister(t, "ada")
	token, _ := login(t, h, "ada")
	if a := as(t, h, token, "DELETE", impltest.SessionsPath); a.Status != 204 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	n := count(
		t,
		h,
		"SELECT count(*) FROM known_addresses k JOIN users u ON u.id = k.user_id WHERE k.seen_at > u.tokens_not_before",
	)
	if n != 1 {
		t.Errorf("%d addresses are known, want one", n)
	}
	login(t, h, "ada")
}
