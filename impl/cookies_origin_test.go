package impl_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// A refresh by the cookie must come from a page of the server's own origin or of an allowed one,
// and must name its origin exactly once. Any other request exchanges nothing, so the token stays
// valid.
func TestCookie_Origin(t *testing.T) {
	t.Parallel()
	h := withCookies(t)
	h.MustRegister(t, "ada")
	_, token := loginByCookie(t, h)
	refused := map[string][]string{
		"none": {}, "empty": {""}, "null": {"null"}, "another": {otherOrigin}, "without TLS": {"http://auth.example.com"},
		"another port": {"https://auth.example.com:8443"}, "with a slash": {authOrigin + "/"},
		"a sibling": {"https://evil.example.com"}, "another spelling": {"https://AUTH.example.com"},
		"two": {authOrigin, appOrigin}, "one twice": {authOrigin, authOrigin}, "a list": {authOrigin + ", " + appOrigin},
		"the address of the socket": {h.URL},
	}
	for name, origins := range refused {
		for _, site := range []string{"", "same-origin", "same-site", "cross-site", "none"} {
			r := byCookie(h, named(token), "")
			for _, origin := range origins {
				r.Header.Add("Origin", origin)
			}
			if site != "" {
				r.Header.Set("Sec-Fetch-Site", site)
			}
			a := h.Do(t, r)
			if a.Status != 403 || a.Text("code") != "origin_not_allowed" || a.Text("error") != "invalid_request" {
				t.Errorf("%s, %q: got %d %s", name, site, a.Status, a.Body)
			}
			wantKept(t, a)
		}
	}
	if !strings.Contains(h.Log.String(), "code=origin_not_allowed origin=https://evil.example.com") {
		t.Error("the log doesn't tell which origin was refused")
	}
	for _, origin := range []string{authOrigin, appOrigin} {
		token = wantCookie(t, h.Do(t, byCookie(h, named(token), origin)))
	}
}

// A page of another origin that posts a login is refused, with the cookie as without it.
func TestCookie_ForeignLogin(t *testing.T) {
	t.Parallel()
	h := withCookies(t)
	h.MustRegister(t, "ada")
	for _, cookie := range []string{"", named("lkr_x")} {
		r := h.LoginRequest("username", ada, "password", impltest.Password, "token_delivery", "cookie")
		r.Header.Set("Origin", otherOrigin)
		if cookie != "" {
			r.Header.Set("Cookie", cookie)
		}
		a := h.Do(t, r)
		if a.Status != 403 {
			t.Errorf("got %d %s", a.Status, a.Body)
		}
		wantKept(t, a)
	}
}

// A sibling domain can set a cookie of the same name. If there are several, none of them is tried,
// so that nobody continues a stranger's session. None is removed either, because that would leave
// the stranger's.
func TestCookie_SeveralOfTheName(t *testing.T) {
	t.Parallel()
	h := withCookies(t)
	h.MustRegister(t, "ada")
	h.MustRegister(t, "eve")
	_, token := loginByCookie(t, h)
	_, planted := login(t, h, "eve")
	for _, cookies := range []string{
		named(planted) + "; " + named(token), named(token) + "; " + named(planted),
		named(token) + "; " + named(""), named(token) + "; " + named(token),
	} {
		a := refreshBy(t, h, cookies)
		wantRefreshRefused(t, a, "invalid_refresh_token")
		wantKept(t, a)
	}
	r := byCookie(h, named(token), authOrigin)
	r.Header.Add("Cookie", named(planted))
	wantRefreshRefused(t, h.Do(t, r), "invalid_refresh_token")
	// Cookies with other names, or with another case, are not ours.
	wantCookie(t, refreshBy(t, h, "latchkey-refresh="+planted+"; __secure-latchkey-refresh="+planted+"; a=b; "+named(token)))
	wantRefreshed(t, refresh(t, h, planted))
}

