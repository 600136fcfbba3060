package impl_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// verifiedEmails starts an instance that demands verified emails, beside one that doesn't.
func verifiedEmails(t *testing.T, o impltest.Options) (demanding, open *impltest.Harness) {
	t.Helper()
	open = impltest.New(t, o)
	o.Registration, o.RequireVerified = auth.RegistrationVerified, true
	return open.With(t, o), open
}

// heldLogin logs in as ada with the right password, and returns the request for the mailed code.
func heldLogin(t *testing.T, h *impltest.Harness) string {
	t.Helper()
	a := logInWith(t, h, impltest.Password)
	if a.Status != 403 || a.Text("code") != "email_unverified" {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	return a.Text("request")
}

// A right password of a user whose email was never proved leads to a code, and the code to a
// session.
func TestLoginOfAnUnverifiedUser(t *testing.T) {
	t.Parallel()
	h, open := verifiedEmails(t, impltest.Options{})
	older := open.MustRegister(t, "ada")
	for _, password := range []string{"a wrong password", ""} {
		a := logInWith(t, h, password)
		if diff := cmp.Diff(comparable(h.Login(t, "username", "nobody@example.com", "password", password)), comparable(a)); diff != "" {
			t.Errorf("%q: %s", password, diff)
		}
	}
	if n := len(h.Mailbox.Letters()); n != 0 {
		t.Errorf("%d letters for wrong passwords", n)
	}
	a := logInWith(t, h, impltest.Password)
	if a.Status != 403 || a.Header.Get("Content-Type") != mediaJSON || a.Text("error") != "invalid_grant" ||
		a.JSON("expires_in") != 600.0 || fmt.Sprint(a.JSON("factors")) != "[email_code]" || a.JSON("access_token") != nil {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	mail := h.CodeMail(t, ada)
	if letters := h.Mailbox.Letters(); letters[0].Kind != auth.LetterContinueLogin || mail.Username != "ada" {
		t.Errorf("the letter is %+v, the mail %+v", letters[0], mail)
	}
	if log := h.Log.String(); !strings.Contains(log, "login=email_unverified") || strings.Contains(log, a.Text("request")) {
		t.Errorf("the log is %s", log)
	}
	wantStatus(t, "a session of before", h.Me(t, older), 200)
	wantInvalidCode(t, "a wrong code", continueLogin(t, h, a.Text("request"), wrong(mail)))
	h.Auth.Wait() // until the failure is recorded, which happens beside the request
	got := continueLogin(t, h, a.Text("request"), mail.Code.Reveal())
	token := got.Text("access_token")
	if me := h.Me(t, token); got.Status != 200 || me.JSON("email_verified") != true {
		t.Errorf("got %d %s, %s", got.Status, got.Body, me.Body)
	}
	if amr := claims(t, token).Amr; len(amr) != 2 || amr[0] != "pwd" || amr[1] != "otp" {
		t.Errorf("amr is %v", amr)
	}
	var events []string
	for _, e := range eventsOf(t, h, token, "").Events {
		events = append(events, string(e.Type))
	}
	if want := []string{"user.logged_in", "email.verified", "code.failed", "login.failed", "user.registered"}; !slices.Equal(events, want) {
		t.Errorf("got %v, want %v", events, want)
	}
	wantInvalidCode(t, "the code again", continueLogin(t, h, a.Text("request"), mail.Code.Reveal()))
	wantStatus(t, "a later login", logInWith(t, h, impltest.Password), 200)
	if stats := h.Auth.Stats(); stats.LoginsSucceeded != 2 || stats.LoginsFailed != 6 {
		t.Errorf("stats %+v", stats)
	}
}

// Pre-hijacking: the first proof of the mailbox ends the sessions from before. The password stays
// if it was proved as well. Otherwise it is removed, and a login that waits with it ends too.
func TestPreHijackingOfUnverifiedUsers(t *testing.T) {
	t.Parallel()
	t.Run("with the password", func(t *testing.T) {
		t.Parallel()
		h, open := verifiedEmails(t, impltest.Options{})
		open.MustRegister(t, "ada")
		access, refreshToken := login(t, open, "ada")
		request := heldLogin(t, h)
		own := continueLogin(t, h, request, h.CodeMail(t, ada).Link.Reveal())
		wantStatus(t, "the link, beside the request", own, 200)
		wantStatus(t, "an older session", h.Me(t, access), 401)
		wantStatus(t, "its refresh token", refresh(t, h, refreshToken), 400)
		wantStatus(t, "the session that has proved the mailbox", h.Me(t, own.Text("access_token")), 200)
		wantStatus(t, "the password", logInWith(t, h, impltest.Password), 200)
		wantStatus(t, "only the first proof ends sessions", h.Me(t, own.Text("access_token")), 200)
	})
	t.Run("by a code alone", func(t *testing.T) {
		t.Parallel()
		h, open := verifiedEmails(t, impltest.Options{})
		open.MustRegister(t, "ada")
		held := heldLogin(t, h)
		code := h.CodeMail(t, ada).Code.Reveal()
		continueLoginAgain(t, h)
		wantInvalidCode(t, "the login that waits", continueLogin(t, h, held, code))
		wantStatus(t, "the password", logInWith(t, h, impltest.Password), 401)
	})
}

// A code or a request of one way to log in doesn't count for the other, although both continue a
// login.
func TestHeldLoginsArePurposeBound(t *testing.T) {
	t.Parallel()
	h, open := verifiedEmails(t, impltest.Options{})
	open.MustRegister(t, "ada")
	held := heldLogin(t, h)
	first := h.CodeMail(t, ada)
	alone := askCode(t, h, impltest.RequestLoginCodePath, ada)
	second := h.CodeMail(t, ada)
	reset := askCode(t, h, impltest.RequestResetPath, ada)
	for name, row := range map[string][2]string{
		"a login code": {held, second.Code.Reveal()}, "its link": {held, second.Link.Reveal()},
		"a held login's code": {alone, first.Code.Reveal()}, "its link, alone": {alone, first.Link.Reveal()},
		"a reset's request": {reset, first.Code.Reveal()},
	} {
		wantInvalidCode(t, name, continueLogin(t, h, row[0], row[1]))
	}
	wantInvalidCode(t, "for a reset", confirmReset(t, h, reset, first.Code.Reveal(), newPassword))
	wantInvalidCode(t, "for a registration", completeRegistration(t, h, held, first.Code.Reveal()))
	wantStatus(t, "the held login", continueLogin(t, h, held, first.Code.Reveal()), 200)
}

// Sessions from before the setting continue: they can be refreshed and proved again. Any proof of
// the mailbox is enough.
func TestVerifiedEmailsAreDemandedAtTheLoginAlone(t *testing.T) {
	t.Parallel()
	h, open := verifiedEmails(t, impltest.Options{})
	open.MustRegister(t, "ada")
	access, refreshToken := login(t, open, "ada")
	wantRefreshed(t, refresh(t, h, refreshToken))
	wantStatus(t, "a proof", reauthenticate(t, h, access, impltest.Password), 200)
	held := heldLogin(t, h)
	heldCode := h.CodeMail(t, ada).Code.Reveal()
	askVerification(t, h, access)
	wantStatus(t, "verification", confirmVerification(t, h, access, h.CodeMail(t, ada).Code.Reveal()), 204)
	wantStatus(t, "a login", logInWith(t, h, impltest.Password), 200)
	wantStatus(t, "the login that waited", continueLogin(t, h, held, heldCode), 200)
	wantStatus(t, "the session that has verified", h.Me(t, access), 200)

	open.MustRegister(t, "eve")
	request := askCode(t, h, impltest.RequestResetPath, "eve@example.com")
	wantStatus(t, "reset", confirmReset(t, h, request, h.CodeMail(t, "eve@example.com").Code.Reveal(), newPassword), 204)
	wantStatus(t, "after a reset", h.Login(t, "username", "eve@example.com", "password", newPassword), 200)
}

// A waiting login ends with the password and with the user.
func TestHeldLoginsOfChangedUsers(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, *impltest.Harness, string){
		"another password": func(t *testing.T, h *impltest.Harness, token string) {
			wantStatus(t, "the change", changePassword(t, h, token, impltest.Password, newPassword), 204)
		},
		"an operator's password": func(t *testing.T, h *impltest.Harness, _ string) {
			user, err := h.Auth.FindUser(t.Context(), "ada")
			if err == nil {
				_, err = h.Auth.SetPassword(t.Context(), user, secret.New(newPassword))
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"deactivated": func(t *testing.T, h *impltest.Harness, _ string) { deactivate(t, h, "ada") },
		"deleted": func(t *testing.T, h *impltest.Harness, token string) {
			wantStatus(t, "the deletion", as(t, h, token, "DELETE", impltest.MePath), 204)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, open := verifiedEmails(t, impltest.Options{})
			token := open.MustRegister(t, "ada")
			request := heldLogin(t, h)
			code := h.CodeMail(t, ada).Code.Reveal()
			change(t, h, token)
			wantInvalidCode(t, "the code", continueLogin(t, h, request, code))
		})
	}
}

// M-1: of several parallel uses of the code of one waiting login, exactly one succeeds.
func TestM1_ParallelUseOfAHeldLogin(t *testing.T) {
	t.Parallel()
	h, open := verifiedEmails(t, impltest.Options{Patient: true})
	open.MustRegister(t, "ada")
	const rounds, clients = 200, 4
	for range rounds {
		if _, err := h.Pool.Exec(t.Context(), "UPDATE users SET email_verified = false"); err != nil {
			t.Fatal(err)
		}
		request := heldLogin(t, h)
		body := fmt.Sprintf(`{"request":%q,"factor":"email_code","code":%q}`, request, h.CodeMail(t, ada).Code.Reveal())
		var (
			wg                 sync.WaitGroup
			succeeded, refused atomic.Int64
		)
		for range clients {
			wg.Go(func() {
				a, err := h.Try(t, h.Request("POST", impltest.ContinueLoginPath, body, "Content-Type", mediaJSON))
				switch {
				case err != nil:
					t.Error(err)
				case a.Status == 200:
					succeeded.Add(1)
				case a.Text("code") == "invalid_code":
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		if succeeded.Load() != 1 || refused.Load() != clients-1 {
			t.Fatalf("%d succeeded, %d were refused", succeeded.Load(), refused.Load())
		}
	}
}

// L-5: the limits of a waiting login. The right password makes the account's budget whole and costs
// the address nothing, as in any login. Its codes are limited as others are, with five tries each.
// The address is known only after the code was entered.
func TestL5_HeldLogins(t *testing.T) {
	t.Parallel()
	o := impltest.Options{Limits: true, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	h, open := verifiedEmails(t, o)
	registerFrom(t, open, home, "ada")
	before := charged(t, h)
	guess(t, h, ada, 9)
	wantStatus(t, "the right password", loginFrom(t, h, "192.0.2.1", ada, impltest.Password), 403)
	if got := guess(t, h, ada, 10); got != 0 {
		t.Errorf("%d of ten guesses were refused after the right password", got)
	}
	wantStatus(t, "a stranger then", loginFrom(t, h, "192.0.2.1", ada, impltest.Password), 429)
	for i := range 9 {
		wantStatus(t, fmt.Sprint("login ", i), loginFrom(t, h, home, ada, impltest.Password), 403)
	}
	// 19 guesses from 10 addresses, ten of them on the account, and ten codes for it and from two
	// addresses.
	want := float64(10*15*60 + 19*36 + 20*6*60)
	if got := charged(t, h) - before; got != want {
		t.Errorf("%.0f s were charged, want %.0f", got, want)
	}
	a := loginFrom(t, h, home, ada, impltest.Password)
	if a.Status != 429 || !strings.HasPrefix(a.Header.Get("RateLimit"), `"account"`) {
		t.Errorf("an eleventh code: got %d %s", a.Status, a.Body)
	}
	if n := len(h.Mailbox.Letters()); n != 10 {
		t.Errorf("%d letters", n)
	}
}

// M-2: five tries, as for every code.
func TestM2_FiveTriesOfAHeldLogin(t *testing.T) {
	t.Parallel()
	h, open := verifiedEmails(t, impltest.Options{})
	open.MustRegister(t, "ada")
	request := heldLogin(t, h)
	mail := h.CodeMail(t, ada)
	for range challenge.Tries {
		wantInvalidCode(t, "a wrong code", continueLogin(t, h, request, wrong(mail)))
	}
	wantStatus(t, "the right code then", continueLogin(t, h, request, mail.Code.Reveal()), 429)
	request = heldLogin(t, h)
	wantStatus(t, "another login", continueLogin(t, h, request, h.CodeMail(t, ada).Code.Reveal()), 200)
}

// If a user is changed while the password is hashed, the login requests no code for the former
// state.
func TestHeldLoginOfAUserThatIsChangedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change string
		status int
	}{
		"nothing":          {"SELECT", 403},
		"verified":         {"UPDATE users SET email_verified = true", 200},
		"deactivated":      {"UPDATE users SET is_active = false", 401},
		"deleted":          {"DELETE FROM users", 401},
		"another password": {"UPDATE passwords SET hash = '$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'", 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, open := verifiedEmails(t, impltest.Options{Patient: true, Limits: true})
			open.MustRegister(t, "ada")
			before := charged(t, h)
			release := h.OccupyWorkers(t)
			var answered sync.WaitGroup
			answered.Go(func() {
				a, err := h.Try(t, h.LoginRequest("username", ada, "password", impltest.Password))
				if err != nil || a.Status != row.status {
					t.Errorf("got %d %s, %v; want %d", a.Status, a.Body, err, row.status)
				}
			})
			waitFor(t, func() bool { return h.Auth.Stats().HashesWaiting == 1 }) // the credentials are read
			if _, err := h.Pool.Exec(t.Context(), row.change); err != nil {
				t.Error(err)
			}
			release()
			answered.Wait()
			isHeld := row.status == 403
			if n := countRows(t, h, "challenges"); (n == 1) != isHeld {
				t.Errorf("%d challenges", n)
			}
			if got := charged(t, h) - before; row.status == 200 && got != 0 {
				t.Errorf("%.0f s were charged for a code that wasn't mailed", got)
			}
		})
	}
}
