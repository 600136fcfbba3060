package impl_test

import (
	"slices"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// M-4: a code ends after its time, and when another one is requested.
func TestM4_CodesEnd(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	request := askCode(t, h, impltest.RequestLoginCodePath, ada)
	mail := h.CodeMail(t, ada)
	newer := askCode(t, h, impltest.RequestLoginCodePath, ada)
	wantInvalidCode(t, "the older", continueLogin(t, h, request, mail.Code.Reveal()))
	wantInvalidCode(t, "the older link", continueLogin(t, h, newer, mail.Link.Reveal()))
	wantInvalidCode(t, "the older code for the newer request", continueLogin(t, h, newer, mail.Code.Reveal()))
	if mails := h.Mails(t, ada); len(mails) != 1 {
		t.Errorf("%d mails are sent, want the newer one", len(mails))
	}
	mail = h.CodeMail(t, ada)
	h.Clock.Advance(challenge.CodeTTL - time.Millisecond)
	if n, err := h.Auth.SweepChallenges(t.Context()); n != 0 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	wantStatus(t, "in time", continueLogin(t, h, newer, mail.Code.Reveal()), 200)

	request = askCode(t, h, impltest.RequestResetPath, ada)
	mail = h.CodeMail(t, ada)
	h.Clock.Advance(challenge.CodeTTL)
	wantInvalidCode(t, "expired", confirmReset(t, h, request, mail.Code.Reveal(), newPassword))
	wantInvalidCode(t, "expired link", confirmReset(t, h, "", mail.Link.Reveal(), newPassword))
	if mails := h.Mails(t, ada); len(mails) != 0 {
		t.Errorf("%d mails whose codes have expired are sent", len(mails))
	}
	h.Clock.Advance(time.Millisecond)
	// The login's challenge has ended with the password that the login removed.
	if n, err := h.Auth.SweepChallenges(t.Context()); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	wantInvalidCode(t, "swept", confirmReset(t, h, request, mail.Code.Reveal(), newPassword))
}

// Codes and requests from before a change of the secret key still count, and so does a code that is
// mailed after the change.
func TestCodesOutliveAChangeOfTheKey(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	const present = "Zr1xWtN6yPbC0mJ4sLgE9dFuA7oT5iRvQ2KxWnYzHjhV3kq8"
	changed := h.With(t, impltest.Options{Secret: present, Previous: impltest.SecretKey})
	former := h.With(t, impltest.Options{Secret: present})
	for name, pick := range map[string]func(before, after auth.CodeMail) string{
		"code of before": func(before, _ auth.CodeMail) string { return before.Code.Reveal() },
		"link of before": func(before, _ auth.CodeMail) string { return before.Link.Reveal() },
		"code of after":  func(_, after auth.CodeMail) string { return after.Code.Reveal() },
		"link of after":  func(_, after auth.CodeMail) string { return after.Link.Reveal() },
	} {
		request := askCode(t, h, impltest.RequestLoginCodePath, ada)
		code := pick(h.CodeMail(t, ada), changed.CodeMail(t, ada))
		wantInvalidCode(t, name+", another key", continueLogin(t, former, request, code))
		wantStatus(t, name, continueLogin(t, changed, request, code), 200)
	}
}

// The events list what codes were used for.
func TestEventsOfCodes(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	askVerification(t, h, token)
	wantStatus(t, "verification", confirmVerification(t, h, token, h.CodeMail(t, "ada@example.com").Code.Reveal()), 204)
	request := askCode(t, h, impltest.RequestResetPath, "ada@example.com")
	code := h.CodeMail(t, "ada@example.com").Code.Reveal()
	wantStatus(t, "reset", confirmReset(t, h, request, code, "violet anchor prints slowly"), 204)
	request = askCode(t, h, impltest.RequestLoginCodePath, "ada@example.com")
	a := continueLogin(t, h, request, h.CodeMail(t, "ada@example.com").Code.Reveal())
	wantStatus(t, "login", a, 200)
	if amr := claims(t, a.Text("access_token")).Amr; len(amr) != 1 || amr[0] != "otp" {
		t.Errorf("amr is %v", amr)
	}
	var got []string
	for _, e := range eventsOf(t, h, a.Text("access_token"), "").Events {
		got = append(got, string(e.Type)+" "+string(e.Actor))
	}
	want := []string{"user.logged_in user", "password.reset unknown", "email.verified user", "user.registered user"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	kinds := map[auth.LetterKind]int{}
	for _, l := range h.Mailbox.Letters() {
		kinds[l.Kind]++
	}
	if kinds[auth.LetterPasswordChanged] != 1 || kinds[auth.LetterAccountDeleted] != 0 {
		t.Errorf("enqueued %v", kinds)
	}
}

// A code that was mailed before opens nothing after a change of the password, or after the account
// was deactivated and activated again.
func TestCodesEndWithThePassword(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, *impltest.Harness, string){
		"changed": func(t *testing.T, h *impltest.Harness, token string) {
			wantStatus(t, "the change", changePassword(t, h, token, impltest.Password, newPassword), 204)
		},
		"set by an operator": func(t *testing.T, h *impltest.Harness, _ string) {
			user, err := h.Auth.FindUser(t.Context(), "ada")
			if err == nil {
				_, err = h.Auth.SetPassword(t.Context(), user, secret.New(newPassword))
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"deactivated": func(t *testing.T, h *impltest.Harness, token string) {
			deactivate(t, h, "ada")
			if _, err := h.Auth.Activate(t.Context(), auth.Operator{}, claims(t, token).UID); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := impltest.New(t)
			token := h.MustRegister(t, "ada")
			request := askCode(t, h, impltest.RequestLoginCodePath, ada)
			code := h.CodeMail(t, ada).Code.Reveal()
			change(t, h, token)
			wantInvalidCode(t, "a code of before", continueLogin(t, h, request, code))
		})
	}
}

// A notice that has waited for too long is not sent.
func TestNoticesEnd(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	wantStatus(t, "the change", changePassword(t, h, token, impltest.Password, newPassword), 204)
	if mails := h.Mails(t, ada); len(mails) != 1 {
		t.Errorf("%d mails", len(mails))
	}
	h.Clock.Advance(24*time.Hour + time.Second)
	if mails := h.Mails(t, ada); len(mails) != 0 {
		t.Errorf("a day later %d mails", len(mails))
	}
}
