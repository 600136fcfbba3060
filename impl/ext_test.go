package impl_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/authn"
	"github.com/latchkey-auth/latchkey/impl/auth/token"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// setAppMetadata sets a user's app_metadata as an operator does.
func setAppMetadata(t *testing.T, h *impltest.Harness, username, object string) {
	t.Helper()
	const text = "UPDATE users SET app_metadata = $2::jsonb WHERE username = $1"
	if _, err := h.Pool.Exec(t.Context(), text, username, object); err != nil {
		t.Fatal(err)
	}
}

// Each token has the members of app_metadata that the settings name, with their values at that
// moment.
func TestTokenClaims(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{TokenClaims: []string{"plan", "roles"}})
	want := func(what, token string, ext any) {
		t.Helper()
		claims := decodePart(t, token, 1)
		if diff := cmp.Diff(ext, claims["ext"]); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
		if _, isThere := claims["ext"]; isThere != (ext != nil) {
			t.Errorf("%s: got %v", what, claims)
		}
	}
	want("a registration", h.MustRegister(t, "ada"), nil)
	setAppMetadata(t, h, "ada", `{"secret": "kept here"}`)
	want("none of the members", h.MustLogin(t, "ada").Text("access_token"), nil)
	setAppMetadata(t, h, "ada", `{"plan": "pro", "secret": "kept here", "Plan": 1}`)
	a := h.MustLogin(t, "ada")
	want("a login", a.Text("access_token"), map[string]any{"plan": "pro"})
	setAppMetadata(t, h, "ada", `{"plan": null, "roles": ["editor", {"of": 7}], "secret": "kept here"}`)
	both := map[string]any{"plan": nil, "roles": []any{"editor", map[string]any{"of": 7.0}}}
	access, _ := wantRefreshed(t, refresh(t, h, a.Text("refresh_token")))
	want("a refresh", access, both)
	again := postAs(t, h, access, impltest.ReauthenticationPath, `{"factor":"password","password":"`+impltest.Password+`"}`)
	want("a reauthentication", again.Text("access_token"), both)
	want("without the setting", h.With(t, impltest.Options{}).MustLogin(t, "ada").Text("access_token"), nil)
	request := askCode(t, h, impltest.RequestLoginCodePath, ada)
	want("a code", continueLogin(t, h, request, h.CodeMail(t, ada).Code.Reveal()).Text("access_token"), both)

	verifier, err := authn.NewVerifier(authn.Options{URL: h.URL, Audience: "latchkey:auth", Now: h.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := verifier.Verify(t.Context(), access)
	if diff := cmp.Diff(both, claims.Ext); err != nil || diff != "" {
		t.Errorf("authn: %v %s", err, diff)
	}
}

// The user can't write what gets into the token.
func TestTokenClaimsAreNotTheUsers(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{TokenClaims: []string{"plan"}})
	access := h.MustRegister(t, "ada")
	for body, status := range map[string]int{
		`{"user_metadata":{"plan":"pro"}}`: 200, `{"app_metadata":{"plan":"pro"}}`: 422,
	} {
		r := h.Request("PATCH", impltest.MePath, body, "Content-Type", "application/merge-patch+json", "Authorization", "Bearer "+access)
		wantStatus(t, body, h.Do(t, r), status)
	}
	if ext := decodePart(t, h.MustLogin(t, "ada").Text("access_token"), 1)["ext"]; ext != nil {
		t.Errorf("got %v", ext)
	}
}

// A token stays below the length that every verifier accepts, also with the longest possible
// claims. It has no ext if ext would make it too long.
func TestLongestTokenWithClaims(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 255)
	h := impltest.New(t, impltest.Options{
		TokenClaims: []string{"plan"}, Algorithm: "RS256", Tokens: token.Options{Issuer: long, Audience: long},
	})
	email := strings.Repeat("&", 64) + "@" + strings.Repeat(strings.Repeat("d", 60)+".", 3) + "de"
	username := strings.Repeat("u", 64)
	if a := h.Register(t, email, username, impltest.Password); a.Status != 201 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	h.GiveRole(t, username, "superuser")
	const most = 1024 - len(`{"plan":""}`)
	for _, row := range []struct {
		value string
		isIn  bool
	}{
		{strings.Repeat("p", most), true},
		{strings.Repeat("p", most+1), false},
		{strings.Repeat("<", most/6), true}, // each is written as six characters
		{strings.Repeat("<", most/6+1), false},
	} {
		setAppMetadata(t, h, username, fmt.Sprintf(`{"plan": %q}`, row.value))
		a := h.Login(t, "username", email, "password", impltest.Password, "scope", impltest.AllScopes)
		access := a.Text("access_token")
		ext, isIn := decodePart(t, access, 1)["ext"]
		if a.Status != 200 || len(access) > authn.MaxTokenBytes || isIn != row.isIn {
			t.Errorf("%d bytes: got %d, a token of %d bytes with %v", len(row.value), a.Status, len(access), ext)
		}
		if me := h.Me(t, access); me.Status != 200 {
			t.Errorf("%d bytes: got %d %s", len(row.value), me.Status, me.Body)
		}
	}
	if n := strings.Count(h.Log.String(), "ext=too_large"); n != 2 {
		t.Errorf("the log has it %d times, want 2", n)
	}
}
