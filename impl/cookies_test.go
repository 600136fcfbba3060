package impl_test

import (
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

const (
	authOrigin   = "https://auth.example.com"
	cookieOfAuth = "__Secure-latchkey-refresh"
)

// withCookies is a server that keeps sessions in cookies, for its own pages and those of one
// origin.
func withCookies(t *testing.T, limits ...bool) *impltest.Harness {
	t.Helper()
	return impltest.New(t, impltest.Options{
		SessionCookies: true, PublicURL: authOrigin, Origins: []string{appOrigin}, Limits: len(limits) > 0,
	})
}

var cookieForm = regexp.MustCompile(`^__Secure-latchkey-refresh=(lkr_[A-Za-z0-9_-]+); Path=/api/users/login/; ` +
	`Max-Age=([0-9]+); HttpOnly; Secure; SameSite=Strict$`)

// wantCookie demands a response that delivers by the cookie, and returns the refresh token.
func wantCookie(t *testing.T, a impltest.Answer) string {
	t.Helper()
	m := cookieForm.FindStringSubmatch(a.Header.Get("Set-Cookie"))
	if a.Status >= 300 || m == nil || strings.Contains(string(a.Body), "refresh") || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d %q %s", a.Status, a.Header.Get("Set-Cookie"), a.Body)
	}
	return m[1]
}

const removed = "__Secure-latchkey-refresh=; Path=/api/users/login/; Max-Age=0; HttpOnly; Secure; SameSite=Strict"

func wantRemoved(t *testing.T, a impltest.Answer) {
	t.Helper()
	if got := a.Header.Get("Set-Cookie"); got != removed {
		t.Errorf("%d: the cookie is set to %q", a.Status, got)
	}
}

// wantKept demands that a response leaves the browser's cookie alone.
func wantKept(t *testing.T, a impltest.Answer) {
	t.Helper()
	if got := a.Header.Values("Set-Cookie"); got != nil {
		t.Errorf("%d: the cookie is set to %q", a.Status, got)
	}
}

// refreshBy refreshes by cookies, as a page of the server's own origin.
func refreshBy(t *testing.T, h *impltest.Harness, cookies string, fields ...string) impltest.Answer {
	t.Helper()
	return h.Do(t, byCookie(h, cookies, authOrigin, fields...))
}

func byCookie(h *impltest.Harness, cookies, origin string, fields ...string) *http.Request {
	r := h.LoginRequest(append([]string{"grant_type", "refresh_token"}, fields...)...)
	if cookies != "" {
		r.Header.Set("Cookie", cookies)
	}
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	return r
}

func named(token string) string { return cookieOfAuth + "=" + token }

// loginByCookie opens a session of ada, which is kept in a cookie.
func loginByCookie(t *testing.T, h *impltest.Harness) (access, token string) {
	t.Helper()
	a := h.Login(t, "username", ada, "password", impltest.Password, "token_delivery", "cookie")
	return a.Text("access_token"), wantCookie(t, a)
}

// Each operation that opens a session delivers by the cookie if the request asks for it. Its body
// then has no refresh token.
func TestCookie_Delivery(t *testing.T) {
	t.Parallel()
	h := withCookies(t)
	a := h.PostJSON(t, impltest.RegisterPath, map[string]any{
		"email": ada, "username": "ada", "password": impltest.Password, "token_delivery": "cookie",
	})
	wantCookie(t, a)
	if me := h.Me(t, a.Text("token.access_token")); me.Status != 200 {
		t.Errorf("got %d %s", me.Status, me.Body)
	}
	if got := cookieForm.FindStringSubmatch(a.Header.Get("Set-Cookie"))[2]; got != "2592000" {
		t.Errorf("the cookie lasts %s s, want as long as the refresh token", got)
	}
	_, token := loginByCookie(t, h)
	second := wantCookie(t, refreshBy(t, h, named(token)))
	if second == token {
		t.Error("the cookie's token isn't rotated")
	}
	// A session that began in the body moves to the cookie.
	_, plain := login(t, h, "ada")
	wantCookie(t, refresh(t, h, plain, "token_delivery", "cookie"))
	// Without the field, everything is in the body.
	for _, fields := range [][]string{{}, {"token_delivery", "body"}, {"token_delivery", ""}} {
		a := h.Login(t, append([]string{"username", ada, "password", impltest.Password}, fields...)...)
		if _, token := wantRefreshed(t, a); token == "" || a.JSON("refresh_expires_in") != 2592000.0 {
			t.Errorf("%v: got %s", fields, a.Body)
		}
		wantKept(t, a)
	}
	later := h.With(t, impltest.Options{
		SessionCookies: true, PublicURL: authOrigin, Registration: auth.RegistrationVerified,
	})
	waiting := registerLater(t, later, "eve")
	a = later.PostJSON(t, impltest.CompletePath, map[string]any{
		"request": waiting, "code": later.CodeMail(t, "eve@example.com").Code.Reveal(), "token_delivery": "cookie",
	})
	wantCookie(t, refreshBy(t, later, named(wantCookie(t, a))))
	// This comes last, because it removes the password of an account whose email wasn't proved.
	request := askCode(t, h, impltest.RequestLoginCodePath, ada)
	code := h.CodeMail(t, ada).Code.Reveal()
	wantCookie(t, h.PostJSON(t, impltest.ContinueLoginPath, map[string]any{
		"request": request, "factor": "email_code", "code": code, "token_delivery": "cookie",
	}))
}

