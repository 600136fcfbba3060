package impl_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// newAda is the address that ada changes to.
const newAda = "ada@example.org"

func requestEmailChange(t *testing.T, h *impltest.Harness, token, email string) impltest.Answer {
	t.Helper()
	return postAs(t, h, token, impltest.RequestEmailChangePath, `{"email":"`+email+`"}`)
}

// askEmailChange requests a code for another email, and returns the code.
func askEmailChange(t *testing.T, h *impltest.Harness, token, email string) string {
	t.Helper()
	a := requestEmailChange(t, h, token, email)
	if a.Status != 202 || a.JSON("expires_in") != 600.0 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	return h.CodeMail(t, email).Code.Reveal()
}

func confirmEmailChange(t *testing.T, h *impltest.Harness, token, code string) impltest.Answer {
	t.Helper()
	return postAs(t, h, token, impltest.ConfirmEmailChangePath, `{"code":"`+code+`"}`)
}

// changeEmail changes the email of a user.
func changeEmail(t *testing.T, h *impltest.Harness, token, email string) {
	t.Helper()
	if a := confirmEmailChange(t, h, token, askEmailChange(t, h, token, email)); a.Status != 204 {
		t.Fatalf("to %s: got %d %s", email, a.Status, a.Body)
	}
}

// undoOf returns the token of the newest mail to an account's former address.
func undoOf(t *testing.T, h *impltest.Harness, former string) string {
	t.Helper()
	for _, data := range slices.Backward(h.Mails(t, former)) {
		if mail, ok := data.(auth.CodeMail); ok && mail.Purpose == challenge.UndoEmailChange {
			return mail.Link.Reveal()
		}
	}
	t.Fatalf("there is no mail to undo a change to %s", former)
	return ""
}

// undo undoes a change of the email, with a new password.
func undo(t *testing.T, h *impltest.Harness, token string) impltest.Answer {
	t.Helper()
	return confirmReset(t, h, "", token, newPassword)
}

func logInAs(t *testing.T, h *impltest.Harness, email, password string) impltest.Answer {
	t.Helper()
	return h.Login(t, "username", email, "password", password)
}

// A change takes effect when the code of the new address is entered. The sessions continue. /me/
// and the tokens from then on have the new address at once.
func TestEmailChange(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	other := h.MustRegister(t, "ada")
	token, refreshToken := login(t, h, "ada")
	a := requestEmailChange(t, h, token, "Ada@Example.org")
	wantStatus(t, "the request", a, 202)
	mail := h.CodeMail(t, "Ada@Example.org")
	if mail.Username != "ada" || mail.Email != "Ada@Example.org" || len(h.Mails(t, ada)) != 0 {
		t.Errorf("the mail is %+v, with %d to the present address", mail, len(h.Mails(t, ada)))
	}
	tag := h.Me(t, token).Header.Get("ETag")
	if me := h.Me(t, token); me.Text("email") != ada {
		t.Errorf("before: %s", me.Body)
	}
	body := `{"request":"` + a.Text("request") + `","code":"` + mail.Code.Reveal() + `"}`
	wantStatus(t, "the confirmation", postAs(t, h, token, impltest.ConfirmEmailChangePath, body), 204)
	for _, session := range []string{token, other} {
		me := h.Me(t, session)
		if me.Text("email") != "Ada@Example.org" || me.JSON("email_verified") != true || me.Header.Get("ETag") == tag {
			t.Errorf("after: %d %s", me.Status, me.Body)
		}
	}
	refreshed := refresh(t, h, refreshToken)
	wantRefreshed(t, refreshed)
	if got := claims(t, refreshed.Text("access_token")).Sub; got != "Ada@Example.org" {
		t.Errorf("sub is %s", got)
	}
	wantStatus(t, "the former address", logInAs(t, h, ada, impltest.Password), 401)
	wantStatus(t, "the new address", logInAs(t, h, newAda, impltest.Password), 200)
	wantInvalidCode(t, "the code again", postAs(t, h, token, impltest.ConfirmEmailChangePath, body))
	if mails := h.Mails(t, "Ada@Example.org"); len(mails) != 0 {
		t.Errorf("%d mails whose codes were used are still sent", len(mails))
	}
	newest := eventsOf(t, h, token, "?limit=2").Events[1]
	if newest.Type != "email.changed" || newest.Actor != "user" || *newest.SessionID != claims(t, token).Sid {
		t.Errorf("the event is %+v", newest)
	}
}

// The link of the mail counts as the code does, together with the account's own token.
func TestEmailChangeByLink(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token, eve := h.MustRegister(t, "ada"), h.MustRegister(t, "eve")
	askEmailChange(t, h, token, newAda)
	mail := h.CodeMail(t, newAda)
	for name, code := range map[string]string{"code": mail.Code.Reveal(), "link": mail.Link.Reveal()} {
		wantInvalidCode(t, "another account's token, "+name, confirmEmailChange(t, h, eve, code))
		wantStatus(t, "no token, "+name, confirmEmailChange(t, h, "", code), 401)
		wantInvalidCode(t, "as a reset, "+name, confirmReset(t, h, "", code, newPassword))
	}
	wantStatus(t, "the link", confirmEmailChange(t, h, token, mail.Link.Reveal()), 204)
	if me := h.Me(t, token); me.Text("email") != newAda {
		t.Errorf("got %s", me.Body)
	}
}

