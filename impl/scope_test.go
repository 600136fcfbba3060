package impl_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// wantScope checks the scopes of a response with tokens: the member `scope`, and the token's claim.
func wantScope(t *testing.T, what string, a impltest.Answer, want string) {
	t.Helper()
	claim, _ := decodePart(t, a.Text("access_token"), 1)["scope"].(string)
	_, isThere := decodePart(t, a.Text("access_token"), 1)["scope"]
	if a.Text("scope") != want || claim != want || isThere != (want != "") {
		t.Errorf("%s: got %q and the claim %q, want %q", what, a.Text("scope"), claim, want)
	}
}

// A token has the scopes that the login requested and that a role of the user holds.
func TestScopesOfALogin(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	for username, roles := range map[string][]string{
		"ada": nil, "grace": {"superuser"}, "joan": {"support"}, "mary": {"support", "superuser"},
	} {
		h.MustRegister(t, username)
		for _, role := range roles {
			h.GiveRole(t, username, role)
		}
	}
	const all, support = "events:read sessions:end users:read users:write", "events:read sessions:end users:read"
	for _, row := range []struct{ username, asked, want string }{
		{"ada", "", ""},
		{"ada", impltest.AllScopes, ""},
		{"grace", "", ""},
		{"grace", impltest.AllScopes, all},
		{"grace", "users:read", "users:read"},
		{"grace", "  users:write   users:read users:write ", "users:read users:write"},
		{"joan", impltest.AllScopes, support},
		{"joan", "users:write", ""},
		{"mary", impltest.AllScopes, all},
	} {
		a := h.MustLogin(t, row.username, "scope", row.asked)
		wantScope(t, fmt.Sprintf("%s asks for %q", row.username, row.asked), a, row.want)
	}
}

// RFC 6749 section 5.2: an unknown scope is refused before anything is looked up or counted.
func TestL2_InvalidScopes(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Limits: true})
	h.MustRegister(t, "ada")
	refused := func(a impltest.Answer) {
		t.Helper()
		if a.Status != 400 || a.Text("error") != "invalid_scope" || a.Text("code") != "invalid_scope" {
			t.Errorf("got %d %s", a.Status, a.Body)
		}
	}
	for range 30 { // more than the budget of failed logins
		refused(h.Login(t, "username", "ada@example.com", "password", "wrong", "scope", "openid"))
	}
	for _, scope := range []string{"users:read admin", "USERS:READ", "users:read,users:write", "users:read\tusers:write", "superuser", "*"} {
		refused(h.Login(t, "username", "ada@example.com", "password", impltest.Password, "scope", scope))
	}
	a := h.MustLogin(t, "ada", "scope", "users:read")
	refused(refresh(t, h, a.Text("refresh_token"), "scope", "openid"))
	request := askCode(t, h, impltest.RequestLoginCodePath, "ada@example.com")
	body := `{"request":"` + request + `","factor":"email_code","code":"20318467","scope":"openid"}`
	if a := postAs(t, h, "", impltest.ContinueLoginPath, body); a.Status != 400 || a.Text("code") != "invalid_scope" {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

// A refresh returns the scopes of the login that the user still holds. It can narrow them for its
// own token (RFC 6749 section 6).
func TestScopesOfARefresh(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	h.GiveRole(t, "ada", "support")
	a := h.MustLogin(t, "ada", "scope", "users:read users:write events:read")
	next := func(what, want string, more ...string) {
		t.Helper()
		a = refresh(t, h, a.Text("refresh_token"), more...)
		if a.Status != 200 {
			t.Fatalf("%s: got %d %s", what, a.Status, a.Body)
		}
		wantScope(t, what, a, want)
	}
	next("a refresh", "events:read users:read")
	next("narrowed", "users:read", "scope", "users:read")
	next("after it was narrowed", "events:read users:read", "scope", "")
	next("one that the user doesn't hold", "", "scope", "users:write")
	h.GiveRole(t, "ada", "superuser")
	next("after a promotion", "events:read users:read users:write")

	// A scope that the login didn't request is refused. Token and session stay valid.
	if b := refresh(t, h, a.Text("refresh_token"), "scope", "users:read sessions:end"); b.Status != 400 || b.Text("error") != "invalid_scope" {
		t.Errorf("got %d %s", b.Status, b.Body)
	}
	h.TakeRole(t, "ada", "superuser")
	h.TakeRole(t, "ada", "support")
	next("after a demotion", "")
	// A token that was exchanged long ago ends its session, whatever scope is sent with it.
	old := a.Text("refresh_token")
	next("in time", "")
	h.Clock.Advance(time.Minute)
	if b := refresh(t, h, old, "scope", "sessions:end"); b.Text("code") != "refresh_token_reused" {
		t.Errorf("got %d %s", b.Status, b.Body)
	}
}

// The other operations that return a token.
func TestScopesOfOtherTokens(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{})
	registered := h.Register(t, "ada@example.com", "ada", impltest.Password)
	if registered.JSON("token.scope") != nil {
		t.Errorf("a registration: got %s", registered.Body)
	}
	h.GiveRole(t, "ada", "support")
	access := h.MustLogin(t, "ada", "scope", "users:read users:write").Text("access_token")
	again := postAs(t, h, access, impltest.ReauthenticationPath, `{"factor":"password","password":"`+impltest.Password+`"}`)
	wantScope(t, "a reauthentication", again, "users:read")
	everyday := h.MustLogin(t, "ada").Text("access_token")
	again = postAs(t, h, everyday, impltest.ReauthenticationPath, `{"factor":"password","password":"`+impltest.Password+`"}`)
	wantScope(t, "a reauthentication without scopes", again, "")

	for scope, want := range map[string]string{"": "", "users:write events:read": "events:read"} {
		request := askCode(t, h, impltest.RequestLoginCodePath, "ada@example.com")
		body := fmt.Sprintf(`{"request":%q,"factor":"email_code","code":%q,"scope":%q}`, request, h.CodeMail(t, ada).Code.Reveal(), scope)
		wantScope(t, "a code, asked for "+scope, postAs(t, h, "", impltest.ContinueLoginPath, body), want)
	}
}

