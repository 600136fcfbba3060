package impl_test

import (
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// Each operation that asks for a token refuses one in each of the contract's words: it is one
// function that does, and it has to stand before all of them.
func TestEveryOperationRefusesTokens(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	inactive, gone, good := h.MustRegister(t, "inactive"), h.MustRegister(t, "gone"), h.MustRegister(t, "ada")
	deactivate(t, h, "inactive")
	user, err := h.Auth.FindUser(t.Context(), "gone")
	if err == nil {
		_, err = h.Auth.DeleteUser(t.Context(), user.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, item := range impltest.Contract().Paths.Map() {
		for _, op := range item.Operations() {
			if !impltest.AsksForToken(op) { // a login's 401 is about what stands in its body
				continue
			}
			asked++
			t.Run(op.OperationID, func(t *testing.T) {
				t.Parallel()
				with := func(token, query string) impltest.Answer {
					r := requests(token)[op.OperationID]
					return h.Do(t, h.Request(r[0], r[1]+query, r[2], r[3:]...))
				}
				r := requests("")[op.OperationID]
				wantRefusal(t, h.Do(t, h.Request(r[0], r[1], r[2], r[3:len(r)-2]...)), notAuthenticated)
				for token, want := range map[string]refusal{"e30.e30.e30": badToken, gone: userGone, inactive: userInactive} {
					wantRefusal(t, with(token, ""), want)
				}
				if a := with(good, "?access_token="+good); a.Status != 400 || a.Text("code") != "ambiguous_credentials" {
					t.Errorf("two tokens: got %d %s", a.Status, a.Body)
				}
			})
		}
	}
	if asked == 0 {
		t.Error("no operation asks for a token")
	}
}

// Both token endpoints tell of a field that stands twice, whether they know it or not.
func TestFieldsThatStandTwice(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	for path, body := range map[string]string{
		impltest.LoginPath:  "username=a&username=b&password=c",
		impltest.RevokePath: "token=a&username=a&username=b",
	} {
		a := h.Do(t, h.Request("POST", path, body, "Content-Type", form))
		if got := violations(a); a.Status != 422 || len(got) != 1 || got[0] != [2]string{"/username", "duplicate"} {
			t.Errorf("%s: got %d %s", path, a.Status, a.Body)
		}
	}
}
