package impl_test

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// L-6, G-8: the responses to a registration, and to the steps after it, are the same byte for byte
// for each email, except for the ids and the request. The owner of an account gets a mail that
// names the attempt and has no code.
func TestL6_RegistrationsAreAnsweredTheSame(t *testing.T) {
	t.Parallel()
	h, open := verifiedRegistration(t, impltest.Options{})
	var want []map[string]any
	for i, email := range knownAndUnknown(t, open) {
		asked := h.Register(t, email, "newcomer", impltest.Password)
		request := asked.Text("request")
		asked.Body = []byte(strings.ReplaceAll(string(asked.Body), request, "REQUEST"))
		got := []map[string]any{comparable(asked)}
		for range challenge.Tries + 2 {
			got = append(got, comparable(completeRegistration(t, h, request, "00000000")))
		}
		if i == 0 {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", email, diff)
		}
		mails := h.Mails(t, email)
		if len(mails) != 1 {
			t.Fatalf("%s: %d mails", email, len(mails))
		}
		switch mail := mails[0].(type) {
		case auth.Notice:
			if email == "nobody@example.com" || mail.Email != email {
				t.Errorf("%s: %+v", email, mail)
			}
		case auth.CodeMail:
			if email != "nobody@example.com" {
				t.Errorf("%s: a code is mailed", email)
			}
		}
	}
	for _, letter := range h.Mailbox.Letters() {
		if letter.Kind != auth.LetterCompleteRegistration {
			t.Errorf("a letter is enqueued as %s", letter.Kind)
		}
	}
}

// L-6: a registration, and the steps after it, run the same statements and leave the same rows for
// each email.
func TestL6_RegistrationsCostTheSameStatements(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Limits: true})
	var want map[string]int
	for _, email := range knownAndUnknown(t, h) {
		var asked counting
		counted := h.With(t, impltest.Options{Limits: true, Registration: auth.RegistrationVerified}).On(t, tracedPool(t, h, &asked))
		before := countRows(t, h, "registrations")
		for range 2 { // the second replaces the first
			request := counted.Register(t, email, "newcomer", impltest.Password).Text("request")
			wantInvalidCode(t, email, completeRegistration(t, counted, request, "00000000"))
		}
		if n := countRows(t, h, "registrations") - before; n != 1 {
			t.Errorf("%s: %d rows", email, n)
		}
		got := maps.Clone(asked.names)
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" || got["ChallengeOpen"] != 2 || got["RegistrationPut"] != 2 {
			t.Errorf("%s: %v %s", email, got, diff)
		}
	}
}

// L-6: each registration costs a hash, whatever its email is. While no worker is free, none of them
// gets a response.
func TestL6_EveryRegistrationCostsAHash(t *testing.T) {
	t.Parallel()
	h, open := verifiedRegistration(t, impltest.Options{Patient: true})
	emails := knownAndUnknown(t, open)
	release := h.OccupyWorkers(t)
	answers := make(chan impltest.Answer, len(emails))
	for i, email := range emails {
		body := fmt.Sprintf(`{"email":%q,"username":"newcomer","password":%q}`, email, impltest.Password)
		go func() {
			a, err := h.Try(t, h.Request("POST", impltest.RegisterPath, body, "Content-Type", mediaJSON))
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
		waitFor(t, func() bool { return h.Auth.Stats().HashesWaiting > i || len(answers) > 0 })
		if len(answers) > 0 {
			t.Fatalf("%s: got %d before a password was hashed", email, (<-answers).Status)
		}
	}
	release()
	for range emails {
		wantStatus(t, "afterwards", <-answers, 202)
	}
}

// L-5: an email and an address get ten registrations an hour, as they get ten codes. An email with
// an account has the same limit. A taken username counts, so that usernames can't be tried without
// a limit.
func TestL5_TenRegistrations(t *testing.T) {
	t.Parallel()
	open := limited(t)
	h := open.With(t, impltest.Options{
		Limits: true, Registration: auth.RegistrationVerified, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	registerFrom(t, open, home, "ada")
	from := func(address, email, username string) impltest.Answer {
		t.Helper()
		body := fmt.Sprintf(`{"email":%q,"username":%q,"password":%q}`, email, username, impltest.Password)
		return h.Do(t, h.Request("POST", impltest.RegisterPath, body, "Content-Type", mediaJSON, "X-Forwarded-For", address))
	}
	var want map[string]any
	for n, email := range []string{ada, "nobody@example.com"} {
		for i := range 10 {
			wantStatus(t, email, from(fmt.Sprintf("203.0.%d.%d", 113+n, i), email, "newcomer"), 202)
		}
		a := from(fmt.Sprintf("203.0.%d.100", 113+n), email, "newcomer")
		if want == nil {
			want = comparable(a)
		}
		diff := cmp.Diff(want, comparable(a))
		if a.Status != 429 || !strings.HasPrefix(a.Header.Get("RateLimit"), `"account"`) || diff != "" {
			t.Errorf("%s: got %d %s %s", email, a.Status, a.Body, diff)
		}
	}
	for i := range 11 {
		a := from("192.0.2.9", fmt.Sprintf("user%d@example.com", i), "ada")
		if want := 409; i == 10 {
			if a.Status != 429 || !strings.HasPrefix(a.Header.Get("RateLimit"), `"address"`) {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
		} else {
			wantStatus(t, "a taken username", a, want)
		}
	}
}

// A dump, the log and the letters have nothing that completes a registration, and no password.
func TestNoDumpCompletesARegistration(t *testing.T) {
	t.Parallel()
	h, _ := verifiedRegistration(t, impltest.Options{})
	request := registerLater(t, h, "ada")
	mail := h.CodeMail(t, ada)
	dump := dumpOf(t, h)
	wantStatus(t, "completion", completeRegistration(t, h, request, mail.Code.Reveal()), 201)
	dump += dumpOf(t, h)
	if !strings.Contains(dump, `"purpose":"complete_registration"`) || !strings.Contains(dump, `"username_key":"ada"`) {
		t.Error("the dump is not one")
	}
	places := map[string]string{"the database": dump, "the log": h.Log.String(), "the letters": fmt.Sprintf("%+v", h.Mailbox.Letters())}
	for _, canary := range []string{request, mail.Code.Reveal(), mail.Link.Reveal(), impltest.Password} {
		for where, text := range places {
			for _, form := range []string{canary, canary[4:], hex.EncodeToString([]byte(canary))} {
				if len(form) >= 8 && strings.Contains(text, form) {
					t.Errorf("%s has %s", where, canary)
				}
			}
		}
	}
}