// A request needs a scope that its token has and that a role of the user holds now.
func TestScopesAreEnforced(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustOperator(t, "root", "superuser", "") // so that nobody else is the last superuser
	const path = impltest.UsersPath
	list := func(token string) impltest.Answer { return as(t, h, token, "GET", path) }
	support := h.MustOperator(t, "ada", "support", "users:read")
	superuser := h.MustOperator(t, "grace", "superuser", impltest.AllScopes)
	for what, token := range map[string]string{
		"nobody in particular":        h.MustRegister(t, "joan"),
		"an operator's everyday":      h.MustLogin(t, "grace").Text("access_token"),
		"another scope":               h.MustLogin(t, "grace", "scope", "events:read").Text("access_token"),
		"a refresh that narrows":      refresh(t, h, h.MustLogin(t, "grace", "scope", impltest.AllScopes).Text("refresh_token"), "scope", "events:read").Text("access_token"),
		"a user who asks for a scope": h.MustLogin(t, "joan", "scope", "users:read").Text("access_token"),
	} {
		wantInsufficientScope(t, what, list(token), "users:read")
	}
	for what, token := range map[string]string{"support": support, "superuser": superuser} {
		wantLetThrough(t, what, list(token))
	}
	// A role that is taken away counts from the next request on, whatever the token says.
	h.TakeRole(t, "ada", "support")
	h.TakeRole(t, "grace", "superuser")
	wantInsufficientScope(t, "a former supporter", list(support), "users:read")
	wantInsufficientScope(t, "a former superuser", list(superuser), "users:read")
	if a := h.Me(t, superuser); a.Status != 200 {
		t.Errorf("a former superuser's own account: got %d %s", a.Status, a.Body)
	}
	h.GiveRole(t, "ada", "superuser") // which holds it as well
	wantLetThrough(t, "ada again", list(support))
	// A session that has ended is reported as ended, and not as one without the scope.
	deactivate(t, h, "ada")
	wantRefusal(t, list(support), userInactive)
	wantRefusal(t, as(t, h, "e30.e30.e30", "GET", path), badToken)
}

func wantLetThrough(t *testing.T, what string, a impltest.Answer) {
	t.Helper()
	if a.Status == 401 || a.Status == 403 {
		t.Errorf("%s: got %d %s", what, a.Status, a.Body)
	}
}

// wantInsufficientScope checks the response of RFC 6750 section 3.1.
func wantInsufficientScope(t *testing.T, what string, a impltest.Answer, scope string) {
	t.Helper()
	challenge := `Bearer error="insufficient_scope", scope="` + scope + `"`
	if a.Status != 403 || a.Text("code") != "insufficient_scope" || a.Header.Get("WWW-Authenticate") != challenge ||
		!cmp.Equal(a.JSON("scopes"), any([]any{scope})) {
		t.Errorf("%s: got %d %q %s", what, a.Status, a.Header.Get("WWW-Authenticate"), a.Body)
	}
}

// The roles are read by the statement that finds the user.
func TestScopesCostNoStatement(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	superuser := h.MustOperator(t, "grace", "superuser", impltest.AllScopes)
	former := h.MustOperator(t, "ada", "support", impltest.AllScopes)
	h.TakeRole(t, "ada", "support")
	everyday := h.MustLogin(t, "grace").Text("access_token")
	var asked counting
	counted := h.On(t, tracedPool(t, h, &asked))
	for _, row := range []struct{ what, token, path string }{
		{"an everyday token", everyday, "/api/users/"}, {"without the role", former, "/api/users/"}, {"me", superuser, impltest.MePath},
	} {
		before := asked.all()
		a := as(t, counted, row.token, "GET", row.path)
		if n := asked.all() - before; n != 1 {
			t.Errorf("%s: %d statements (%d %s)", row.what, n, a.Status, a.Body)
		}
	}
}
