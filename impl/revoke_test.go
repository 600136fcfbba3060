package impl_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// RFC 7009 section 2.2.
func TestR4_Revocation(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	revoke := func(form string) impltest.Answer {
		t.Helper()
		return h.Do(t, h.Request("POST", impltest.RevokePath, form, "Content-Type", "application/x-www-form-urlencoded"))
	}
	for name, form := range map[string]func(access, refresh string) string{
		"a refresh token":                  func(_, refresh string) string { return "token=" + refresh },
		"a refresh token with its hint":    func(_, refresh string) string { return "token=" + refresh + "&token_type_hint=refresh_token" },
		"an access token":                  func(access, _ string) string { return "token=" + access },
		"a refresh token and a wrong hint": func(_, refresh string) string { return "token=" + refresh + "&token_type_hint=access_token" },
		"a refresh token and an odd hint":  func(_, refresh string) string { return "token=" + refresh + "&token_type_hint=x" },
	} {
		access, token := login(t, h, "ada")
		other, _ := login(t, h, "ada")
		for range 2 { // and again, since nothing is left to revoke
			if a := revoke(form(access, token)); a.Status != 200 || len(a.Body) != 0 {
				t.Errorf("%s: got %d %s", name, a.Status, a.Body)
			}
		}
		wantRefusal(t, h.Me(t, access), badToken)
		wantRefreshRefused(t, refresh(t, h, token), "invalid_refresh_token")
		if a := h.Me(t, other); a.Status != 200 {
			t.Errorf("%s: another session got %d", name, a.Status)
		}
	}
	access, token := login(t, h, "ada")
	for _, other := range []string{"x", token[:len(token)-1], access + "x", uuid.NewString(), decodePart(t, access, 1)["sid"].(string)} {
		if a := revoke("token=" + other); a.Status != 200 {
			t.Errorf("%s: got %d %s", other, a.Status, a.Body)
		}
	}
	for _, form := range []string{"", "token=", "token=x&token=y", "x=y"} {
		if a := revoke(form); a.Status != 422 || a.Text("error") != "invalid_request" {
			t.Errorf("%q: got %d %s", form, a.Status, a.Body)
		}
	}
	if a := h.Do(
		t,
		h.Request(
			"POST",
			impltest.RevokePath+"?token="+token,
			"token="+token,
			"Content-Type",
			"application/x-www-form-urlencoded",
		),
	); a.Status != 422 {
		t.Errorf("a token in the query: got %d", a.Status)
	}
	if a := h.Do(t, h.Request(http.MethodGet, impltest.RevokePath, "")); a.Status != 405 {
		t.Errorf("GET: got %d", a.Status)
	}
	wantRefreshed(t, refresh(t, h, token))
	// R-4, Fosite GO-2021-0109: a revocation that failed is not reported as a success.
	h.Pool.Close()
	for _, good := range []string{token, access} {
		if a := revoke("token=" + good); a.Status != 503 || a.Header.Get("Retry-After") == "" {
			t.Errorf("without a database: got %d %s", a.Status, a.Body)
		}
	}
}
