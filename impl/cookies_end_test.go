package impl_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// A cookie that can't be exchanged is removed. A cookie that may still be valid stays.
func TestCookie_Removed(t *testing.T) {
	t.Parallel()
	h := withCookies(t, true)
	eve := h.MustRegister(t, "eve")
	h.MustRegister(t, "ada")
	ended, endedToken := loginByCookie(t, h)
	wantRemoved(t, as(t, h, ended, "POST", impltest.LogoutPath))
	for name, value := range map[string]string{
		"a word": "asdf", "empty": "", "another's": "lkr_" + strings.Repeat("A", 70), "ended": endedToken, "quoted": `"` + endedToken + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			a := refreshBy(t, h, named(value))
			wantRefreshRefused(t, a, "invalid_refresh_token")
			wantRemoved(t, a)
		})
	}
	none := refreshBy(t, h, "a=b")
	wantRefreshRefused(t, none, "invalid_refresh_token")
	wantKept(t, none)
	// Another tab has logged in as another user since: the access token doesn't belong to the
	// cookie's user.
	_, token := loginByCookie(t, h)
	r := byCookie(h, named(token), authOrigin)
	r.Header.Set("Authorization", "Bearer "+eve)
	other := h.Do(t, r)
	wantRefreshRefused(t, other, "invalid_refresh_token")
	wantKept(t, other)
	for n := 0; ; n++ {
		a := refreshBy(t, h, named(token))
		if a.Status == 429 {
			wantKept(t, a)
			break
		}
		if token = wantCookie(t, a); n > 400 {
			t.Fatal("refreshes aren't limited")
		}
	}
	h.Pool.Close()
	gone := refreshBy(t, h, named(token))
	if wantKept(t, gone); gone.Status != 503 {
		t.Errorf("got %d %s", gone.Status, gone.Body)
	}
}

// Each request that ends its own session removes the cookie, also if the client has only an access
// token.
func TestCookie_Logout(t *testing.T) {
	t.Parallel()
	h := withCookies(t)
	h.MustRegister(t, "ada")
	for name, end := range map[string]func(access string) impltest.Answer{
		"Logout":         func(access string) impltest.Answer { return as(t, h, access, "POST", impltest.LogoutPath) },
		"EndAllSessions": func(access string) impltest.Answer { return as(t, h, access, "DELETE", impltest.SessionsPath) },
		"EndSession": func(access string) impltest.Answer {
			return as(t, h, access, "DELETE", impltest.SessionsPath+fmt.Sprint(decodePart(t, access, 1)["sid"])+"/")
		},
		"RevokeToken": func(access string) impltest.Answer {
			return h.Do(t, h.Request("POST", impltest.RevokePath, "token="+access, "Content-Type", form, "Origin", appOrigin))
		},
	} {
		access, token := loginByCookie(t, h)
		a := end(access)
		if a.Status >= 300 {
			t.Errorf("%s: got %d %s", name, a.Status, a.Body)
		}
		wantRemoved(t, a)
		wantRefusal(t, h.Me(t, access), badToken)
		wantRefreshRefused(t, refreshBy(t, h, named(token)), "invalid_refresh_token")
	}
	// The end of another session leaves the cookie.
	access, token := loginByCookie(t, h)
	other, _ := login(t, h, "ada")
	wantKept(t, as(t, h, access, "DELETE", impltest.SessionsPath+fmt.Sprint(decodePart(t, other, 1)["sid"])+"/"))
	wantCookie(t, refreshBy(t, h, named(token)))
	a := as(t, h, access, "DELETE", impltest.MePath)
	if wantRemoved(t, a); a.Status != 204 {
		t.Errorf("DeleteCurrentUser: got %d %s", a.Status, a.Body)
	}
}

// The log never has the value of a cookie, whatever happens to the cookie.
func TestCookie_Log(t *testing.T) {
	t.Parallel()
	h := withCookies(t)
	h.MustRegister(t, "ada")
	access, first := loginByCookie(t, h)
	second := wantCookie(t, refreshBy(t, h, named(first)))
	h.Clock.Advance(time.Minute)
	canaries := []string{first, second, "CANARY-cookie"}
	for _, value := range canaries {
		refreshBy(t, h, named(value))
		refreshBy(t, h, named(value)+"; "+named("CANARY-cookie"))
		h.Do(t, byCookie(h, named(value), otherOrigin))
		h.Do(t, h.Request("GET", impltest.MePath, "", "Cookie", named(value), "Authorization", "Bearer "+access))
	}
	log := h.Log.String()
	for _, value := range canaries {
		if strings.Contains(log, value) || strings.Contains(log, strings.TrimPrefix(value, "lkr_")) {
			t.Errorf("the log has %s", value)
		}
	}
	for _, want := range []string{"refresh=ok", "refresh=reused", "there are several cookies", "code=origin_not_allowed"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log hasn't %q", want)
		}
	}
}
