package impl_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// FuzzLoginForm sends any body to the token endpoint. The response is one of the contract's, and
// never a 5xx.
func FuzzLoginForm(f *testing.F) {
	for _, seed := range []string{
		"", "username=ada%40example.com&password=correct+horse+battery+staple", "grant_type=password&username=&password=",
		"username=a&username=b", "username=%ff", "username=%zz", "a;b", "&&&===", "grant_type=refresh_token", "username=%00",
		"=x", "%3D=%26", "username", "scope=\x00", strings.Repeat("a=b&", 500),
	} {
		f.Add(seed)
	}
	h := impltest.New(f)
	h.MustRegister(f, "ada")
	f.Fuzz(func(t *testing.T, body string) {
		a := h.Do(
			t,
			h.Request(http.MethodPost, impltest.LoginPath, body, "Content-Type", "application/x-www-form-urlencoded"),
		)
		if a.Status >= 500 {
			t.Errorf("got %d %s", a.Status, a.Body)
		}
		if a.Status == 422 && a.Text("error") != "invalid_request" {
			t.Errorf("got %s", a.Body)
		}
	})
}

// FuzzAuthorization parses any header. A token is returned only for the scheme Bearer, and is the
// text after it.
func FuzzAuthorization(f *testing.F) {
	for _, seed := range []string{"", "Bearer", "Bearer ", "Bearer x", "bearer  x y", "BEARER\tx", "Basic Og==", " Bearer x", "Bearerx", "Bearer \x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		token, err := impl.ParseAuthorization(header)
		if err != nil {
			if !errors.Is(err, impl.ErrNotAuthenticated) || token != "" {
				t.Errorf("%q: %q, %v", header, token, err)
			}
			return
		}
		scheme := header[:min(len(header), len("Bearer"))]
		if !strings.EqualFold(scheme, "Bearer") || !strings.HasSuffix(header, token) || strings.HasPrefix(token, " ") {
			t.Errorf("%q gave %q", header, token)
		}
	})
}
