package impl_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

func reauthenticateByCode(t *testing.T, h *impltest.Harness, token, request, code string) impltest.Answer {
	t.Helper()
	body := fmt.Sprintf(`{"factor":"email_code","request":%q,"code":%q}`, request, code)
	return sendJSON(t, h, token, "POST", impltest.ReauthenticationPath, body)
}

// M-5: a code that is mailed to the account's own address makes a session fresh. So does its link,
// together with the request.
func TestM5_ReauthenticateByCode(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	other := h.MustRegister(t, "ada")
	token, refreshToken := login(t, h, "ada")
	h.Clock.Advance(301 * time.Second)
	wantStatus(t, "a stale session", as(t, h, token, "DELETE", impltest.MePath), 401)
	request := askCode(t, h, impltest.RequestLoginCodePath, ada)
	mail := h.CodeMail(t, ada)
	wantInvalidCode(t, "a wrong code", reauthenticateByCode(t, h, token, request, wrong(mail)))
	wantStatus(t, "still stale", as(t, h, token, "DELETE", impltest.MePath), 401)
	wantStatus(t, "without a token", h.Do(t, h.Request("POST", impltest.ReauthenticationPath,
		`{"factor":"email_code","request":"`+request+`","code":"12345678"}`, "Content-Type", mediaJSON)), 401)

	a := reauthenticateByCode(t, h, token, request, mail.Code.Reveal())
	wantStatus(t, "the code", a, 200)
	fresh := claims(t, a.Text("access_token"))
	var methods []string
	for _, method := range fresh.Amr {
		methods = append(methods, string(method))
	}
	if fresh.AuthTime != h.Clock.Now().Unix() || fresh.Sid != claims(t, token).Sid || !slices.Equal(methods, []string{"otp", "pwd"}) {
		t.Errorf("got %+v", fresh)
	}
	if a.Text("refresh_token") != refreshToken {
		t.Error("the refresh token isn't the newest of the session")
	}
	wantInvalidCode(t, "the code again", reauthenticateByCode(t, h, token, request, mail.Code.Reveal()))
	newest := eventsOf(t, h, token, "?limit=2").Events
	if newest[0].Type != "session.reauthenticated" || (*newest[0].Methods)[0] != "otp" || newest[1].Type != "email.verified" {
		t.Errorf("got the events %+v", newest)
	}
	// This is the first proof of the mailbox, as a verification would be.
	wantRefusal(t, h.Me(t, other), badToken)
	wantStatus(t, "the password", logInWith(t, h, impltest.Password), 200)

	h.Clock.Advance(301 * time.Second)
	request = askCode(t, h, impltest.RequestLoginCodePath, ada)
	wantStatus(t, "the link", reauthenticateByCode(t, h, token, request, h.CodeMail(t, ada).Link.Reveal()), 200)
	wantStatus(t, "the deletion", as(t, h, token, "DELETE", impltest.MePath), 204)
}

// A code doesn't prove anything for another account, for another purpose, or in a session that has
// ended.
func TestReauthenticationCodesAreBound(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	eve := h.MustRegister(t, "eve")
	token := h.MustRegister(t, "ada")
	request := askCode(t, h, impltest.RequestLoginCodePath, ada)
	mail := h.CodeMail(t, ada)
	wantInvalidCode(t, "another account", reauthenticateByCode(t, h, eve, request, mail.Code.Reveal()))
	reset := askCode(t, h, impltest.RequestResetPath, ada)
	wantInvalidCode(t, "another purpose", reauthenticateByCode(t, h, token, reset, h.CodeMail(t, ada).Code.Reveal()))
	wantStatus(t, "its own", reauthenticateByCode(t, h, token, request, mail.Code.Reveal()), 200)

	request = askCode(t, h, impltest.RequestLoginCodePath, ada)
	mail = h.CodeMail(t, ada)
	for range challenge.Tries {
		wantInvalidCode(t, "a wrong code", reauthenticateByCode(t, h, token, request, wrong(mail)))
	}
	wantStatus(t, "a sixth try", reauthenticateByCode(t, h, token, request, mail.Code.Reveal()), 429)
}

// The refusal names the factors that this user has. A password that was removed is not among them.
func TestFactorsOfAStaleSession(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	want := func(what, token string, want ...any) {
		t.Helper()
		h.Clock.Advance(301 * time.Second)
		a := as(t, h, token, "DELETE", impltest.MePath)
		if diff := cmp.Diff(want, a.JSON("factors")); a.Status != 401 || diff != "" {
			t.Errorf("%s: got %d %s %s", what, a.Status, a.Body, diff)
		}
	}
	h.MustRegister(t, "ada")
	token, _ := login(t, h, "ada")
	want("a user with a password", token, "password", "email_code")
	token = continueLoginAgain(t, h)
	want("a user whose password was removed", token, "email_code")
	wantStatus(t, "a password", reauthenticate(t, h, token, impltest.Password), 403)
	request := askCode(t, h, impltest.RequestResetPath, ada)
	wantStatus(t, "a reset", confirmReset(t, h, request, h.CodeMail(t, ada).Code.Reveal(), newPassword), 204)
	token = logInWith(t, h, newPassword).Text("access_token")
	want("a user with a new password", token, "password", "email_code")
	if _, err := h.Pool.Exec(t.Context(), "DELETE FROM passwords"); err != nil {
		t.Fatal(err)
	}
	want("a user without a password", token, "email_code")
}

// The factors are looked up only for a refusal.
func TestFactorsCostNothingElse(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	var counted counting
	other := h.On(t, tracedPool(t, h, &counted))
	want := func(what string, me, factors int) {
		t.Helper()
		if n := counted.names; n["UserListBySession"] != me || n["PasswordGet"] != factors {
			t.Errorf("%s: got %v", what, n)
		}
	}
	wantStatus(t, "me", other.Me(t, token), 200)
	want("me", 1, 0)
	h.Clock.Advance(301 * time.Second)
	wantStatus(t, "a stale session", as(t, other, token, "DELETE", impltest.MePath), 401)
	want("a stale session", 2, 1)
}

// The members beside a factor are validated together with the rest of the body.
func TestMembersOfFactors(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	missing := func(names ...string) (all [][2]string) {
		for _, name := range names {
			all = append(all, [2]string{"/" + name, "required"})
		}
		return all
	}
	for body, want := range map[string][][2]string{
		`{"factor":"password"}`:                                    missing("password"),
		`{"factor":"email_code"}`:                                  missing("code", "request"),
		`{"factor":"email_code","password":"x"}`:                   {{"/code", "required"}, {"/password", "not_allowed"}, {"/request", "required"}},
		`{"factor":"password","password":"x","code":"12345678"}`:   {{"/code", "not_allowed"}},
		`{"factor":"password","code":"1234567","secret":"a"}`:      {{"/code", "too_short"}, {"/password", "required"}, {"/secret", "unknown"}},
		`{"factor":"code"}`:                                        {{"/factor", "invalid_format"}},
		`{"password":"correct horse battery staple"}`:              missing("factor"),
		`{"factor":"email_code","request":"x","code":"123456789"}`: {{"/code", "invalid_format"}, {"/request", "too_short"}},
	} {
		a := sendJSON(t, h, token, "POST", impltest.ReauthenticationPath, body)
		if diff := cmp.Diff(want, violations(a)); a.Status != 422 || diff != "" {
			t.Errorf("%s: got %d %s", body, a.Status, diff)
		}
	}
}
