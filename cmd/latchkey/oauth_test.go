package main

import (
	"net/http"
	"os/exec"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// L-2: Python's OAuth2 client logs in, refreshes and fails. It reports each failure as its own type
// of error. Clients in other languages: impl/oauth2_test.go and web/client/test/oauth.test.ts.
func TestL2_RequestsOAuthlib(t *testing.T) {
	t.Parallel()
	impltest.Installed(t, "/usr/lib/python3/dist-packages/requests_oauthlib/__init__.py")
	_, url := serve(t, openFolder(t), onDatabase(postgrestest.NewEmpty(t)))
	const email = "ada@example.com"
	if a, err := register(url, email, "ada", impltest.Password); err != nil || a.status != http.StatusCreated {
		t.Fatalf("%v %v", a, err)
	}
	cmd := exec.Command("/usr/bin/python3", "testdata/oauth2_client.py", url, email, impltest.Password)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
