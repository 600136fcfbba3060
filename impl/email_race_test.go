package impl_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// atOnce sends requests at the same moment, and returns the number of responses with each status
// and code.
func atOnce(t *testing.T, h *impltest.Harness, requests ...*http.Request) map[string]int {
	t.Helper()
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		got = map[string]int{}
	)
	for _, r := range requests {
		wg.Go(func() {
			a, err := h.Try(t, r)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			code := ""
			if a.Status >= 400 {
				code = a.Text("code")
			}
			got[strings.TrimSpace(fmt.Sprint(a.Status, " ", code))]++
		})
	}
	wg.Wait()
	return got
}

func confirmRequest(h *impltest.Harness, token, code string) *http.Request {
	return h.Request("POST", impltest.ConfirmEmailChangePath, `{"code":"`+code+`"}`,
		"Content-Type", mediaJSON, "Authorization", "Bearer "+token)
}

// M-1: of several parallel confirmations with one code, exactly one succeeds.
func TestM1_ParallelEmailChanges(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Patient: true})
	token := h.MustRegister(t, "ada")
	for n := range 200 {
		code := askEmailChange(t, h, token, fmt.Sprintf("ada%d@example.org", n))
		confirm := confirmRequest(h, token, code)
		got := atOnce(t, h, confirm, confirmRequest(h, token, code), confirmRequest(h, token, code), confirmRequest(h, token, code))
		if want := map[string]int{"204": 1, "401 invalid_code": 3}; !maps.Equal(got, want) {
			t.Fatalf("round %d: got %v", n, got)
		}
	}
}

// If two accounts confirm one address at the same moment, exactly one gets it.
func TestOneAddressForTwoAccounts(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Patient: true})
	tokens := []string{h.MustRegister(t, "ada"), h.MustRegister(t, "eve")}
	for n := range 200 {
		email := fmt.Sprintf("wanted%d@example.org", n)
		var confirm []*http.Request
		for _, token := range tokens {
			confirm = append(confirm, confirmRequest(h, token, askEmailChange(t, h, token, email)))
		}
		got := atOnce(t, h, confirm...)
		if want := map[string]int{"204": 1, "409 email_taken": 1}; !maps.Equal(got, want) {
			t.Fatalf("round %d: got %v", n, got)
		}
	}
}

// If somebody registers a former address at the moment of the change, nobody gets it but the
// account that can undo the change.
func TestRegistrationBesideAnEmailChange(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Patient: true})
	token := h.MustRegister(t, "ada")
	former := ada
	for n := range 50 {
		email := fmt.Sprintf("ada%d@example.org", n)
		confirm := confirmRequest(h, token, askEmailChange(t, h, token, email))
		register := h.Request("POST", impltest.RegisterPath,
			fmt.Sprintf(`{"email":%q,"username":"other","password":%q}`, former, impltest.Password), "Content-Type", mediaJSON)
		got := atOnce(t, h, confirm, register)
		if want := map[string]int{"204": 1, "409 email_taken": 1}; !maps.Equal(got, want) {
			t.Fatalf("round %d: got %v", n, got)
		}
		former = email
	}
}

