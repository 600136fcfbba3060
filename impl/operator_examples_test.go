package impl_test

import (
	"net/http"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// The contract shows these invalid requests of operators. The harness checks that each example of a
// response was seen.
func TestOperatorsInvalidRequests(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "root", auth.RoleSuperuser, impltest.AllScopes)
	h.MustRegister(t, "ada")
	for _, r := range []struct{ method, path, body, media string }{
		{http.MethodGet, impltest.RegisterPath + "?limit=0&role=x", "", ""},
		{http.MethodPost, "/api/users/invitations/", `{"roles":["x"]}`, "application/json"},
		{
			http.MethodPatch, "/api/users/01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90/", `{"is_superuser":true,"username":"x"}`,
			"application/merge-patch+json",
		},
	} {
		a := h.Do(t, h.Request(r.method, r.path, r.body,
			"Authorization", "Bearer "+token, "Content-Type", r.media, "If-Match", "*"))
		wantStatus(t, r.path, a, http.StatusUnprocessableEntity)
	}
}
