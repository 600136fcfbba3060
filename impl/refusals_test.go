package impl_test

import (
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// Both token endpoints report a repeated field, known or unknown.
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
