package impl_test

import (
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// L-6: each failed login costs a hash, whatever is wrong with the account, so its time doesn't
// reveal whether there is an account. While no worker is free, none of them gets a response.
func TestL6_EveryFailureCostsAHash(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Patient: true})
	for _, name := range []string{"ada", "eve", "bob", "kim"} {
		h.MustRegister(t, name)
	}
	deactivate(t, h, "eve@example.com")
	if _, err := h.Pool.Exec(
		t.Context(), "DELETE FROM passwords p USING users u WHERE u.id = p.user_id AND u.username = 'bob'",
	); err != nil {
		t.Fatal(err)
	}
	setHash(t, h, "kim", "$2b$15$"+strings.Repeat("a", 53))
	release := h.OccupyWorkers(t)
	emails := []string{"nobody@example.com", "ada@example.com", "eve@example.com", "bob@example.com", "kim@example.com"}
	answers := make(chan impltest.Answer, len(emails))
	for i, email := range emails {
		go func() {
			a, err := h.Try(t, h.LoginRequest("username", email, "password", "a wrong password"))
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
		waitFor(t, func() bool { return h.Auth.Stats().HashesWaiting > i || len(answers) > 0 })
		if len(answers) > 0 {
			t.Fatalf("%s: got %d before a password was hashed", email, (<-answers).Status)
		}
	}
	release()
	for range emails {
		if a := <-answers; a.Status != 401 {
			t.Errorf("got %d %s", a.Status, a.Body)
		}
	}
}
