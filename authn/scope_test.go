package authn_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/latchkey-auth/latchkey/authn"
)

func TestRequireScope(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	s := newServer(t, signer)
	v := s.verifier()
	for name, test := range map[string]struct {
		scope, demanded string
		isLetIn         bool
	}{
		"the scope":               {"users:read", "users:read", true},
		"the scope among others":  {"events:read users:read", "users:read", true},
		"no scope":                {"", "users:read", false},
		"another scope":           {"events:read", "users:read", false},
		"the beginning of one":    {"users:rea", "users:read", false},
		"one that begins like it": {"users:reader", "users:read", false},
		"another case":            {"Users:Read", "users:read", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			isReached := false
			h := v.Middleware(authn.RequireScope(test.demanded)(
				http.HandlerFunc(func(http.ResponseWriter, *http.Request) { isReached = true }),
			))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			claims := replaced(goodClaims(), `{`, `{"scope":"`+test.scope+`",`)
			r.Header.Set("Authorization", "Bearer "+signer.sign(s.header(signer), claims))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if isReached != test.isLetIn {
				t.Errorf("reached: %v, want %v", isReached, test.isLetIn)
			}
			if !test.isLetIn {
				wantInsufficient(t, w, s.url+"/problems/insufficient_scope", "users:read")
			}
		})
	}
}

// All of the scopes are needed, and the challenge names them (RFC 6750 section 3).
func TestRequireScopes(t *testing.T) {
	t.Parallel()
	h := authn.RequireScope("users:read", "users:write")(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
	)
	send := func(scopes ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(authn.NewContext(r.Context(), authn.Claims{Scopes: scopes})))
		return w
	}
	if w := send("users:write", "events:read", "users:read"); w.Code != http.StatusNoContent {
		t.Errorf("both: got %d", w.Code)
	}
	// NewContext knows no server, so the problem has no page.
	wantInsufficient(t, send("users:read"), "about:blank", "users:read", "users:write")

	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("without a check of the token: got %d %v", w.Code, w.Header())
	}
}

func wantInsufficient(t *testing.T, w *httptest.ResponseRecorder, page string, scopes ...any) {
	t.Helper()
	challenge := `Bearer error="insufficient_scope", scope="`
	for i, scope := range scopes {
		if i > 0 {
			challenge += " "
		}
		challenge += scope.(string)
	}
	header := http.Header{
		"Content-Type": {"application/problem+json"}, "Cache-Control": {"no-store"}, "Www-Authenticate": {challenge + `"`},
	}
	if w.Code != http.StatusForbidden || !reflect.DeepEqual(w.Header(), header) {
		t.Errorf("got %d %v, want 403 %v", w.Code, w.Header(), header)
	}
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"type": page, "title": "The token lacks a scope", "status": 403.0, "code": "insufficient_scope", "scopes": scopes,
		"detail": "The token or the roles of its user lack a scope.",
	}
	if !reflect.DeepEqual(body, want) {
		t.Errorf("got %v, want %v", body, want)
	}
}

// A token with these claims in another form isn't one of the server's.
func TestScopeAndExtOfAnotherForm(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	s := newServer(t, signer)
	v := s.verifier()
	for name, member := range map[string]string{
		"a list of scopes":      `"scope":["users:read"]`,
		"a number of scopes":    `"scope":1`,
		"a scope twice":         `"scope":"users:read","scope":"events:read"`,
		"a scope in other case": `"Scope":"users:read"`,
		"ext is a text":         `"ext":"plan"`,
		"ext is a list":         `"ext":["plan"]`,
		"ext twice":             `"ext":{},"ext":{"plan":"pro"}`,
		"a member of ext twice": `"ext":{"plan":"pro","plan":"max"}`,
		"ext in other case":     `"EXT":{"plan":"pro"}`,
	} {
		claims := replaced(goodClaims(), `{`, `{`+member+`,`)
		wantInvalid(t, v, name, signer.sign(s.header(signer), claims))
	}
}

// A list of scopes that is empty by mistake must not let everybody in.
func TestRequireScopeNeedsScopes(t *testing.T) {
	t.Parallel()
	for _, scopes := range [][]string{nil, {""}, {"users:read", ""}, {"users:read users:write"}, {"a\"b"}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q was taken", scopes)
				}
			}()
			authn.RequireScope(scopes...)
		}()
	}
}
