package impl_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// An imported user sees in the events when the import was, and that an operator did it.
func TestImportedUserSeesIt(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	outcomes, err := h.Auth.Import(false).Batch(t.Context(), []auth.ImportedUser{{
		Line: 1, Email: "ada@example.com", IsActive: true,
		PasswordHash: secret.New("$2b$04$2sIVHdxeJABuDeGPwDCN3OiWbiKv3T52e4dnDLl1r72TYYn8APtZ6"), // of impltest.Password
	}})
	if err != nil || len(outcomes) != 1 || outcomes[0].HashFormat != "bcrypt" {
		t.Fatalf("%+v, %v", outcomes, err)
	}
	token := h.Login(t, "username", "ada@example.com", "password", impltest.Password).Text("access_token")
	var got [][2]string
	for _, e := range eventsOf(t, h, token, "").Events {
		got = append(got, [2]string{string(e.Type), string(e.Actor)})
		if e.Type == "user.imported" && (e.Address != nil || e.UserAgent != nil || !e.CreatedAt.Equal(h.Clock.Now())) {
			t.Errorf("%+v", e)
		}
	}
	if diff := cmp.Diff([][2]string{{"user.logged_in", "user"}, {"user.imported", "operator"}}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
