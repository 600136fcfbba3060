package impl_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

const grace = "grace@example.com"

// invite invites a user as an operator, and returns the user.
func invite(t *testing.T, h *impltest.Harness, token, body string) impltest.Answer {
	t.Helper()
	a := postAs(t, h, token, impltest.InvitationsPath, body)
	if a.Status != http.StatusCreated {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	return a
}

// pathOf returns the path of a user, or of something below it.
func pathOf(id, below string) string { return impltest.UsersPath + id + "/" + below }

// An invited person sets the first password by the link of the mail, once. It proves the email.
func TestInvitation(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "root", auth.RoleSuperuser, impltest.AllScopes)
	a := invite(t, h, token, `{"email":"grace@example.com","display_name":"Grace","locale":"de","roles":["support"],`+
		`"app_metadata":{"plan":"pro","none":null}}`)
	id := a.Text("id")
	for path, want := range map[string]any{
		"email": grace, "username": "grace-" + a.Text("username")[6:], "display_name": "Grace", "locale": "de",
		"email_verified": false, "has_password": false, "app_metadata.plan": "pro", "app_metadata.none": nil,
	} {
		if got := a.JSON(path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	if got := a.Header.Get("Location"); got != "../"+id+"/" {
		t.Errorf("Location %s", got)
	}
	if got := as(t, h, token, http.MethodGet, pathOf(id, "")); got.Header.Get("ETag") != a.Header.Get("ETag") {
		t.Errorf("got %d %s, ETag %s, want %s", got.Status, got.Body, got.Header.Get("ETag"), a.Header.Get("ETag"))
	}
	letters := h.Mailbox.Letters()
	if last := letters[len(letters)-1]; last.Language != "de" || last.Kind != auth.LetterInvitation {
		t.Errorf("the letter is %+v", last)
	}
	mail := h.CodeMail(t, grace)
	// Only the reader of the mail can set a password: the code doesn't, because it is valid for ten
	// minutes and needs its request.
	wantInvalidCode(t, "the code", confirmReset(t, h, "", mail.Code.Reveal(), newPassword))
	wantInvalidCode(t, "a request of a reset", confirmReset(t, h, askCode(t, h, impltest.RequestResetPath, grace),
		mail.Code.Reveal(), newPassword))
	h.Clock.Advance(challenge.InvitationTTL - time.Second)
	link := mail.Link.Reveal()
	if refused := confirmReset(t, h, "", link, "short"); refused.Status != 422 {
		t.Errorf("a short password: got %d %s", refused.Status, refused.Body)
	}
	wantStatus(t, "the link", confirmReset(t, h, "", link, newPassword), 204)
	wantInvalidCode(t, "the link again", confirmReset(t, h, "", link, impltest.Password))
	login := h.Login(t, "username", grace, "password", newPassword, "scope", "users:read")
	if me := h.Me(t, login.Text("access_token")); me.JSON("email_verified") != true || me.Text("id") != id {
		t.Errorf("got %d %s, %s", login.Status, login.Body, me.Body)
	}
	if login.Text("scope") != "users:read" {
		t.Errorf("the role counts for nothing: %s", login.Body)
	}
}

// An invitation ends after a week. A reset that an operator sends replaces it, also before that.
func TestInvitationEnds(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "root", auth.RoleSuperuser, impltest.AllScopes)
	id := invite(t, h, token, `{"email":"grace@example.com"}`).Text("id")
	late := h.CodeMail(t, grace).Link.Reveal()
	h.Clock.Advance(challenge.InvitationTTL)
	wantInvalidCode(t, "after a week", confirmReset(t, h, "", late, newPassword))
	if got := h.Mails(t, grace); len(got) != 0 {
		t.Errorf("a mail is still sent: %v", got)
	}
	token = h.MustLogin(t, "root", "scope", impltest.AllScopes).Text("access_token")
	wantStatus(t, "a reset", as(t, h, token, http.MethodPost, pathOf(id, "password-reset/")), 204)
	link := h.CodeMail(t, grace).Link.Reveal()
	h.Clock.Advance(challenge.OperatorResetTTL - time.Second)
	wantStatus(t, "its link after a day", confirmReset(t, h, "", link, newPassword), 204)
	wantStatus(t, "a login", h.Login(t, "username", grace, "password", newPassword), 200)
}

// A deactivated user can't accept an invitation.
func TestInvitationOfADeactivatedUser(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "root", auth.RoleSuperuser, impltest.AllScopes)
	id := uuid.MustParse(invite(t, h, token, `{"email":"grace@example.com"}`).Text("id"))
	link := h.CodeMail(t, grace).Link.Reveal()
	if _, err := h.Auth.Deactivate(t.Context(), auth.Operator{}, id); err != nil {
		t.Fatal(err)
	}
	wantInvalidCode(t, "deactivated", confirmReset(t, h, "", link, newPassword))
	wantStatus(t, "a reset", as(t, h, token, http.MethodPost, pathOf(id.String(), "password-reset/")), 204)
	if got := h.Mails(t, grace); len(got) != 0 {
		t.Errorf("a deactivated user gets a mail: %v", got)
	}
	if _, err := h.Auth.Activate(t.Context(), auth.Operator{}, id); err != nil {
		t.Fatal(err)
	}
	wantInvalidCode(t, "active again", confirmReset(t, h, "", link, newPassword))
}

