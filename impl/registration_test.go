package impl_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// verifiedRegistration starts an instance with verified registration, beside one with open
// registration.
func verifiedRegistration(t *testing.T, o impltest.Options) (verified, open *impltest.Harness) {
	t.Helper()
	open = impltest.New(t, o)
	o.Registration = auth.RegistrationVerified
	return open.With(t, o), open
}

// registerLater registers a user whose email begins with its name, and returns the request.
func registerLater(t *testing.T, h *impltest.Harness, username string) string {
	t.Helper()
	a := h.Register(t, username+"@example.com", username, impltest.Password)
	if a.Status != 202 || a.JSON("expires_in") != 600.0 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	return a.Text("request")
}

func completeRegistration(t *testing.T, h *impltest.Harness, request, code string) impltest.Answer {
	t.Helper()
	return h.PostJSON(t, impltest.CompletePath, map[string]any{"request": request, "code": code})
}

func countRows(t *testing.T, h *impltest.Harness, table string) (n int) {
	t.Helper()
	if err := h.Pool.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// With verified registration there is no user before the code is entered. After that it is as with
// open registration, and the email is verified.
func TestVerifiedRegistration(t *testing.T) {
	t.Parallel()
	h, _ := verifiedRegistration(t, impltest.Options{})
	a := h.PostJSON(t, impltest.RegisterPath, map[string]any{
		"email": "Ada@Example.com", "username": "Ada", "password": impltest.Password, "locale": "de-AT",
	})
	wantStatus(t, "registration", a, 202)
	if n := countRows(t, h, "users"); n != 0 {
		t.Errorf("%d users before the code has come", n)
	}
	mail := h.CodeMail(t, "Ada@Example.com")
	if letters := h.Mailbox.Letters(); len(letters) != 1 || letters[0].Language != "de-AT" || mail.Username != "" {
		t.Errorf("the letters are %+v, the mail %+v", letters, mail)
	}
	wantStatus(t, "a login before", logInWith(t, h, impltest.Password), 401)

	request := a.Text("request")
	wantInvalidCode(t, "a wrong code", completeRegistration(t, h, request, wrong(mail)))
	a = completeRegistration(t, h, request, mail.Code.Reveal())
	if a.Status != 201 || a.Header.Get("Location") != "../me/" || a.Header.Get("Pragma") != "no-cache" {
		t.Fatalf("got %d %v %s", a.Status, a.Header, a.Body)
	}
	token := a.Text("token.access_token")
	var got, me map[string]any
	if json.Unmarshal(a.Body, &got) != nil || json.Unmarshal(h.Me(t, token).Body, &me) != nil {
		t.Fatalf("got %s", a.Body)
	}
	delete(got, "token")
	if diff := cmp.Diff(me, got); diff != "" || me["email_verified"] != true || me["locale"] != "de-AT" ||
		me["email"] != "Ada@Example.com" || me["created_at"] != me["updated_at"] {
		t.Errorf("the user is %v\n%s", me, diff)
	}
	if amr := claims(t, token).Amr; len(amr) != 2 || amr[0] != "pwd" || amr[1] != "otp" {
		t.Errorf("amr is %v", amr)
	}
	var events []string
	for _, e := range eventsOf(t, h, token, "").Events {
		events = append(events, string(e.Type)+" "+string(e.Actor))
	}
	if want := []string{"email.verified user", "user.registered user"}; !slices.Equal(events, want) {
		t.Errorf("got %v, want %v", events, want)
	}
	wantRefreshed(t, refresh(t, h, a.Text("token.refresh_token")))
	wantStatus(t, "a login after", logInWith(t, h, impltest.Password), 200)
	wantInvalidCode(t, "the code again", completeRegistration(t, h, request, mail.Code.Reveal()))
	if n := countRows(t, h, "registrations"); n != 0 || len(h.Mails(t, "Ada@Example.com")) != 0 {
		t.Errorf("%d registrations stay, or a mail is still sent", n)
	}

	// A path without its last slash.
	request = registerLater(t, h, "eve")
	body := `{"request":"` + request + `","code":"` + h.CodeMail(t, "eve@example.com").Code.Reveal() + `"}`
	a = h.Do(t, h.Request("POST", strings.TrimSuffix(impltest.CompletePath, "/"), body, "Content-Type", mediaJSON))
	if a.Status != 201 || a.Header.Get("Location") != "me/" {
		t.Errorf("got %d %v", a.Status, a.Header)
	}
}

// An open registration keeps the locale, too.
func TestLocaleOfARegistration(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	body := map[string]any{"email": ada, "username": "ada", "password": impltest.Password, "locale": "de"}
	a := h.PostJSON(t, impltest.RegisterPath, body)
	if me := h.Me(t, a.Text("token.access_token")); a.Text("locale") != "de" || me.Text("locale") != "de" {
		t.Errorf("got %d %s, %s", a.Status, a.Body, me.Body)
	}
	body["locale"] = "German"
	a = h.PostJSON(t, impltest.RegisterPath, body)
	if diff := cmp.Diff([][2]string{{"/locale", "invalid_format"}}, violations(a)); a.Status != 422 || diff != "" {
		t.Errorf("got %d %s", a.Status, diff)
	}
}

// The link alone registers nobody, and spoils nothing.
func TestALinkAloneRegistersNobody(t *testing.T) {
	t.Parallel()
	h, _ := verifiedRegistration(t, impltest.Options{})
	request := registerLater(t, h, "ada")
	mail := h.CodeMail(t, ada)
	own := registerLater(t, h, "scanner")
	for range 2 * challenge.Tries {
		for _, code := range []string{mail.Link.Reveal(), mail.Code.Reveal()} {
			if a := completeRegistration(t, h, own, code); a.Status < 400 {
				t.Fatalf("a link alone: got %d %s", a.Status, a.Body)
			}
			a := h.PostJSON(t, impltest.CompletePath, map[string]any{"code": code})
			wantStatus(t, "no request", a, 422)
		}
	}
	if n := countRows(t, h, "users"); n != 0 {
		t.Errorf("%d users", n)
	}
	wantStatus(t, "beside the request", completeRegistration(t, h, request, mail.Link.Reveal()), 201)
}

// Each violation of the contract is reported at once, also for an email with an account.
func TestVerifiedRegistrationIsJudgedInFull(t *testing.T) {
	t.Parallel()
	h, open := verifiedRegistration(t, impltest.Options{})
	open.MustRegister(t, "ada")
	for _, email := range []string{ada, "nobody@example.com"} {
		for name, row := range map[string]struct{ username, password, pointer, code string }{
			"username": {"a b", impltest.Password, "/username", "invalid_format"},
			"short":    {"grace", "short", "/password", "too_short"},
			"common":   {"grace", "password123", "/password", "common_password"},
			"email":    {"grace", email, "/password", "common_password"},
		} {
			a := h.Register(t, email, row.username, row.password)
			if diff := cmp.Diff([][2]string{{row.pointer, row.code}}, violations(a)); a.Status != 422 || diff != "" {
				t.Errorf("%s, %s: got %d %s", email, name, a.Status, a.Body)
			}
		}
		for _, username := range []string{"ada", "ADA"} {
			a := h.Register(t, email, username, impltest.Password)
			if a.Status != 409 || a.Text("code") != "username_taken" {
				t.Errorf("%s: got %d %s", email, a.Status, a.Body)
			}
		}
	}
	if n := countRows(t, h, "challenges"); n != 0 {
		t.Errorf("%d challenges", n)
	}
	a := postAs(t, h, "", impltest.CompletePath, `{"code":"1"}`)
	if diff := cmp.Diff([][2]string{{"/code", "too_short"}, {"/request", "required"}}, violations(a)); diff != "" {
		t.Errorf("got %d %s", a.Status, diff)
	}
}

// M-2: the sixth try is refused, and so is the right code after it.
func TestM2_FiveTriesOfARegistration(t *testing.T) {
	t.Parallel()
	h, _ := verifiedRegistration(t, impltest.Options{})
	request := registerLater(t, h, "ada")
	mail := h.CodeMail(t, ada)
	for range challenge.Tries {
		wantInvalidCode(t, "a wrong code", completeRegistration(t, h, request, wrong(mail)))
	}
	for _, code := range []string{wrong(mail), mail.Code.Reveal(), mail.Link.Reveal()} {
		a := completeRegistration(t, h, request, code)
		if a.Status != 429 || !strings.HasPrefix(a.Header.Get("RateLimit"), `"request";r=0;`) {
			t.Errorf("got %d %s", a.Status, a.Body)
		}
	}
	request = registerLater(t, h, "ada")
	wantStatus(t, "another registration", completeRegistration(t, h, request, h.CodeMail(t, ada).Code.Reveal()), 201)
}

// M-1: of several parallel completions of one registration, exactly one succeeds.
func TestM1_ParallelCompletion(t *testing.T) {
	t.Parallel()
	h, _ := verifiedRegistration(t, impltest.Options{Patient: true})
	const rounds, clients = 200, 4
	for round := range rounds {
		name := fmt.Sprintf("user%d", round)
		body := fmt.Sprintf(`{"request":%q,"code":%q}`, registerLater(t, h, name), h.CodeMail(t, name+"@example.com").Code.Reveal())
		var (
			wg                 sync.WaitGroup
			succeeded, refused atomic.Int64
		)
		for range clients {
			wg.Go(func() {
				a, err := h.Try(t, h.Request("POST", impltest.CompletePath, body, "Content-Type", mediaJSON))
				switch {
				case err != nil:
					t.Error(err)
				case a.Status == 201:
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
	if n := countRows(t, h, "users"); n != rounds {
		t.Errorf("%d users, want %d", n, rounds)
	}
}

// An email or a username that is taken before the code comes stays with the account that has it.
func TestRegistrationTakenMeanwhile(t *testing.T) {
	t.Parallel()
	h, open := verifiedRegistration(t, impltest.Options{})
	for want, other := range map[string][2]string{
		"email_taken":    {"ada@example.com", "grace"},
		"username_taken": {"hedy@example.com", "ADA"},
	} {
		request := registerLater(t, h, "ada")
		code := h.CodeMail(t, ada).Code.Reveal()
		wantStatus(t, want, open.Register(t, other[0], other[1], newPassword), 201)
		for range 2 {
			a := completeRegistration(t, h, request, code)
			if a.Status != 409 || a.Text("code") != want {
				t.Errorf("%s: got %d %s", want, a.Status, a.Body)
			}
		}
		if _, err := h.Pool.Exec(t.Context(), "DELETE FROM users"); err != nil {
			t.Fatal(err)
		}
	}
}

// A newer registration of an email replaces the older one, and a code ends after its time.
func TestM4_RegistrationsEnd(t *testing.T) {
	t.Parallel()
	h, _ := verifiedRegistration(t, impltest.Options{})
	older := h.Register(t, ada, "older", impltest.Password).Text("request")
	mail := h.CodeMail(t, ada)
	newer := h.Register(t, "ADA@example.com", "newer", newPassword).Text("request")
	wantInvalidCode(t, "the older", completeRegistration(t, h, older, mail.Code.Reveal()))
	wantInvalidCode(t, "the older code for the newer request", completeRegistration(t, h, newer, mail.Code.Reveal()))
	if n := len(h.Mails(t, ada)); n != 0 {
		t.Errorf("%d mails of the older are sent", n)
	}
	a := completeRegistration(t, h, newer, h.CodeMail(t, "ADA@example.com").Code.Reveal())
	if a.Status != 201 || a.Text("username") != "newer" {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	wantStatus(t, "the newer password", logInWith(t, h, newPassword), 200)

	request := registerLater(t, h, "eve")
	code := h.CodeMail(t, "eve@example.com").Code.Reveal()
	h.Clock.Advance(challenge.CodeTTL)
	wantInvalidCode(t, "expired", completeRegistration(t, h, request, code))
	h.Clock.Advance(time.Millisecond)
	if n, err := h.Auth.SweepChallenges(t.Context()); n != 1 || err != nil || countRows(t, h, "registrations") != 0 {
		t.Errorf("swept %d, %v, and %d registrations stay", n, err, countRows(t, h, "registrations"))
	}
}

// A code of a registration doesn't count for anything else, and no other code for a registration.
func TestRegistrationCodesArePurposeBound(t *testing.T) {
	t.Parallel()
	h, open := verifiedRegistration(t, impltest.Options{})
	request := registerLater(t, h, "ada")
	registration := h.CodeMail(t, ada)
	open.MustRegister(t, "eve")
	login := askCode(t, h, impltest.RequestLoginCodePath, "eve@example.com")
	mail := h.CodeMail(t, "eve@example.com")
	wantInvalidCode(t, "registration for login", continueLogin(t, h, request, registration.Code.Reveal()))
	wantInvalidCode(t, "login for registration", completeRegistration(t, h, login, mail.Code.Reveal()))
	wantInvalidCode(t, "login's link for registration", completeRegistration(t, h, request, mail.Link.Reveal()))
	wantStatus(t, "login", continueLogin(t, h, login, mail.Code.Reveal()), 200)
	wantStatus(t, "registration", completeRegistration(t, h, request, registration.Code.Reveal()), 201)
}

// With closed registration nobody registers, and operators can still make users. A pending
// registration outlives a change of the setting, but only a server with verified registration
// completes it.
func TestModesOfRegistration(t *testing.T) {
	t.Parallel()
	h, open := verifiedRegistration(t, impltest.Options{})
	closed := open.With(t, impltest.Options{Registration: auth.RegistrationClosed})
	request := registerLater(t, h, "ada")
	code := h.CodeMail(t, ada).Code.Reveal()
	a := closed.Register(t, "eve@example.com", "eve", impltest.Password)
	if a.Status != 403 || a.Text("code") != "registration_closed" {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	for name, other := range map[string]*impltest.Harness{"open": open, "closed": closed} {
		wantInvalidCode(t, name, completeRegistration(t, other, request, code))
	}
	if n := countRows(t, h, "users"); n != 0 {
		t.Errorf("%d users", n)
	}
	user, err := closed.Auth.CreateUser(t.Context(), auth.Registration{
		Email: "eve@example.com", Username: "eve", Password: secret.New(impltest.Password),
	}, false)
	if err != nil || user.EmailVerified {
		t.Errorf("an operator: %+v, %v", user, err)
	}
	wantStatus(t, "that user", closed.Login(t, "username", "eve@example.com", "password", impltest.Password), 200)
	restarted := open.With(t, impltest.Options{Registration: auth.RegistrationVerified})
	wantStatus(t, "verified again", completeRegistration(t, restarted, request, code), 201)
}

// An address that an account has left, and can still get back, counts as taken: its mail has no
// code.
func TestVerifiedRegistrationOfAHeldAddress(t *testing.T) {
	t.Parallel()
	h, open := verifiedRegistration(t, impltest.Options{})
	token := open.MustRegister(t, "eve")
	wantStatus(t, "the change", confirmEmailChange(t, open, token, askEmailChange(t, open, token, "eve@example.org")), 204)
	open.Mails(t, "eve@example.com") // the undo
	wantStatus(t, "the registration", h.Register(t, "eve@example.com", "newcomer", impltest.Password), 202)
	mails := h.Mails(t, "eve@example.com")
	if len(mails) == 0 {
		t.Fatal("no mail is sent")
	}
	if _, ok := mails[len(mails)-1].(auth.Notice); !ok {
		t.Errorf("got %T, want the mail of a taken address", mails[len(mails)-1])
	}
}
