package impl_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

const third = "third@example.net"

// emailOf returns an account's email.
func emailOf(t *testing.T, h *impltest.Harness, username string) string {
	t.Helper()
	user, err := h.Auth.FindUser(t.Context(), username)
	if err != nil {
		t.Fatal(err)
	}
	return user.Email
}

// The former address gets a mail about the change, and can undo it for 72 hours with a new
// password. This ends the sessions of the person who made the change.
func TestUndoOfAnEmailChange(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	wantStatus(t, "the language", patchMe(t, h, token, `{"locale":"de"}`), 200)
	changeEmail(t, h, token, newAda)
	letters := h.Mailbox.Letters()
	letter := letters[len(letters)-1]
	if letter.Kind != auth.LetterEmailChanged || letter.To != ada || letter.Language != "de" {
		t.Errorf("the letter is %+v", letter)
	}
	mail := h.CodeMail(t, ada)
	if mail.Username != "ada" || mail.Email != ada || mail.NewEmail != newAda ||
		!mail.LinkEndsAt.Equal(h.Clock.Now().Add(72*time.Hour)) {
		t.Errorf("the mail is %+v", mail)
	}
	h.Clock.Advance(72*time.Hour - time.Second)
	session := logInAs(t, h, newAda, impltest.Password).Text("access_token")
	request := askCode(t, h, impltest.RequestLoginCodePath, newAda)
	code := h.CodeMail(t, newAda).Code.Reveal()
	pending := askEmailChange(t, h, session, third)
	wantStatus(t, "the undo", undo(t, h, mail.Link.Reveal()), 204)
	wantStatus(t, "a session of before", h.Me(t, session), 401)
	wantInvalidCode(t, "a login code of before", continueLogin(t, h, request, code))
	wantStatus(t, "the password of before", logInAs(t, h, ada, impltest.Password), 401)
	wantStatus(t, "the address of before", logInAs(t, h, newAda, newPassword), 401)
	a := logInAs(t, h, ada, newPassword)
	owner := a.Text("access_token")
	if me := h.Me(t, owner); me.Text("email") != ada || me.JSON("email_verified") != true {
		t.Errorf("got %s", me.Body)
	}
	wantInvalidCode(t, "a change that was asked for before", confirmEmailChange(t, h, owner, pending))
	wantInvalidCode(t, "the undo again", undo(t, h, mail.Link.Reveal()))
	events := eventsOf(t, h, owner, "").Events
	if !slices.ContainsFunc(events, func(e api.Event) bool {
		return e.Type == "email.change_undone" && e.Actor == "unknown"
	}) {
		t.Errorf("the events are %+v", events)
	}
	letters = h.Mailbox.Letters()
	for n, to := range []string{newAda, ada} { // the address that is left is told, too
		if letter := letters[len(letters)-2+n]; letter.Kind != auth.LetterPasswordChanged || letter.To != to {
			t.Errorf("the letter to %s is %+v", to, letter)
		}
	}
	changeEmail(t, h, h.MustRegister(t, "eve"), newAda) // the address is free at once
}

// A link alone undoes nothing: it needs a new password, which the policy checks as always.
func TestUndoKeepsThePolicy(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada-lovelace")
	const former = "ada-lovelace@example.com"
	changeEmail(t, h, token, newAda)
	link := undoOf(t, h, former)
	for range 2 * challenge.Tries {
		for _, password := range []string{"short", "ada-lovelace", former, newAda} {
			wantStatus(t, password, confirmReset(t, h, "", link, password), 422)
		}
	}
	for name, a := range map[string]impltest.Answer{
		"as a login":        continueLogin(t, h, goodRequest(challenge.LoginCode), link),
		"as a change":       confirmEmailChange(t, h, token, link),
		"as a verification": confirmVerification(t, h, token, link),
		"beside a request":  confirmReset(t, h, goodRequest(challenge.ResetPassword), link, newPassword),
		"the code alone":    confirmReset(t, h, goodRequest(challenge.UndoEmailChange), h.CodeMail(t, former).Code.Reveal(), newPassword),
	} {
		wantInvalidCode(t, name, a)
	}
	if emailOf(t, h, "ada-lovelace") != newAda {
		t.Error("the change is undone")
	}
	wantStatus(t, "with a good password", undo(t, h, link), 204)
}

// F-27: an undo is not used up if the database fails, however often that happens.
func TestF27_UndoThatFails(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	changeEmail(t, h, h.MustRegister(t, "ada"), newAda)
	link := undoOf(t, h, ada)
	const fail = "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE disk_full; END$$;" +
		"CREATE TRIGGER fail BEFORE UPDATE ON passwords FOR EACH ROW EXECUTE FUNCTION fail()"
	if _, err := h.Pool.Exec(t.Context(), fail); err != nil {
		t.Fatal(err)
	}
	for range 2 * challenge.Tries {
		wantStatus(t, "a disk that is full", undo(t, h, link), 503)
	}
	if got := emailOf(t, h, "ada"); got != newAda {
		t.Errorf("half an undo: the email is %s", got)
	}
	if _, err := h.Pool.Exec(t.Context(), "DROP TRIGGER fail ON passwords"); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, "afterwards", undo(t, h, link), 204)
}