// Invitations that are refused, and that leave nothing behind.
func TestInvitationRefused(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "root", auth.RoleSuperuser, impltest.AllScopes)
	h.MustRegister(t, "grace")
	for body, want := range map[string]string{
		`{"email":"Grace@Example.com"}`:                                          "email_taken",
		`{"email":"hedy@example.com","username":"GRACE"}`:                        "username_taken",
		`{"email":"hedy"}`:                                                       "invalid_request",
		`{"email":"hedy@example.com","roles":["root"]}`:                          "invalid_request",
		`{"email":"hedy@example.com","roles":["support","support"]}`:             "invalid_request",
		`{"email":"hedy@example.com","password":"correct horse battery staple"}`: "invalid_request",
		`{"email":"hedy@example.com","app_metadata":{"a":"\u0000"}}`:             "invalid_request",
		`{"email":"hedy@example.com","app_metadata":[]}`:                         "invalid_request",
	} {
		if a := postAs(t, h, token, impltest.InvitationsPath, body); a.Text("code") != want {
			t.Errorf("%s: got %d %s, want %s", body, a.Status, a.Body, want)
		}
	}
	if got := len(h.Mailbox.Letters()); got != 0 {
		t.Errorf("%d mails", got)
	}
	support := h.MustOperator(t, "sue", "support", impltest.AllScopes)
	if a := postAs(t, h, support, impltest.InvitationsPath, `{"email":"hedy@example.com"}`); a.Status != 403 {
		t.Errorf("support: got %d %s", a.Status, a.Body)
	}
	h.Clock.Advance(time.Hour)
	stale := refresh(t, h, h.MustLogin(t, "root", "scope", impltest.AllScopes).Text("refresh_token")).Text("access_token")
	h.Clock.Advance(time.Hour)
	if a := postAs(t, h, stale, impltest.InvitationsPath, `{"email":"hedy@example.com"}`); a.Status != 401 {
		t.Errorf("an old login: got %d %s", a.Status, a.Body)
	}
}

// A reset that an operator sends keeps the password until the user sets another one. The mails to
// one user are limited, and don't count for other users.
func TestOperatorReset(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Limits: true})
	token := h.MustOperator(t, "root", auth.RoleSuperuser, impltest.AllScopes)
	ids := map[string]string{}
	for _, name := range []string{"ada", "grace"} {
		ids[name] = claims(t, h.MustRegister(t, name)).UID.String()
	}
	session := h.MustLogin(t, "ada").Text("access_token")
	send := func(name string) impltest.Answer {
		return as(t, h, token, http.MethodPost, pathOf(ids[name], "password-reset/"))
	}
	wantStatus(t, "the first", send("ada"), 204)
	replaced := h.CodeMail(t, ada).Link.Reveal()
	for range 9 {
		wantStatus(t, "the next", send("ada"), 204)
	}
	limited := send("ada")
	if limited.Status != 429 || limited.Header.Get("Retry-After") == "" {
		t.Errorf("the eleventh: got %d %s", limited.Status, limited.Body)
	}
	wantStatus(t, "another user", send("grace"), 204)
	wantStatus(t, "the old password", h.MustLogin(t, "ada"), 200)
	wantStatus(t, "the session", h.Me(t, session), 200)
	wantInvalidCode(t, "the first mail", confirmReset(t, h, "", replaced, newPassword))
	wantStatus(t, "the last mail", confirmReset(t, h, "", h.CodeMail(t, ada).Link.Reveal(), newPassword), 204)
	wantStatus(t, "the session, after", h.Me(t, session), 401)
	wantStatus(t, "nobody", as(t, h, token, http.MethodPost, pathOf(uuid.NewString(), "password-reset/")), 404)
}