// A proof in a session that is kept in a cookie shows no refresh token. It doesn't set the cookie
// either, because a parallel refresh may have set a newer one.
func TestCookie_Reauthentication(t *testing.T) {
	t.Parallel()
	h := withCookies(t)
	h.MustRegister(t, "ada")
	access, token := loginByCookie(t, h)
	body := `{"factor":"password","password":"` + impltest.Password + `","token_delivery":"cookie"}`
	a := postAs(t, h, access, impltest.ReauthenticationPath, body)
	if a.Status != 200 || strings.Contains(string(a.Body), "refresh") {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	wantKept(t, a)
	wantCookie(t, refreshBy(t, h, named(token)))
}

// The cookie's path has the prefix of the public URL. Over plain HTTP, on this machine only, the
// cookie has a name that browsers accept there.
func TestCookie_PublicURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://example.com/auth":   "__Secure-latchkey-refresh=X; Path=/auth/api/users/login/; Max-Age=2592000; HttpOnly; Secure; SameSite=Strict",
		"https://example.com/a%20b/": "__Secure-latchkey-refresh=X; Path=/a%20b/api/users/login/; Max-Age=2592000; HttpOnly; Secure; SameSite=Strict",
		"http://127.0.0.1:8000":      "latchkey-refresh=X; Path=/api/users/login/; Max-Age=2592000; HttpOnly; SameSite=Strict",
		"http://localhost:8000":      "latchkey-refresh=X; Path=/api/users/login/; Max-Age=2592000; HttpOnly; SameSite=Strict",
		"http://[::1]:8000":          "latchkey-refresh=X; Path=/api/users/login/; Max-Age=2592000; HttpOnly; SameSite=Strict",
	} {
		h := impltest.New(t, impltest.Options{SessionCookies: true, PublicURL: url})
		h.MustRegister(t, "ada")
		a := h.Login(t, "username", ada, "password", impltest.Password, "token_delivery", "cookie")
		got := regexp.MustCompile(`lkr_[A-Za-z0-9_-]+`).ReplaceAllString(a.Header.Get("Set-Cookie"), "X")
		if got != want {
			t.Errorf("%s: got %q, want %q", url, got, want)
		}
	}
	for _, url := range []string{"", "http://auth.example.com", "http://10.0.0.1", "ftp://localhost", "https://example.com/a;b"} {
		o := impl.Options{Logger: slog.New(slog.DiscardHandler), Now: time.Now, SessionCookies: true, PublicURL: url}
		if _, err := impl.New(o); err == nil {
			t.Errorf("%q: a server is made", url)
		}
	}
}