// M-4: a code to change the email ends after its time, and when another one is requested, also one
// for another address.
func TestM4_EmailChangesEnd(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	first := askEmailChange(t, h, token, "first@example.org")
	second := askEmailChange(t, h, token, newAda)
	wantInvalidCode(t, "the older", confirmEmailChange(t, h, token, first))
	if mails := h.Mails(t, "first@example.org"); len(mails) != 0 {
		t.Errorf("%d mails of the older are sent", len(mails))
	}
	h.Clock.Advance(challenge.CodeTTL)
	wantInvalidCode(t, "expired", confirmEmailChange(t, h, token, second))
	if me := h.Me(t, token); me.Text("email") != ada {
		t.Errorf("got %s", me.Body)
	}
}

// M-2: the sixth try of a code to change the email is refused, and so is the right code after it.
func TestM2_FiveTriesOfAnEmailChange(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	code := askEmailChange(t, h, token, newAda)
	for range challenge.Tries {
		wantInvalidCode(t, "wrong", confirmEmailChange(t, h, token, wrong(h.CodeMail(t, newAda))))
	}
	wantStatus(t, "the right code then", confirmEmailChange(t, h, token, code), 429)
}

// M-5: a stolen access token alone doesn't change the email.
func TestM5_EmailChangeOfAStaleSession(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	h.Clock.Advance(301 * time.Second)
	a := requestEmailChange(t, h, token, newAda)
	if a.Status != 401 || a.Text("code") != "reauthentication_required" || len(h.Mails(t, newAda)) != 0 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	token = reauthenticate(t, h, token, impltest.Password).Text("access_token")
	wantStatus(t, "after a proof", requestEmailChange(t, h, token, newAda), 202)
}

// An invalid address is refused, and so is the account's present one. Another spelling of it is a
// change.
func TestEmailChangeToTheOwnAddress(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	for _, row := range []struct {
		path, body string
		want       [2]string
	}{
		{impltest.RequestEmailChangePath, `{"email":"ada@localhost"}`, [2]string{"/email", "invalid_format"}},
		{impltest.RequestEmailChangePath, `{"email":"` + ada + `"}`, [2]string{"/email", "invalid_format"}},
		{impltest.RequestEmailChangePath, `{}`, [2]string{"/email", "required"}},
		{impltest.ConfirmEmailChangePath, `{}`, [2]string{"/code", "required"}},
	} {
		a := postAs(t, h, token, row.path, row.body)
		if diff := cmp.Diff([][2]string{row.want}, violations(a)); a.Status != 422 || diff != "" {
			t.Errorf("%s: got %d %s", row.body, a.Status, diff)
		}
	}
	changeEmail(t, h, token, "Ada@Example.COM")
	if me := h.Me(t, token); me.Text("email") != "Ada@Example.COM" || me.JSON("email_verified") != true {
		t.Errorf("got %s", me.Body)
	}
	wantStatus(t, "the former spelling", logInAs(t, h, ada, impltest.Password), 200)
	wantStatus(t, "the undo", undo(t, h, undoOf(t, h, ada)), 204)
	if me := h.Me(t, logInAs(t, h, ada, newPassword).Text("access_token")); me.Text("email") != ada {
		t.Errorf("after the undo: %s", me.Body)
	}
}

// Codes that were mailed to the former address before the change open nothing after it.
func TestCodesEndWithTheEmail(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	asked := map[challenge.Purpose]string{
		challenge.LoginCode:     askCode(t, h, impltest.RequestLoginCodePath, ada),
		challenge.ResetPassword: askCode(t, h, impltest.RequestResetPath, ada),
		challenge.VerifyEmail:   askVerification(t, h, token),
	}
	mails := map[challenge.Purpose]auth.CodeMail{}
	for _, data := range h.Mails(t, ada) {
		mail := data.(auth.CodeMail)
		mails[mail.Purpose] = mail
	}
	changeEmail(t, h, token, newAda)
	reset, loginCode := mails[challenge.ResetPassword], mails[challenge.LoginCode]
	wantInvalidCode(t, "login", continueLogin(t, h, asked[challenge.LoginCode], loginCode.Code.Reveal()))
	wantInvalidCode(t, "reset", confirmReset(t, h, asked[challenge.ResetPassword], reset.Code.Reveal(), newPassword))
	wantInvalidCode(t, "reset by link", confirmReset(t, h, "", reset.Link.Reveal(), newPassword))
	wantInvalidCode(t, "verification", confirmVerification(t, h, token, mails[challenge.VerifyEmail].Code.Reveal()))
	if mails := h.Mails(t, ada); len(mails) != 1 {
		t.Errorf("%d mails to the former address are sent, want the undo", len(mails))
	}
	a := h.PostJSON(t, impltest.RequestResetPath, map[string]any{"email": ada})
	if len(h.Mails(t, ada)) != 1 || a.Status != http.StatusAccepted {
		t.Error("the former address gets a reset")
	}
}