// A registration that waits for the transaction of a change doesn't get the address, as one that
// comes later doesn't.
func TestRegistrationThatWaitsForAnEmailChange(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Patient: true})
	h.MustRegister(t, "ada")
	tx, err := h.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	for _, statement := range []string{
		"INSERT INTO challenges (id, purpose, user_id, email_key, email, expires_at, created_at) " +
			"SELECT gen_random_uuid(), 'undo_email_change', id, email_key, email, $1::timestamptz + interval '72 hours', $1 FROM users",
		"UPDATE users SET email = 'ada@example.org', email_key = 'ada@example.org', updated_at = $1",
	} {
		if _, err := tx.Exec(t.Context(), statement, h.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan impltest.Answer, 1)
	go func() { done <- registerAs(t, h, ada, "other") }()
	impltest.Eventually(t, func() bool {
		var waiting int
		const query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
		return h.Pool.QueryRow(t.Context(), query).Scan(&waiting) == nil && waiting == 1
	})
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := <-done; a.Status != 409 || a.Text("code") != "email_taken" {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

// An undo beside a later change: in the end the account has the address of the undo, and nobody can
// undo the undo.
func TestUndoBesideAnEmailChange(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Patient: true})
	h.MustRegister(t, "ada")
	password := impltest.Password
	for n := range 50 {
		token := logInAs(t, h, ada, password).Text("access_token")
		second, last := fmt.Sprintf("second%d@example.org", n), fmt.Sprintf("third%d@example.org", n)
		changeEmail(t, h, token, second)
		link := undoOf(t, h, ada)
		password = fmt.Sprint(newPassword, n)
		confirm := confirmRequest(h, token, askEmailChange(t, h, token, last))
		reset := h.Request("POST", impltest.ConfirmResetPath,
			fmt.Sprintf(`{"code":%q,"new_password":%q}`, link, password), "Content-Type", mediaJSON)
		got := atOnce(t, h, confirm, reset)
		if got["204"] < 1 || got["204"]+got["401 invalid_code"]+got["401 invalid_token"] != 2 {
			t.Fatalf("round %d: got %v", n, got)
		}
		if email := emailOf(t, h, "ada"); email != ada {
			t.Fatalf("round %d: the email is %s after %v", n, email, got)
		}
		var undos int
		const query = "SELECT count(*) FROM challenges WHERE purpose = 'undo_email_change'"
		if err := h.Pool.QueryRow(t.Context(), query).Scan(&undos); err != nil || undos != 0 {
			t.Fatalf("round %d: %d undos are left after %v, %v", n, undos, got, err)
		}
	}
}

// wanted returns the addresses that ada asks for: a free one, and those of another account, of a
// deactivated account, and of an account that can still undo its change.
func wanted(t *testing.T, h *impltest.Harness) (token string, emails []string) {
	t.Helper()
	for _, name := range []string{"eve", "gone"} {
		h.MustRegister(t, name)
	}
	deactivate(t, h, "gone")
	changeEmail(t, h, h.MustRegister(t, "bob"), "bob@example.org")
	return h.MustRegister(t, "ada"), []string{"free@example.org", "eve@example.com", "gone@example.com", "bob@example.com"}
}

// L-6: requests for another email, and the steps after them, get the same responses for a free
// address as for others. Only the free one gets a code.
func TestL6_EmailChangesAreAnsweredTheSame(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token, emails := wanted(t, h)
	var want []map[string]any
	for _, email := range emails {
		before := len(h.Mailbox.Letters())
		asked := requestEmailChange(t, h, token, email)
		request := asked.Text("request")
		asked.Body = []byte(strings.ReplaceAll(string(asked.Body), request, "REQUEST"))
		got := []map[string]any{comparable(asked)}
		for range 7 {
			got = append(got, comparable(confirmEmailChange(t, h, token, "00000000")))
		}
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", email, diff)
		}
		letters := h.Mailbox.Letters()[before:]
		if len(letters) != 1 || letters[0].To != email {
			t.Fatalf("%s: the letters are %+v", email, letters)
		}
		_, isSent, err := h.Auth.MailData(t.Context(), letters[0])
		if isSent != (email == "free@example.org") || err != nil {
			t.Errorf("%s: a mail is sent: %t, %v", email, isSent, err)
		}
	}
}

// L-6: the statements are the same for a free address and for others.
func TestL6_EmailChangesCostTheSameStatements(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Limits: true})
	token, emails := wanted(t, h)
	var want map[string]int
	for _, email := range emails {
		var asked counting
		counted := h.On(t, tracedPool(t, h, &asked))
		wantStatus(t, email, requestEmailChange(t, counted, token, email), 202)
		wantInvalidCode(t, email, confirmEmailChange(t, counted, token, "00000000"))
		counted.Auth.Wait() // for the event of the wrong code
		got := maps.Clone(asked.names)
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" || got["ChallengeOpenOwn"] != 1 || got["ChallengeTry"] != 1 {
			t.Errorf("%s: %v %s", email, got, diff)
		}
	}
}

