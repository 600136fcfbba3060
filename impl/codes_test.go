package impl_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

const (
	ada         = "ada@example.com"
	newPassword = "a new correct horse battery staple"
)

// askCode requests a code by an email, and returns the request.
func askCode(t *testing.T, h *impltest.Harness, path, email string) string {
	t.Helper()
	a := h.PostJSON(t, path, map[string]any{"email": email})
	if a.Status != 202 || a.JSON("expires_in") != 600.0 {
		t.Fatalf("%s: got %d %s", path, a.Status, a.Body)
	}
	return a.Text("request")
}

// askVerification requests a code with a token, and returns the request.
func askVerification(t *testing.T, h *impltest.Harness, token string) string {
	t.Helper()
	a := as(t, h, token, http.MethodPost, impltest.RequestVerificationPath)
	if a.Status != 202 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	return a.Text("request")
}

// postAs posts JSON with a token, or without one if it is empty.
func postAs(t *testing.T, h *impltest.Harness, token, path, body string) impltest.Answer {
	t.Helper()
	r := h.Request(http.MethodPost, path, body, "Content-Type", mediaJSON)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return h.Do(t, r)
}

func continueLogin(t *testing.T, h *impltest.Harness, request, code string) impltest.Answer {
	t.Helper()
	return h.PostJSON(t, impltest.ContinueLoginPath, map[string]any{"request": request, "factor": "email_code", "code": code})
}

// confirmReset leaves an empty request out of the body.
func confirmReset(t *testing.T, h *impltest.Harness, request, code, password string) impltest.Answer {
	t.Helper()
	body := map[string]any{"code": code, "new_password": password}
	if request != "" {
		body["request"] = request
	}
	return h.PostJSON(t, impltest.ConfirmResetPath, body)
}

func confirmVerification(t *testing.T, h *impltest.Harness, token, code string) impltest.Answer {
	t.Helper()
	return postAs(t, h, token, impltest.ConfirmVerificationPath, `{"code":"`+code+`"}`)
}

func wantStatus(t *testing.T, what string, a impltest.Answer, want int) {
	t.Helper()
	if a.Status != want {
		t.Errorf("%s: got %d %s, want %d", what, a.Status, a.Body, want)
	}
}

func wantInvalidCode(t *testing.T, what string, a impltest.Answer) {
	t.Helper()
	if a.Status != 401 || a.Text("code") != "invalid_code" || a.Header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("%s: got %d %s, want invalid_code", what, a.Status, a.Body)
	}
}

// wrong returns a code that differs from the right one.
func wrong(m auth.CodeMail) string {
	if code := m.Code.Reveal(); code[0] == '0' {
		return "1" + code[1:]
	}
	return "0" + m.Code.Reveal()[1:]
}

func logInWith(t *testing.T, h *impltest.Harness, password string) impltest.Answer {
	t.Helper()
	return h.Login(t, "username", ada, "password", password)
}

// A code and the token of a link log in, each once, together with the request of the browser.
func TestLoginCode(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	for name, pick := range map[string]func(auth.CodeMail) string{
		"code": func(m auth.CodeMail) string { return m.Code.Reveal() },
		"link": func(m auth.CodeMail) string { return m.Link.Reveal() },
	} {
		request := askCode(t, h, impltest.RequestLoginCodePath, "Ada@Example.com")
		mail := h.CodeMail(t, ada)
		if mail.Username != "ada" || mail.Email != ada || len(mail.Code.Reveal()) != 8 {
			t.Errorf("%s: the mail is %+v", name, mail)
		}
		a := continueLogin(t, h, request, pick(mail))
		if me := h.Me(t, a.Text("access_token")); a.Status != 200 || me.Status != 200 || me.JSON("email_verified") != true {
			t.Errorf("%s: got %d %s, %s", name, a.Status, a.Body, me.Body)
		}
		wantRefreshed(t, refresh(t, h, a.Text("refresh_token")))
		wantInvalidCode(t, name+", again", continueLogin(t, h, request, pick(mail)))
		if len(h.Mails(t, ada)) != 0 {
			t.Errorf("%s: a mail whose code was used is still sent", name)
		}
	}
	var methods string
	const newest = "SELECT methods::text FROM sessions ORDER BY id DESC LIMIT 1"
	if err := h.Pool.QueryRow(t.Context(), newest).Scan(&methods); err != nil || methods != "{otp}" {
		t.Errorf("methods %s, %v", methods, err)
	}
	if stats := h.Auth.Stats(); stats.LoginsSucceeded != 2 || stats.LoginsFailed != 2 {
		t.Errorf("stats %+v", stats)
	}
}