// A server without the setting reports the field of the delivery, together with all other
// violations, and never reads a cookie.
func TestCookie_Off(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{PublicURL: authOrigin})
	want := [2]string{"/token_delivery", "not_allowed"}
	access := h.MustRegister(t, "ada")
	_, token := login(t, h, "ada")
	for name, a := range map[string]impltest.Answer{
		"login": h.Login(t, "username", ada, "password", impltest.Password, "token_delivery", "cookie"),
		"register": h.PostJSON(t, impltest.RegisterPath, map[string]any{
			"email": "eve@example.com", "username": "eve", "password": impltest.Password, "token_delivery": "cookie",
		}),
		"complete": h.PostJSON(t, impltest.CompletePath, map[string]any{
			"request": "lkq_" + strings.Repeat("a", 64), "code": "12345678", "token_delivery": "cookie",
		}),
		"continue": h.PostJSON(t, impltest.ContinueLoginPath, map[string]any{
			"request": "lkq_" + strings.Repeat("a", 64), "factor": "email_code", "code": "12345678", "token_delivery": "cookie",
		}),
		"reauthenticate": postAs(t, h, access, impltest.ReauthenticationPath,
			`{"factor":"password","password":"x","token_delivery":"cookie"}`),
		"refresh": refresh(t, h, token, "token_delivery", "cookie"),
	} {
		if diff := cmp.Diff([][2]string{want}, violations(a)); diff != "" || a.Status != 422 {
			t.Errorf("%s: got %d %s", name, a.Status, a.Body)
		}
		wantKept(t, a)
	}
	both := h.PostJSON(t, impltest.RegisterPath, map[string]any{
		"email": "eve@example.com", "username": "eve", "password": "password", "token_delivery": "cookie",
	})
	if diff := cmp.Diff([][2]string{{"/password", "common_password"}, want}, violations(both)); diff != "" {
		t.Errorf("beside a bad password:\n%s", diff)
	}
	a := refreshBy(t, h, named(token))
	if diff := cmp.Diff([][2]string{{"/refresh_token", "required"}}, violations(a)); diff != "" || a.Status != 422 {
		t.Errorf("a cookie: got %d %s", a.Status, a.Body)
	}
	wantKept(t, a)
	wantRefreshed(t, refresh(t, h, token))
	if a := as(t, h, access, "POST", impltest.LogoutPath); a.Status != 204 || a.Header.Get("Set-Cookie") != "" {
		t.Errorf("logout: got %d %v", a.Status, a.Header)
	}
}

// A refresh token in the field wins over the cookie. The cookie and the origin are not looked at,
// and the response belongs to the session of the field.
func TestCookie_FieldBesideIt(t *testing.T) {
	t.Parallel()
	h := withCookies(t)
	h.MustRegister(t, "ada")
	h.MustRegister(t, "eve")
	_, token := loginByCookie(t, h)
	_, field := login(t, h, "eve")
	a := h.Do(t, byCookie(h, named(token), "", "refresh_token", field))
	access, _ := wantRefreshed(t, a)
	if me := h.Me(t, access); me.Text("username") != "eve" {
		t.Errorf("got %s", me.Body)
	}
	wantKept(t, a)
	bad := refreshBy(t, h, named(token), "refresh_token", "lkr_x")
	wantRefreshRefused(t, bad, "invalid_refresh_token")
	wantKept(t, bad)
	wantCookie(t, refreshBy(t, h, named(token)))
}

// A script can't get the cookie's token in a body.
func TestCookie_NeverInTheBody(t *testing.T) {
	t.Parallel()
	h := withCookies(t)
	h.MustRegister(t, "ada")
	_, token := loginByCookie(t, h)
	a := refreshBy(t, h, named(token), "token_delivery", "body")
	if diff := cmp.Diff([][2]string{{"/token_delivery", "not_allowed"}}, violations(a)); diff != "" || a.Status != 422 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	wantKept(t, a)
	for _, fields := range [][]string{{}, {"token_delivery", "cookie"}, {"refresh_token", ""}} {
		token = wantCookie(t, refreshBy(t, h, named(token), fields...))
	}
}

// A browser that lost a response sends the former cookie again, and gets the same successor. So do
// two tabs that refresh at the same moment. Later the former cookie counts as reused.
func TestCookie_LostAnswer(t *testing.T) {
	t.Parallel()
	h := withCookies(t)
	h.MustRegister(t, "ada")
	access, first := loginByCookie(t, h)
	second := wantCookie(t, refreshBy(t, h, named(first)))
	h.Clock.Advance(9 * time.Second)
	if again := wantCookie(t, refreshBy(t, h, named(first))); again != second {
		t.Error("the cookie from before gets another successor")
	}
	const tabs = 20
	tokens := make(chan string, tabs)
	for range tabs {
		go func() {
			a, err := h.Try(t, byCookie(h, named(second), authOrigin))
			if err != nil || a.Status != 200 {
				t.Errorf("got %d %s %v", a.Status, a.Body, err)
			}
			tokens <- a.Header.Get("Set-Cookie")
		}()
	}
	third := <-tokens
	for range tabs - 1 {
		if other := <-tokens; other != third {
			t.Errorf("got %q and %q", third, other)
		}
	}
	h.Clock.Advance(11 * time.Second)
	a := refreshBy(t, h, named(second))
	wantRefreshRefused(t, a, "refresh_token_reused")
	wantRemoved(t, a)
	wantRefusal(t, h.Me(t, access), badToken)
}