// changeFrom requests another email from a network address.
func changeFrom(t *testing.T, h *impltest.Harness, address, token, email string) impltest.Answer {
	t.Helper()
	return h.Do(t, h.Request("POST", impltest.RequestEmailChangePath, `{"email":"`+email+`"}`,
		"Content-Type", mediaJSON, "X-Forwarded-For", address, "Authorization", "Bearer "+token))
}

func wantLimited(t *testing.T, what string, a impltest.Answer, budget string) {
	t.Helper()
	if a.Status != 429 || !strings.HasPrefix(a.Header.Get("RateLimit"), `"`+budget+`"`) {
		t.Errorf("%s: got %d %s %s", what, a.Status, a.Header.Get("RateLimit"), a.Body)
	}
}

// L-5: an account may make ten requests an hour, for all addresses and from all networks together.
// An address may get ten, from all accounts together. A network may send ten.
func TestL5_TenEmailChanges(t *testing.T) {
	t.Parallel()
	h := limited(t)
	token := registerFrom(t, h, home, "ada").Text("token.access_token")
	for i := range 10 {
		a := changeFrom(t, h, fmt.Sprintf("203.0.113.%d", i), token, fmt.Sprintf("ada%d@example.org", i))
		wantStatus(t, fmt.Sprint("account ", i), a, 202)
	}
	wantLimited(t, "account", changeFrom(t, h, "203.0.113.100", token, "ada10@example.org"), "account")

	for i := range 11 {
		other := registerFrom(t, h, fmt.Sprintf("198.51.100.%d", i), fmt.Sprint("user", i)).Text("token.access_token")
		a := changeFrom(t, h, fmt.Sprintf("198.51.100.%d", i), other, "Wanted@example.org")
		if i < 10 {
			wantStatus(t, fmt.Sprint("address ", i), a, 202)
			continue
		}
		wantLimited(t, "new address", a, "account")
		// A request that one budget refuses is not charged to the others.
		for n := range 10 {
			a := changeFrom(t, h, fmt.Sprintf("198.51.100.%d", i), other, fmt.Sprintf("other%d@example.org", n))
			wantStatus(t, fmt.Sprint("another address ", n), a, 202)
		}
		wantLimited(t, "network", changeFrom(t, h, fmt.Sprintf("198.51.100.%d", i), other, "other10@example.org"), "address")
	}
	h.Clock.Advance(6 * time.Minute)
	proved := reauthenticate(t, h, token, impltest.Password).Text("access_token")
	wantStatus(t, "six minutes later", changeFrom(t, h, home, proved, newAda), 202)
	wantLimited(t, "and once more", changeFrom(t, h, home, proved, newAda), "account")
}

// The account knows the network address that confirmed the change, so strangers' guesses at the new
// email don't block its user.
func TestEmailChangeMakesTheAddressKnown(t *testing.T) {
	t.Parallel()
	h := limited(t)
	token := registerFrom(t, h, home, "ada").Text("token.access_token")
	wantStatus(t, "the request", changeFrom(t, h, home, token, newAda), 202)
	confirm := confirmRequest(h, token, h.CodeMail(t, newAda).Code.Reveal())
	confirm.Header.Set("X-Forwarded-For", home)
	wantStatus(t, "the change", h.Do(t, confirm), 204)
	guess(t, h, newAda, 20)
	wantStatus(t, "from home", loginFrom(t, h, home, newAda, impltest.Password), 200)
	wantStatus(t, "from elsewhere", loginFrom(t, h, "192.0.2.1", newAda, impltest.Password), 429)
}