// The cookie is not a bearer token: no operation accepts it as one, and only the refresh reads it.
func TestCookie_ElsewhereIgnored(t *testing.T) {
	t.Parallel()
	h := withCookies(t)
	h.MustRegister(t, "ada")
	access, token := loginByCookie(t, h)
	taking := 0
	for _, item := range impltest.Contract().Paths.Map() {
		for _, op := range item.Operations() {
			if op.Security != nil && len(*op.Security) == 2 && len((*op.Security)[0]) == 0 {
				taking++
			}
			if !impltest.AsksForToken(op) {
				continue
			}
			r := requests("")[op.OperationID]
			req := h.Request(r[0], r[1], r[2], r[3:len(r)-2]...)
			req.Header.Set("Cookie", named(token)+"; "+named(access))
			req.Header.Set("Origin", authOrigin)
			wantRefusal(t, h.Do(t, req), notAuthenticated)
		}
	}
	if taking != 1 {
		t.Errorf("%d operations take the cookie, want the login alone", taking)
	}
	// A login by the password ignores the cookie.
	r := h.LoginRequest("username", ada, "password", impltest.Password)
	r.Header.Set("Cookie", named("lkr_x"))
	wantKept(t, h.Do(t, r))
	wantCookie(t, refreshBy(t, h, named(token)))
}

// No cookie passes the middleware, whatever its name is, with and without sessions in cookies.
func TestCookie_IsTakenOut(t *testing.T) {
	t.Parallel()
	for _, h := range []*impltest.Harness{withCookies(t), impltest.New(t)} {
		var seen atomic.Int64
		h.Server.WatchHeaders(func(header http.Header) {
			seen.Add(1)
			if got := header.Values("Cookie"); got != nil {
				t.Errorf("a handler sees %q", got)
			}
		})
		token := h.MustRegister(t, "ada")
		for _, cookies := range []string{named("x"), named("x") + "; a=b", "a=b"} {
			h.Do(t, byCookie(h, cookies, ""))
			h.Do(t, byCookie(h, cookies, "", "refresh_token", "x"))
			h.Do(t, h.Request("GET", impltest.MePath, "", "Cookie", cookies, "Authorization", "Bearer "+token))
			h.Do(t, h.Request("GET", "/nothing", "", "Cookie", cookies))
		}
		if seen.Load() == 0 {
			t.Error("no request was seen")
		}
	}
}

// Pages of an allowed origin may send the cookie. No other origin may, and none may on a server
// that doesn't keep sessions in cookies.
func TestCookie_CORS(t *testing.T) {
	t.Parallel()
	on, off := withCookies(t), letIn(t)
	for _, path := range []string{impltest.LoginPath, impltest.RegisterPath, impltest.LogoutPath, "/api/nothing/"} {
		for _, method := range []string{"POST", "OPTIONS"} {
			for origin, want := range map[string]string{appOrigin: "true", otherOrigin: "", "null": "", "*": "", authOrigin: ""} {
				if path == "/api/nothing/" && method == "OPTIONS" {
					want = "" // there is nothing to ask for
				}
				headers := []string{"Origin", origin, "Access-Control-Request-Method", "POST"}
				for h, want := range map[*impltest.Harness]string{on: want, off: ""} {
					// Not through Harness.Do: a preflight is not an operation of the contract.
					res, err := http.DefaultTransport.RoundTrip(h.Request(method, path, "", headers...))
					if err != nil {
						t.Fatal(err)
					}
					_ = res.Body.Close()
					got := accessControl(res.Header)
					if got["Access-Control-Allow-Credentials"] != want || want != "" && got["Access-Control-Allow-Origin"] != appOrigin ||
						got["Access-Control-Allow-Origin"] == "*" || got["Access-Control-Allow-Headers"] == "*" {
						t.Errorf("%s %s from %s: got %v, want credentials %q", method, path, origin, got, want)
					}
				}
			}
		}
	}
	keys := on.Do(t, on.Request("GET", impltest.KeysPath, "", "Origin", appOrigin))
	if got := accessControl(keys.Header); got["Access-Control-Allow-Credentials"] != "" {
		t.Errorf("the keys, for every origin: got %v", got)
	}
}
