package impl_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// A login that can't belong to any account is charged to nobody. Otherwise a client that sends no
// credentials could use up the budget of everybody at its address.
func TestL5_MalformedLoginsAreNotCharged(t *testing.T) {
	t.Parallel()
	h := limited(t)
	for range 150 {
		loginFrom(t, h, "203.0.113.1", "x", "y")
	}
	if a := loginFrom(t, h, "203.0.113.1", "ada@example.com", "a wrong password"); a.Status != 401 {
		t.Errorf("a login of the same address: got %d %s; want 401", a.Status, a.Body)
	}
}

// A remembered refusal applies only to what was refused, and only until the budget has room again.
func TestL5_RememberedRefusals(t *testing.T) {
	t.Parallel()
	t.Run("a registration's says nothing of a log-in", func(t *testing.T) {
		t.Parallel()
		h := limited(t)
		registerFrom(t, h, home, "ada")
		for range 6 {
			registerFrom(t, h, "192.0.2.1", "ada")
		}
		if a := loginFrom(t, h, "192.0.2.1", "ada@example.com", impltest.Password); a.Status != 200 {
			t.Errorf("got %d %v %s", a.Status, a.Header, a.Body)
		}
	})
	t.Run("an address that has become known is known", func(t *testing.T) {
		t.Parallel()
		h := limited(t)
		session := registerFrom(t, h, home, "ada").Text("token.access_token")
		guess(t, h, "ada@example.com", 20)
		const away = "192.0.2.1"
		if a := loginFrom(t, h, away, "ada@example.com", impltest.Password); a.Status != 429 {
			t.Fatalf("got %d", a.Status)
		}
		for _, headers := range [][]string{{"Authorization", "Bearer " + session}, nil} {
			if a := loginFrom(t, h, away, "ada@example.com", impltest.Password, headers...); a.Status != 200 {
				t.Errorf("with %d headers: got %d %s", len(headers), a.Status, a.Body)
			}
		}
	})
	t.Run("not after the clock was set back", func(t *testing.T) {
		t.Parallel()
		h := limited(t)
		registerFrom(t, h, home, "ada")
		h.Clock.Advance(365 * 24 * time.Hour)
		for range 11 {
			loginFrom(t, h, "192.0.2.1", "eve@example.com", "a wrong password")
		}
		h.Clock.Advance(-365 * 24 * time.Hour)
		if a := loginFrom(t, h, "192.0.2.1", "eve@example.com", "a wrong password"); a.Status != 401 {
			t.Errorf("got %d %v", a.Status, a.Header)
		}
	})
}

// Instances whose clocks differ still share the budgets.
func TestL5_ClocksThatDiffer(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	behind := limited(t)
	ahead := behind.With(t, impltest.Options{Limits: true, Proxies: proxies, Skew: time.Minute})
	let := 0
	for i := range 500 {
		for _, h := range []*impltest.Harness{behind, ahead} {
			if a := loginFrom(t, h, "203.0.113.1", fmt.Sprintf("user-%d@example.com", i), "a wrong password"); a.Status == 401 {
				let++
			}
		}
	}
	if let > 102 { // one more each 36 s
		t.Errorf("%d of 1000 guesses were let through, want about 100", let)
	}
}

// An attacker behind an address that many accounts know can't try them all.
func TestL5_SprayingFromAKnownAddress(t *testing.T) {
	t.Parallel()
	h := limited(t)
	const accounts = 40
	for i := range accounts {
		if registerFrom(t, h, home, fmt.Sprintf("user-%d", i)).Status != 201 {
			t.Fatal("not registered")
		}
	}
	let := 0
	for range 10 {
		for i := range accounts {
			if a := loginFrom(t, h, home, fmt.Sprintf("user-%d@example.com", i), "a wrong password"); a.Status == 401 {
				let++
			} else if got := a.Header.Get("RateLimit-Policy"); got != `"address";q=300;w=3600` {
				t.Fatalf("got %d %s", a.Status, got)
			}
		}
	}
	if let != 300 {
		t.Errorf("%d of 400 guesses were let through, want 300", let)
	}
	// A session isn't limited because of its neighbours.
	h.Clock.Advance(12 * time.Second)
	a := loginFrom(t, h, home, "user-1@example.com", impltest.Password)
	if a.Status != 200 {
		t.Fatalf("got %d", a.Status)
	}
	session := a.Text("access_token")
	loginFrom(t, h, home, "user-2@example.com", "a wrong password")
	if a := loginFrom(
		t,
		h,
		home,
		"user-1@example.com",
		impltest.Password,
		"Authorization",
		"Bearer "+session,
	); a.Status != 200 {
		t.Errorf("with a session: got %d %s", a.Status, a.Body)
	}
}

// A change of the password also ends the own budget of the thief's address.
func TestL5_AnotherPasswordForgetsAddresses(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	user, err := h.Auth.FindUser(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	guess(t, h, "ada@example.com", 10)
	if a := loginFrom(t, h, home, "ada@example.com", "a wrong password"); a.Status != 401 {
		t.Fatalf("got %d", a.Status)
	}
	if _, err := h.Auth.SetPassword(t.Context(), user, secret.New("another correct horse")); err != nil {
		t.Fatal(err)
	}
	if a := loginFrom(t, h, home, "ada@example.com", "a wrong password"); a.Status != 429 {
		t.Errorf("the address of before: got %d", a.Status)
	}
}

// An account that has left an email has no budget of its own there: its networks are strangers to
// the next account with this email.
func TestL5_FormerOwnersAreStrangers(t *testing.T) {
	t.Parallel()
	h := limited(t)
	token := registerFrom(t, h, home, "ada").Text("token.access_token")
	changeEmail(t, h, token, newAda)
	h.Clock.Advance(challenge.UndoTTL)
	const elsewhere = "192.0.2.1"
	body := `{"email":"` + ada + `","username":"grace","password":"` + newPassword + `"}`
	r := h.Request("POST", impltest.RegisterPath, body, "Content-Type", mediaJSON, "X-Forwarded-For", elsewhere)
	wantStatus(t, "the next owner", h.Do(t, r), 201)
	guess(t, h, ada, 10)
	a := loginFrom(t, h, home, ada, "a wrong password")
	if a.Status != 429 || a.Header.Get("RateLimit-Policy") != `"account";q=10;w=9000` {
		t.Errorf("the former owner: got %d %v", a.Status, a.Header)
	}
	wantStatus(t, "the next owner", loginFrom(t, h, elsewhere, ada, newPassword), 200)
}