// An undo expires after 72 hours, and so does its mail.
func TestUndoExpires(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	changeEmail(t, h, h.MustRegister(t, "ada"), newAda)
	link := undoOf(t, h, ada)
	h.Clock.Advance(72 * time.Hour)
	wantInvalidCode(t, "the undo", undo(t, h, link))
	if mails := h.Mails(t, ada); len(mails) != 0 {
		t.Errorf("%d mails are still sent", len(mails))
	}
}

// An undo outlives the events that end other codes. It ends the undos of later changes, and not
// those of earlier ones.
func TestUndosOfSeveralChanges(t *testing.T) {
	t.Parallel()
	// changed returns an account whose email went from ada to newAda to third.
	changed := func(t *testing.T) (h *impltest.Harness, token, first, second string) {
		t.Helper()
		h = impltest.New(t)
		token = h.MustRegister(t, "ada")
		changeEmail(t, h, token, newAda)
		first = undoOf(t, h, ada)
		changeEmail(t, h, token, third)
		return h, token, first, undoOf(t, h, newAda)
	}
	t.Run("the first", func(t *testing.T) {
		t.Parallel()
		h, _, first, second := changed(t)
		wantStatus(t, "the first", undo(t, h, first), 204)
		wantInvalidCode(t, "the second", undo(t, h, second))
		if got := emailOf(t, h, "ada"); got != ada {
			t.Errorf("the email is %s", got)
		}
	})
	t.Run("the second", func(t *testing.T) {
		t.Parallel()
		h, _, first, second := changed(t)
		wantStatus(t, "the second", undo(t, h, second), 204)
		if got := emailOf(t, h, "ada"); got != newAda {
			t.Errorf("the email is %s", got)
		}
		wantStatus(t, "the first", undo(t, h, first), 204)
		if got := emailOf(t, h, "ada"); got != ada {
			t.Errorf("the email is %s", got)
		}
	})
	for name, change := range map[string]func(*testing.T, *impltest.Harness, string){
		"another password": func(t *testing.T, h *impltest.Harness, token string) {
			wantStatus(t, "the change", changePassword(t, h, token, impltest.Password, newPassword), 204)
		},
		"a reset": func(t *testing.T, h *impltest.Harness, _ string) {
			askCode(t, h, impltest.RequestResetPath, third)
			wantStatus(t, "the reset", confirmReset(t, h, "", h.CodeMail(t, third).Link.Reveal(), newPassword), 204)
		},
		"a password by an operator": func(t *testing.T, h *impltest.Harness, _ string) {
			user, err := h.Auth.FindUser(t.Context(), third)
			if err == nil {
				_, err = h.Auth.SetPassword(t.Context(), user, secret.New(newPassword))
			}
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, token, first, _ := changed(t)
			change(t, h, token)
			wantStatus(t, "the undo", undo(t, h, first), 204)
			if got := emailOf(t, h, "ada"); got != ada {
				t.Errorf("the email is %s", got)
			}
		})
	}
}

// The undos have the order of the changes, whatever the clocks of the instances show.
func TestUndosOfInstancesWithDifferentClocks(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	changeEmail(t, h, token, newAda)
	first := undoOf(t, h, ada)
	h.Clock.Advance(-30 * time.Second)
	changeEmail(t, h, token, third)
	second := undoOf(t, h, newAda)
	wantStatus(t, "the first", undo(t, h, first), 204)
	wantInvalidCode(t, "the second", undo(t, h, second))
}

// The change of an account that was deactivated or deleted can't be undone.
func TestUndoOfAnAccountThatIsGone(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *impltest.Harness, string){
		"deactivated": func(t *testing.T, h *impltest.Harness, _ string) { deactivate(t, h, "ada") },
		"activated again": func(t *testing.T, h *impltest.Harness, token string) {
			deactivate(t, h, "ada")
			if _, err := h.Auth.Activate(t.Context(), auth.Operator{}, claims(t, token).UID); err != nil {
				t.Fatal(err)
			}
		},
		"deleted": func(t *testing.T, h *impltest.Harness, token string) {
			wantStatus(t, "the deletion", as(t, h, token, "DELETE", impltest.MePath), 204)
		},
		"deleted by an operator": func(t *testing.T, h *impltest.Harness, token string) {
			if _, err := h.Auth.DeleteUser(t.Context(), auth.Operator{}, claims(t, token).UID); err != nil {
				t.Fatal(err)
			}
		},
		"deactivated beside the service": func(t *testing.T, h *impltest.Harness, _ string) {
			if _, err := h.Pool.Exec(t.Context(), "UPDATE users SET is_active = false"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := impltest.New(t)
			token := h.MustRegister(t, "ada")
			changeEmail(t, h, token, newAda)
			link := undoOf(t, h, ada)
			end(t, h, token)
			wantInvalidCode(t, "the undo", undo(t, h, link))
			if name != "deactivated beside the service" {
				wantStatus(t, "the address is free", registerAs(t, h, ada, "other"), 201)
			}
		})
	}
}