// A reset sets the password, ends all sessions and proves the mailbox; M-4.
func TestM4_PasswordReset(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	request := askCode(t, h, impltest.RequestResetPath, ada)
	mail := h.CodeMail(t, ada)
	wantStatus(t, "an old session, before", h.Me(t, token), 200)
	wantStatus(t, "reset", confirmReset(t, h, request, mail.Code.Reveal(), newPassword), 204)
	wantStatus(t, "an old session", h.Me(t, token), 401)
	wantStatus(t, "the old password", logInWith(t, h, impltest.Password), 401)
	a := logInWith(t, h, newPassword)
	if me := h.Me(t, a.Text("access_token")); me.JSON("email_verified") != true {
		t.Errorf("got %d %s, %s", a.Status, a.Body, me.Body)
	}
	wantInvalidCode(t, "again", confirmReset(t, h, request, mail.Code.Reveal(), newPassword))

	askCode(t, h, impltest.RequestResetPath, ada)
	link := h.CodeMail(t, ada).Link.Reveal()
	wantStatus(t, "a link in another browser", confirmReset(t, h, "", link, impltest.Password), 204)
	wantInvalidCode(t, "the link again", confirmReset(t, h, "", link, newPassword))
	wantStatus(t, "its password", logInWith(t, h, impltest.Password), 200)
}

// A password that the policy refuses doesn't use a code up, however often it is sent.
func TestPasswordResetKeepsThePolicy(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada-lovelace")
	const email = "ada-lovelace@example.com"
	request := askCode(t, h, impltest.RequestResetPath, email)
	code := h.CodeMail(t, email).Code.Reveal()
	for _, row := range []struct{ password, code string }{
		{"short", "too_short"}, {"password1", "common_password"}, {"ada-lovelace", "common_password"},
		{"ada-lovelace@example.com", "common_password"}, {"ada-lovelace1", "common_password"}, {"ada-lovelace2", "common_password"},
	} {
		a := confirmReset(t, h, request, code, row.password)
		if diff := cmp.Diff([][2]string{{"/new_password", row.code}}, violations(a)); a.Status != 422 || diff != "" {
			t.Errorf("%s: got %d %s", row.password, a.Status, diff)
		}
	}
	// A client without the right code doesn't learn the username.
	wantInvalidCode(t, "a wrong code", confirmReset(t, h, request, wrong(h.CodeMail(t, email)), "ada-lovelace"))
	wantStatus(t, "a good password", confirmReset(t, h, request, code, newPassword), 204)
}

// A code and a link verify the email, together with the account's own token.
func TestEmailVerification(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token, eve := h.MustRegister(t, "ada"), h.MustRegister(t, "eve")
	askVerification(t, h, token)
	mail := h.CodeMail(t, ada)
	for name, code := range map[string]string{"code": mail.Code.Reveal(), "link": mail.Link.Reveal()} {
		wantInvalidCode(t, "another account's token, "+name, confirmVerification(t, h, eve, code))
		wantStatus(t, "no token, "+name, confirmVerification(t, h, "", code), 401)
	}
	if me := h.Me(t, token); me.JSON("email_verified") != false {
		t.Errorf("before: %s", me.Body)
	}
	// The code is valid for 10 minutes, the link for a day.
	h.Clock.Advance(challenge.CodeTTL)
	wantStatus(t, "login", logInWith(t, h, impltest.Password), 200)
	wantInvalidCode(t, "after 10 minutes", confirmVerification(t, h, token, mail.Code.Reveal()))
	wantStatus(t, "the link", confirmVerification(t, h, token, mail.Link.Reveal()), 204)
	if me := h.Me(t, token); me.JSON("email_verified") != true {
		t.Errorf("after: %s", me.Body)
	}
	wantInvalidCode(t, "the link again", confirmVerification(t, h, token, mail.Link.Reveal()))
	a := as(t, h, token, http.MethodPost, impltest.RequestVerificationPath)
	if a.Status != 409 || a.Text("code") != "email_verified" {
		t.Errorf("verified: got %d %s", a.Status, a.Body)
	}

	request := askVerification(t, h, eve)
	mail = h.CodeMail(t, "eve@example.com")
	body := `{"request":"` + request + `","code":"` + mail.Code.Reveal() + `"}`
	wantStatus(t, "with the request", postAs(t, h, eve, impltest.ConfirmVerificationPath, body), 204)
}

// Each violation of the contract is reported at once, as the contract's examples show.
func TestCodesAgainstTheContract(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	for _, row := range []struct {
		path, body string
		want       [][2]string
	}{
		{impltest.RequestLoginCodePath, `{"email":"ada@localhost"}`, [][2]string{{"/email", "invalid_format"}}},
		{impltest.RequestResetPath, `{"email":"ada@localhost"}`, [][2]string{{"/email", "invalid_format"}}},
		{impltest.ContinueLoginPath, `{"factor":"password","code":"1"}`, [][2]string{{"/code", "too_short"}, {"/factor", "invalid_format"}, {"/request", "required"}}},
		{impltest.ConfirmResetPath, `{"new_password":"short"}`, [][2]string{{"/code", "required"}, {"/new_password", "too_short"}}},
		{impltest.ConfirmResetPath, `{"new_password":"password1"}`, [][2]string{{"/code", "required"}, {"/new_password", "common_password"}}},
		{impltest.ConfirmVerificationPath, `{}`, [][2]string{{"/code", "required"}}},
		{impltest.ConfirmVerificationPath, `{"code":"1234 5678"}`, [][2]string{{"/code", "invalid_format"}}},
	} {
		a := postAs(t, h, token, row.path, row.body)
		if diff := cmp.Diff(row.want, violations(a)); a.Status != 422 || diff != "" {
			t.Errorf("%s %s: got %d %s", row.path, row.body, a.Status, diff)
		}
	}
}

