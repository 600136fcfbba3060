package impl_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// askFrom asks for a code from an address.
func askFrom(t *testing.T, h *impltest.Harness, address, path, email string) impltest.Answer {
	t.Helper()
	return h.Do(t, h.Request("POST", path, `{"email":"`+email+`"}`, "Content-Type", mediaJSON, "X-Forwarded-For", address))
}

// An account gets ten codes an hour, from all addresses together. The same holds for an unknown
// email.
func TestL6_TenCodesForAnAccount(t *testing.T) {
	t.Parallel()
	h := limited(t)
	token := registerFrom(t, h, home, "ada").Text("token.access_token")
	for _, path := range []string{impltest.RequestLoginCodePath, impltest.RequestResetPath} {
		var want map[string]any
		for n, email := range []string{ada, "nobody@example.com"} {
			for i := range 10 {
				a := askFrom(t, h, fmt.Sprintf("203.0.%d.%d", 113+n, i), path, email)
				wantStatus(t, fmt.Sprint(path, " ", email, " ", i), a, 202)
			}
			a := askFrom(t, h, fmt.Sprintf("203.0.%d.100", 113+n), path, email)
			if want == nil {
				want = comparable(a)
			}
			diff := cmp.Diff(want, comparable(a))
			if a.Status != 429 || !strings.HasPrefix(a.Header.Get("RateLimit"), `"account"`) || diff != "" {
				t.Errorf("%s %s: got %d %s %s", path, email, a.Status, a.Body, diff)
			}
		}
	}
	for i := range 11 {
		r := h.Request("POST", impltest.RequestVerificationPath, "", "Authorization", "Bearer "+token)
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i))
		want := 202
		if i == 10 {
			want = 429
		}
		wantStatus(t, fmt.Sprint("verification ", i), h.Do(t, r), want)
	}
	h.Clock.Advance(6 * time.Minute)
	wantStatus(t, "six minutes later", askFrom(t, h, home, impltest.RequestResetPath, ada), 202)
	wantStatus(t, "and once more", askFrom(t, h, home, impltest.RequestResetPath, ada), 429)
}

// An address gets ten codes an hour, for all accounts together.
func TestL5_TenCodesForAnAddress(t *testing.T) {
	t.Parallel()
	h := limited(t)
	for i := range 11 {
		a := askFrom(t, h, fmt.Sprintf("2001:db8:1:2::%x", i), impltest.RequestResetPath, fmt.Sprintf("user%d@example.com", i))
		if want := 202; i == 10 {
			if a.Status != 429 || !strings.HasPrefix(a.Header.Get("RateLimit"), `"address"`) {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
		} else {
			wantStatus(t, fmt.Sprint(i), a, want)
		}
	}
	wantStatus(t, "for another purpose", askFrom(t, h, "2001:db8:1:2::1", impltest.RequestLoginCodePath, ada), 202)
	wantStatus(t, "from elsewhere", askFrom(t, h, "2001:db8:1:3::1", impltest.RequestResetPath, ada), 202)
}

// A user who is blocked by strangers' guesses gets in by a reset, which makes the address known.
func TestPasswordResetMakesTheAddressKnown(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, "192.0.2.1", "ada")
	guess(t, h, ada, 20)
	wantStatus(t, "before", loginFrom(t, h, home, ada, impltest.Password), 429)
	request := askFrom(t, h, home, impltest.RequestResetPath, ada).Text("request")
	body := `{"request":"` + request + `","code":"` + h.CodeMail(t, ada).Code.Reveal() + `","new_password":"` + newPassword + `"}`
	a := h.Do(t, h.Request("POST", impltest.ConfirmResetPath, body, "Content-Type", mediaJSON, "X-Forwarded-For", home))
	wantStatus(t, "reset", a, 204)
	h.Clock.Advance(5 * time.Second) // so long a refusal is remembered
	wantStatus(t, "after", loginFrom(t, h, home, ada, newPassword), 200)
	wantStatus(t, "from the address of before", loginFrom(t, h, "192.0.2.1", ada, newPassword), 429)
}

// A reset that is refused because too many passwords wait doesn't cost a try.
func TestPasswordResetOverloaded(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Patient: true})
	h.MustRegister(t, "ada")
	request := askCode(t, h, impltest.RequestResetPath, ada)
	code := h.CodeMail(t, ada).Code.Reveal()
	release := h.OccupyWorkers(t)
	var wg sync.WaitGroup
	for i := range networkLength {
		body := fmt.Sprintf(`{"email":"u%d@example.com","username":"user%d","password":%q}`, i, i, impltest.Password)
		wg.Go(func() {
			a, err := h.Try(t, h.Request("POST", impltest.RegisterPath, body, "Content-Type", mediaJSON))
			if err != nil || a.Status != http.StatusCreated {
				t.Errorf("got %d %s, %v", a.Status, a.Body, err)
			}
		})
	}
	impltest.Eventually(t, func() bool { return h.Auth.Stats().HashesWaiting == networkLength })
	for range 10 {
		if a := confirmReset(t, h, request, code, newPassword); a.Status != 503 || a.Text("code") != "overloaded" {
			t.Errorf("got %d %s", a.Status, a.Body)
		}
	}
	release()
	wg.Wait()
	wantStatus(t, "afterwards", confirmReset(t, h, request, code, newPassword), 204)
}