func registerAs(t *testing.T, h *impltest.Harness, email, username string) impltest.Answer {
	t.Helper()
	return h.PostJSON(t, impltest.RegisterPath, map[string]any{
		"email": email, "username": username, "password": impltest.Password,
	})
}

// Nobody else gets an address that an account can get back: not by a registration, by a change or
// from an operator, and not from an instance of release 0.6. Afterwards the address is free.
func TestFormerEmailsAreHeld(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token, eve := h.MustRegister(t, "ada"), h.MustRegister(t, "eve")
	early := askEmailChange(t, h, eve, "ADA@example.net")
	changeEmail(t, h, token, "ada@example.net")
	changeEmail(t, h, token, newAda)
	for _, email := range []string{ada, "Ada@Example.com", "ada@example.net"} {
		a := registerAs(t, h, email, "other")
		if a.Status != 409 || a.Text("code") != "email_taken" {
			t.Errorf("%s: got %d %s", email, a.Status, a.Body)
		}
		wantStatus(t, email, requestEmailChange(t, h, eve, email), 202)
		letters := h.Mailbox.Letters()
		if _, isSent, err := h.Auth.MailData(t.Context(), letters[len(letters)-1]); isSent || err != nil {
			t.Errorf("%s gets a code, %v", email, err)
		}
	}
	a := confirmEmailChange(t, h, eve, early)
	wantInvalidCode(t, "a code that a later request has ended", a)
	_, err := h.Auth.CreateUser(t.Context(), auth.Registration{
		Email: ada, Username: "other", Password: secret.New(impltest.Password),
	}, false)
	if !errors.Is(err, auth.ErrEmailTaken) {
		t.Errorf("an operator gets %v", err)
	}
	// This is how release 0.6 inserts a user. It reports the constraint as a taken email.
	const insert = "INSERT INTO users (id, email, email_key, username, username_key, password_hash, created_at, updated_at) " +
		"VALUES (gen_random_uuid(), $1, $1, 'other', 'other', 'x', $2, $2)"
	if _, err := h.Pool.Exec(t.Context(), insert, ada, h.Clock.Now()); !isTaken(err) {
		t.Errorf("release 0.6 gets %v", err)
	}
	// The account itself may take it back.
	changeEmail(t, h, token, ada)
	changeEmail(t, h, token, newAda)
	h.Clock.Advance(72 * time.Hour)
	wantStatus(t, "after 72 hours", registerAs(t, h, ada, "other"), 201)
	if n, err := h.Auth.SweepChallenges(t.Context()); n == 0 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
}

// isTaken reports whether a statement has failed because an email is taken.
func isTaken(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "23505" && refused.ConstraintName == "users_email_key"
}

// An expired undo that wasn't swept doesn't disturb the present owner of the address.
func TestUndoOfWhoHadTheAddressBefore(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	changeEmail(t, h, h.MustRegister(t, "ada"), newAda)
	former := undoOf(t, h, ada)
	h.Clock.Advance(72 * time.Hour)
	other := registerAs(t, h, ada, "other").Text("token.access_token")
	changeEmail(t, h, other, third)
	wantInvalidCode(t, "the undo of the one", undo(t, h, former))
	wantStatus(t, "the undo of the other", undo(t, h, undoOf(t, h, ada)), 204)
	if got := emailOf(t, h, "other"); got != ada {
		t.Errorf("the email is %s", got)
	}
}

// An account that takes a former address back by a change ends the undos of the addresses since,
// because they may belong to an attacker who had taken the account over. Another spelling of the
// address is an ordinary change.
func TestTakingAnAddressBackIsAnUndo(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	changeEmail(t, h, token, newAda)
	first := undoOf(t, h, ada)
	changeEmail(t, h, token, third)
	second := undoOf(t, h, newAda)
	changeEmail(t, h, token, ada)
	for what, link := range map[string]string{"the first": first, "the second": second} {
		wantInvalidCode(t, what, undo(t, h, link))
	}
	if mails := h.Mails(t, third); len(mails) != 0 {
		t.Errorf("%d mails to the address that was left", len(mails))
	}
	changeEmail(t, h, h.MustRegister(t, "eve"), third) // it isn't held
	changeEmail(t, h, token, "Ada@example.com")
	wantStatus(t, "the undo of another spelling", undo(t, h, undoOf(t, h, ada)), 204)
	if got := emailOf(t, h, "ada"); got != ada {
		t.Errorf("the email is %s", got)
	}
}