// A code, a link or a request for one purpose doesn't count for another.
func TestCodesArePurposeBound(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	requests := map[challenge.Purpose]string{
		challenge.LoginCode:     askCode(t, h, impltest.RequestLoginCodePath, ada),
		challenge.ResetPassword: askCode(t, h, impltest.RequestResetPath, ada),
		challenge.VerifyEmail:   askVerification(t, h, token),
	}
	mails := map[challenge.Purpose]auth.CodeMail{}
	for _, data := range h.Mails(t, ada) {
		mail := data.(auth.CodeMail)
		mails[mail.Purpose] = mail
	}
	answer := func(p challenge.Purpose, request, code string) impltest.Answer {
		switch p {
		case challenge.LoginCode:
			return continueLogin(t, h, request, code)
		case challenge.ResetPassword:
			return confirmReset(t, h, request, code, newPassword)
		}
		return postAs(t, h, token, impltest.ConfirmVerificationPath, `{"request":"`+request+`","code":"`+code+`"}`)
	}
	for to := range requests {
		for from, mail := range mails {
			if from == to {
				continue
			}
			what := string(from) + " for " + string(to)
			wantInvalidCode(t, what+", code", answer(to, requests[to], mail.Code.Reveal()))
			wantInvalidCode(t, what+", link", answer(to, requests[to], mail.Link.Reveal()))
			wantInvalidCode(t, what+", request", answer(to, requests[from], mail.Code.Reveal()))
		}
	}
	for _, p := range []challenge.Purpose{challenge.VerifyEmail, challenge.LoginCode, challenge.ResetPassword} {
		if a := answer(p, requests[p], mails[p].Code.Reveal()); a.Status >= 300 {
			t.Errorf("%s: got %d %s", p, a.Status, a.Body)
		}
	}
}

// M-2: the sixth try of a request is refused, and so is the right code after it. Another request
// starts with five new tries.
func TestM2_FiveTries(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	for name, row := range map[string]struct {
		ask    func() string
		answer func(request, code string) impltest.Answer
	}{
		"login": {
			func() string { return askCode(t, h, impltest.RequestLoginCodePath, ada) },
			func(request, code string) impltest.Answer { return continueLogin(t, h, request, code) },
		},
		"reset": {
			func() string { return askCode(t, h, impltest.RequestResetPath, ada) },
			func(request, code string) impltest.Answer { return confirmReset(t, h, request, code, newPassword) },
		},
		"verification": {
			func() string { return askVerification(t, h, token) },
			func(_, code string) impltest.Answer { return confirmVerification(t, h, token, code) },
		},
	} {
		request := row.ask()
		mail := h.CodeMail(t, ada)
		for range challenge.Tries {
			wantInvalidCode(t, name, row.answer(request, wrong(mail)))
		}
		for _, code := range []string{wrong(mail), mail.Code.Reveal(), mail.Link.Reveal()} {
			a := row.answer(request, code)
			if a.Status != 429 || !strings.HasPrefix(a.Header.Get("RateLimit"), `"request";r=0;`) {
				t.Errorf("%s: got %d %s", name, a.Status, a.Body)
			}
		}
		row.ask()
	}
	request := askCode(t, h, impltest.RequestLoginCodePath, ada)
	wantStatus(t, "another request", continueLogin(t, h, request, h.CodeMail(t, ada).Code.Reveal()), 200)
}

// The link alone, such as a scanner of mails has, does nothing: it neither opens nor ends anything.
func TestALinkAloneDoesNothing(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	request := askCode(t, h, impltest.RequestLoginCodePath, ada)
	login := h.CodeMail(t, ada)
	askVerification(t, h, token)
	verification := h.CodeMail(t, ada)
	// The scanner makes requests of its own, also for its own address.
	h.MustRegister(t, "scanner")
	own := askCode(t, h, impltest.RequestLoginCodePath, "scanner@example.com")
	for range 2 * challenge.Tries {
		for _, code := range []string{login.Link.Reveal(), login.Code.Reveal(), verification.Link.Reveal()} {
			if a := continueLogin(t, h, own, code); a.Status < 400 {
				t.Fatalf("a link alone: got %d %s", a.Status, a.Body)
			}
			a := h.PostJSON(t, impltest.ContinueLoginPath, map[string]any{"factor": "email_code", "code": code})
			wantStatus(t, "no request", a, 422)
			wantStatus(t, "no token", confirmVerification(t, h, "", code), 401)
		}
	}
	if me := h.Me(t, token); me.JSON("email_verified") != false {
		t.Errorf("got %s", me.Body)
	}
	wantStatus(t, "verification", confirmVerification(t, h, token, verification.Link.Reveal()), 204)
	wantStatus(t, "login", continueLogin(t, h, request, login.Link.Reveal()), 200)
}