// An attacker registers another person's address and waits for its owner. The first proof of the
// mailbox ends what the attacker has set.
func TestPreHijacking(t *testing.T) {
	t.Parallel()
	hijacked := func(t *testing.T, h *impltest.Harness) (access, refreshToken string) {
		t.Helper()
		h.MustRegister(t, "ada") // by the attacker, with a password that only the attacker knows
		return login(t, h, "ada")
	}
	wantEnded := func(t *testing.T, h *impltest.Harness, access, refreshToken string) {
		t.Helper()
		wantStatus(t, "the attacker's session", h.Me(t, access), 401)
		wantStatus(t, "the attacker's refresh token", refresh(t, h, refreshToken), 400)
	}
	t.Run("reset", func(t *testing.T) {
		t.Parallel()
		h := impltest.New(t)
		access, refreshToken := hijacked(t, h)
		request := askCode(t, h, impltest.RequestResetPath, ada)
		wantStatus(t, "reset", confirmReset(t, h, request, h.CodeMail(t, ada).Code.Reveal(), newPassword), 204)
		wantEnded(t, h, access, refreshToken)
		wantStatus(t, "the attacker's password", logInWith(t, h, impltest.Password), 401)
		wantStatus(t, "the owner's password", logInWith(t, h, newPassword), 200)
	})
	t.Run("verification", func(t *testing.T) {
		t.Parallel()
		h := impltest.New(t)
		access, refreshToken := hijacked(t, h)
		own, ownRefresh := login(t, h, "ada")
		askVerification(t, h, own)
		wantStatus(t, "verification", confirmVerification(t, h, own, h.CodeMail(t, ada).Code.Reveal()), 204)
		wantEnded(t, h, access, refreshToken)
		wantStatus(t, "the session that has proved the mailbox", h.Me(t, own), 200)
		wantRefreshed(t, refresh(t, h, ownRefresh))
	})
	t.Run("login by code", func(t *testing.T) {
		t.Parallel()
		h := impltest.New(t)
		access, refreshToken := hijacked(t, h)
		var attackers string
		if err := h.Pool.QueryRow(t.Context(), "SELECT hash FROM passwords").Scan(&attackers); err != nil {
			t.Fatal(err)
		}
		own := continueLoginAgain(t, h)
		first := eventsOf(t, h, own, "?limit=2").Events[1]
		if first.Type != "email.verified" || first.Actor != "unknown" {
			t.Errorf("the proof is recorded as %s by %s", first.Type, first.Actor)
		}
		wantEnded(t, h, access, refreshToken)
		wantStatus(t, "the attacker's password", logInWith(t, h, impltest.Password), 401)
		// Release 0.6 reads this column, and can't read a NULL in it.
		var copies int
		const query = "SELECT count(*) FROM users u JOIN passwords p ON p.user_id = u.id AND p.hash = u.password_hash " +
			"WHERE p.hash <> $1"
		if err := h.Pool.QueryRow(t.Context(), query, attackers).Scan(&copies); err != nil || copies != 1 {
			t.Errorf("%d accounts have another password in both places, %v", copies, err)
		}
		// Only the first proof ends anything.
		request := askCode(t, h, impltest.RequestResetPath, ada)
		wantStatus(t, "a password", confirmReset(t, h, request, h.CodeMail(t, ada).Code.Reveal(), newPassword), 204)
		wantStatus(t, "a reset ends all sessions", h.Me(t, own), 401)
		own = continueLoginAgain(t, h)
		continueLoginAgain(t, h)
		wantStatus(t, "the session of before the second code", h.Me(t, own), 200)
		wantStatus(t, "the owner's password", logInWith(t, h, newPassword), 200)
	})
}

// A code that was mailed opens nothing once its account is deactivated, deleted, or has another
// address.
func TestCodesOfChangedAccounts(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"deactivated":     "UPDATE users SET is_active = false",
		"deleted":         "DELETE FROM users",
		"another address": "UPDATE users SET email = 'new@example.com', email_key = 'new@example.com'",
	} {
		h := impltest.New(t)
		h.MustRegister(t, "ada")
		login, reset := askCode(t, h, impltest.RequestLoginCodePath, ada), askCode(t, h, impltest.RequestResetPath, ada)
		codes := map[challenge.Purpose]string{}
		for _, data := range h.Mails(t, ada) {
			mail := data.(auth.CodeMail)
			codes[mail.Purpose] = mail.Code.Reveal()
		}
		if _, err := h.Pool.Exec(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		wantInvalidCode(t, name+", login", continueLogin(t, h, login, codes[challenge.LoginCode]))
		wantInvalidCode(t, name+", reset", confirmReset(t, h, reset, codes[challenge.ResetPassword], newPassword))
	}
}
