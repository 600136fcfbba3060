package impl_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// Requests that TestContractFuzz has found, in their smallest form.

// A pointer can't name a field whose name isn't UTF-8. It names the whole body then, and not a
// field with U+FFFD in its name.
func TestFound_FormNameIsNoUTF8(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	for _, body := range []string{"%ff=1", "\xff=1", "a%C0%80=1", "%ED%A0%80", "%ff=1&%ff=2", "%ff=1&%fe=2"} {
		a := h.Do(t, h.Request("POST", impltest.LoginPath, body, "Content-Type", "application/x-www-form-urlencoded"))
		if a.Status != 422 || len(violations(a)) != 1 || violations(a)[0][0] != "" {
			t.Errorf("%q: got %d %s", body, a.Status, a.Body)
		}
	}
	const other = "%EF%BF%BD=1&%EF%BF%BD=2" // U+FFFD itself is a name like any other
	a := h.Do(t, h.Request("POST", impltest.LoginPath, other, "Content-Type", "application/x-www-form-urlencoded"))
	if diff := cmp.Diff([][2]string{{"/\ufffd", "duplicate"}}, violations(a)); diff != "" {
		t.Error(diff)
	}
}

// An empty form is a form without fields: the missing fields are reported, and not the body as a
// whole.
func TestFound_EmptyForm(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	a := h.Do(t, h.Request("POST", impltest.RevokePath, "", "Content-Type", "application/x-www-form-urlencoded"))
	if diff := cmp.Diff([][2]string{{"/token", "required"}}, violations(a)); diff != "" || a.Status != 422 {
		t.Errorf("got %d %s", a.Status, diff)
	}
	a = h.Do(t, h.Request("POST", impltest.RevokePath, ""))
	if diff := cmp.Diff([][2]string{{"", "required"}}, violations(a)); diff != "" || a.Status != 422 {
		t.Errorf("without a media type: got %d %s", a.Status, diff)
	}
}
