package impl_test

import (
	"context"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

func TestB12_DeactivatedDeletedAndChanged(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	find := func() auth.User {
		t.Helper()
		user, err := h.Auth.FindUser(t.Context(), "ada")
		if err != nil {
			t.Fatal(err)
		}
		return user
	}

	deactivate(t, h, "ada")
	wantRefusal(t, h.Me(t, token), userInactive)
	if _, err := h.Auth.Activate(t.Context(), auth.Operator{}, find().ID); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, h.Me(t, token), badToken) // what a deactivation ended stays ended

	// In the same second as the change, the old token is refused and the new one accepted.
	token = h.Login(t, "username", "ada@example.com", "password", impltest.Password).Text("access_token")
	if a := h.Me(t, token); a.Status != 200 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	h.Clock.Advance(time.Second)
	const other = "another horse, another staple"
	if _, err := h.Auth.SetPassword(t.Context(), find(), secret.New(other)); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, h.Me(t, token), badToken)
	if a := h.Login(t, "username", "ada@example.com", "password", impltest.Password); a.Status != 401 {
		t.Errorf("the old password got %d", a.Status)
	}
	token = h.Login(t, "username", "ada@example.com", "password", other).Text("access_token")
	if a := h.Me(t, token); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}

	if _, err := h.Auth.DeleteUser(t.Context(), auth.Operator{}, find().ID); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, h.Me(t, token), userGone)
}

// F-16, B-12: a login has checked the old password, and is written just before the password
// changes. The change ends its session, however late its token is made.
func TestB12_LoginThatAChangeOvertakes(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	user, err := h.Auth.FindUser(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	// The row is locked, so both writes wait for it, in the order in which they came.
	tx, err := h.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), "SELECT FROM users FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	token, changed := make(chan string, 1), make(chan error, 1)
	go func() {
		a, err := h.Try(t, h.LoginRequest("username", "ada@example.com", "password", impltest.Password))
		if err != nil || a.Status != 200 {
			t.Errorf("login: %d %s %v", a.Status, a.Body, err)
		}
		token <- a.Text("access_token")
	}()
	waitForWaiters(t, h, 1)
	go func() {
		_, err := h.Auth.SetPassword(t.Context(), user, secret.New("another correct horse"))
		changed <- err
	}()
	waitForWaiters(t, h, 2)
	h.Clock.Advance(5 * time.Second)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	if a := h.Me(t, <-token); a.Status != 401 || a.Text("code") != "invalid_token" {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	a := h.Login(t, "username", "ada@example.com", "password", "another correct horse")
	if a := h.Me(t, a.Text("access_token")); a.Status != 200 {
		t.Errorf("with the new password: got %d %s", a.Status, a.Body)
	}
}

// However often the credentials change within one second, no token from before the last change is
// valid.
func TestB12_ChangesWithinOneSecond(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	for i := range 3 {
		user, err := h.Auth.FindUser(t.Context(), "ada")
		if err != nil {
			t.Fatal(err)
		}
		token := h.Login(t, "username", "ada@example.com", "password", impltest.Password).Text("access_token")
		if a := h.Me(t, token); a.Status != 200 {
			t.Fatalf("round %d: got %d %s", i, a.Status, a.Body)
		}
		if _, err := h.Auth.SetPassword(t.Context(), user, secret.New(impltest.Password)); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, h.Me(t, token), badToken)
	}
}
