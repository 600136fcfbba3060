package impl_test

import (
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// A client that continues to attack a blocked account takes nothing from its neighbours at the same
// address.
func TestL5_RefusalsCostNeighboursNothing(t *testing.T) {
	t.Parallel()
	t.Run("at an address that both know", func(t *testing.T) {
		t.Parallel()
		h := limited(t)
		registerFrom(t, h, home, "ada")
		registerFrom(t, h, home, "eve")
		for i := range 310 {
			want := 401
			if i >= 10 {
				want = 429
			}
			a := loginFrom(t, h, home, "eve@example.com", "a wrong password")
			if a.Status != want || want == 429 && a.Header.Get("RateLimit-Policy") != `"own";q=10;w=3000` {
				t.Fatalf("guess %d: got %d %v", i, a.Status, a.Header)
			}
		}
		if a := loginFrom(t, h, home, "ada@example.com", impltest.Password); a.Status != 200 {
			t.Errorf("a neighbour: got %d %v %s", a.Status, a.Header, a.Body)
		}
	})
	t.Run("at an address that neither knows", func(t *testing.T) {
		t.Parallel()
		h := limited(t)
		const office = "192.0.2.1"
		registerFrom(t, h, home, "ada")
		registerFrom(t, h, home, "bob")
		guess(t, h, "ada@example.com", 10)
		for i := range 120 {
			if a := loginFrom(
				t,
				h,
				office,
				"ada@example.com",
				impltest.Password,
			); a.Status != 429 ||
				a.Header.Get("RateLimit-Policy") != `"account";q=10;w=9000` {
				t.Fatalf("try %d: got %d %v", i, a.Status, a.Header)
			}
			h.Clock.Advance(6 * time.Second) // longer than a refusal is remembered
		}
		if a := loginFrom(t, h, office, "bob@example.com", impltest.Password); a.Status != 200 {
			t.Errorf("a neighbour: got %d %v %s", a.Status, a.Header, a.Body)
		}
	})
	t.Run("at the same moment", func(t *testing.T) {
		t.Parallel()
		h := limited(t)
		registerFrom(t, h, home, "eve")
		for range 9 {
			loginFrom(t, h, home, "eve@example.com", "a wrong password")
		}
		before := charged(t, h)
		var wg sync.WaitGroup
		for range 40 {
			r := h.LoginRequest("username", "eve@example.com", "password", "a wrong password")
			r.Header.Set("X-Forwarded-For", home)
			wg.Go(func() {
				if _, err := h.Try(t, r); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		const each = 5*60 + 12 // seconds, of her own budget and of the address's
		if got := charged(t, h) - before; got != each {
			t.Errorf("%.0f s were charged, want %d", got, each)
		}
	})
}

// A session vouches for its user only as long as it lives, whatever its token says. A change of the
// password therefore ends the extra guesses.
func TestL5_DeadSessionsVouchForNothing(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	const away = "192.0.2.1"
	var tokens []string
	for range 3 {
		tokens = append(tokens, loginFrom(t, h, away, "ada@example.com", impltest.Password).Text("access_token"))
	}
	guess(t, h, "ada@example.com", 10)
	const stranger = "192.0.2.200"
	try := func(token string) int {
		return loginFrom(t, h, stranger, "ada@example.com", "a wrong password", "Authorization", "Bearer "+token).Status
	}
	if got := try(tokens[0]); got != 401 {
		t.Errorf("with a session: got %d", got)
	}
	if _, err := h.Pool.Exec(
		t.Context(),
		"UPDATE sessions SET expires_at = $1 WHERE id = (SELECT id FROM sessions ORDER BY id DESC LIMIT 1)",
		h.Clock.Now(),
	); err != nil {
		t.Fatal(err)
	}
	if got := try(tokens[2]); got != 429 { // that of the newest session
		t.Errorf("with a session that has expired: got %d", got)
	}
	if a := h.Do(t, h.Request("POST", impltest.LogoutPath, "", "Authorization", "Bearer "+tokens[0])); a.Status != 204 {
		t.Fatalf("logout: %d", a.Status)
	}
	if got := try(tokens[0]); got != 429 {
		t.Errorf("with a session that was ended: got %d", got)
	}
	user, err := h.Auth.FindUser(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Auth.SetPassword(t.Context(), user, secret.New("another correct horse")); err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		if got := try(token); got != 429 {
			t.Errorf("with a session from before another password: got %d", got)
		}
	}
}

// A login that is recorded while another password is being set doesn't make its address known to
// the account.
func TestL5_AnotherPasswordBesideALogin(t *testing.T) {
	t.Parallel()
	h := flooded(t, password.Params{}) // with no bound on how long the login waits below
	registerFrom(t, h, home, "ada")
	user, err := h.Auth.FindUser(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	guess(t, h, "ada@example.com", 9) // of her account's budget one is left for the login
	tx, err := h.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT FROM users FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	const thief = "192.0.2.1"
	var wg sync.WaitGroup
	wg.Go(func() {
		r := h.LoginRequest("username", "ada@example.com", "password", impltest.Password)
		r.Header.Set("X-Forwarded-For", thief)
		if a, err := h.Try(t, r); err != nil || a.Status != 200 {
			t.Errorf("log-in: got %d, %v", a.Status, err)
		}
	})
	waitForWaiters(t, h, 1)
	wg.Go(func() {
		if _, err := h.Auth.SetPassword(t.Context(), user, secret.New("another correct horse")); err != nil {
			t.Error(err)
		}
	})
	waitForWaiters(t, h, 2)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	var known int
	if err := h.Pool.QueryRow(t.Context(), "SELECT count(*) FROM known_addresses").Scan(&known); err != nil || known != 2 {
		t.Fatalf("%d addresses, %v: the log-in was not recorded beside", known, err)
	}
	guess(t, h, "ada@example.com", 10)
	if a := loginFrom(t, h, thief, "ada@example.com", "a wrong password"); a.Status != 429 {
		t.Errorf("from the address of before: got %d", a.Status)
	}
	// A login from there with the new password makes the address known again.
	h.Clock.Advance(15 * time.Minute)
	if a := loginFrom(t, h, thief, "ada@example.com", "another correct horse"); a.Status != 200 {
		t.Fatalf("with the new password: got %d", a.Status)
	}
	guess(t, h, "ada@example.com", 10)
	if a := loginFrom(t, h, thief, "ada@example.com", "a wrong password"); a.Status != 401 {
		t.Errorf("from an address that is known again: got %d", a.Status)
	}
}

// An instance whose clock is behind makes an address known as well.
func TestL5_KnownByAClockThatIsBehind(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	user, err := h.Auth.FindUser(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Auth.SetPassword(t.Context(), user, secret.New("another correct horse")); err != nil {
		t.Fatal(err)
	}
	h.Clock.Advance(-time.Minute)
	if a := loginFrom(t, h, home, "ada@example.com", "another correct horse"); a.Status != 200 {
		t.Fatalf("got %d", a.Status)
	}
	guess(t, h, "ada@example.com", 10)
	if a := loginFrom(t, h, home, "ada@example.com", "a wrong password"); a.Status != 401 {
		t.Errorf("got %d", a.Status)
	}
}
