package impl_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// codeFor returns the code of the newest mail to an address.
func codeFor(t *testing.T, h *impltest.Harness, email string) string {
	t.Helper()
	return h.CodeMail(t, email).Code.Reveal()
}

// A stranger who requests another user's codes again and again ends none of the owner's codes. A
// new request from the same network ends the older one of this network.
func TestAStrangerEndsNobodysCode(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	owner := askFrom(t, h, home, impltest.RequestLoginCodePath, ada).Text("request")
	code := codeFor(t, h, ada)
	for i := range 9 {
		a := askFrom(t, h, fmt.Sprintf("203.0.113.%d", i), impltest.RequestLoginCodePath, ada)
		wantStatus(t, "a stranger", a, 202)
		wantInvalidCode(t, "the owner's code for the stranger's request", continueLogin(t, h, a.Text("request"), code))
	}
	wantStatus(t, "the owner", continueLogin(t, h, owner, code), 200)

	const phone = "2001:db8:1:2::7"
	older := askFrom(t, h, phone, impltest.RequestResetPath, ada).Text("request")
	code = codeFor(t, h, ada)
	newer := askFrom(t, h, "2001:db8:1:2::8", impltest.RequestResetPath, ada).Text("request")
	wantInvalidCode(t, "the older of one network", confirmReset(t, h, older, code, newPassword))
	wantStatus(t, "the newer", confirmReset(t, h, newer, codeFor(t, h, ada), newPassword), 204)
}

// The codes that strangers have requested end with the owner's reset. Their rows look like those
// for unknown emails.
func TestCodesOfStrangersEnd(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	rows := map[string]int{}
	for _, email := range []string{ada, "nobody@example.com"} {
		for i := range 3 {
			askFrom(t, h, fmt.Sprintf("203.0.113.%d", i), impltest.RequestResetPath, email)
			askFrom(t, h, fmt.Sprintf("203.0.113.%d", i), impltest.RequestResetPath, email)
		}
		rows[email] = count(t, h, "SELECT count(*) FROM challenges WHERE email_key = $1", email)
	}
	if diff := cmp.Diff(map[string]int{ada: 3, "nobody@example.com": 3}, rows); diff != "" {
		t.Errorf("challenges (-want +got):\n%s", diff)
	}
	if mails := h.Mails(t, ada); len(mails) != 3 {
		t.Errorf("%d mails would be sent, want the newest of each network", len(mails))
	}
	request := askFrom(t, h, home, impltest.RequestResetPath, ada).Text("request")
	wantStatus(t, "the reset", confirmReset(t, h, request, codeFor(t, h, ada), newPassword), 204)
	for _, data := range h.Mails(t, ada) {
		if _, ok := data.(auth.CodeMail); ok {
			t.Error("a stranger's code outlives the reset")
		}
	}
}
