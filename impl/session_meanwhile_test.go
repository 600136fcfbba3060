package impl_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// A change whose session ends after its token was checked gets the same refusal as a token of an
// ended session. The change waits for the user's row, and the session ends meanwhile.
func TestChangesOfASessionThatEndsMeanwhile(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	request := func(method, path, mediaType, body string) func(token string) *http.Request {
		return func(token string) *http.Request {
			r := h.Request(method, path, body, "Authorization", "Bearer "+token)
			if body != "" {
				r.Header.Set("Content-Type", mediaType)
			}
			return r
		}
	}
	changes := map[string]func(token string) *http.Request{
		"update":  request("PATCH", impltest.MePath, mediaMergePatch, `{"display_name":"Eve"}`),
		"delete":  request("DELETE", impltest.MePath, "", ""),
		"end-all": request("DELETE", impltest.SessionsPath, "", ""),
		"reauthenticate": request("POST", impltest.ReauthenticationPath, mediaJSON,
			`{"factor":"password","password":"`+impltest.Password+`"}`),
		"password": request("PUT", impltest.PasswordPath, mediaJSON,
			`{"current_password":"`+impltest.Password+`","new_password":"`+newPassword+`"}`),
		"verify": func(token string) *http.Request {
			email := claims(t, token).Sub
			askVerification(t, h, token)
			body := `{"code":"` + h.CodeMail(t, email).Code.Reveal() + `"}`
			return request("POST", impltest.ConfirmVerificationPath, mediaJSON, body)(token)
		},
		"end-other": func(token string) *http.Request {
			email := claims(t, token).Sub
			other := h.Login(t, "username", email, "password", impltest.Password).Text("access_token")
			return request("DELETE", impltest.SessionsPath+claims(t, other).Sid.String()+"/", "", "")(token)
		},
	}
	n := 0
	for end, statement := range map[string]string{
		"all sessions ended": "UPDATE users SET tokens_not_before = last_login_at + interval '1 second' WHERE id = $1",
		"its own ended":      "DELETE FROM sessions WHERE user_id = $1",
	} {
		for name, change := range changes {
			n++
			token := h.MustRegister(t, fmt.Sprint(name, n))
			user := claims(t, token).UID
			r := change(token)
			const events = "SELECT count(*) FROM events WHERE user_id = $1"
			before := count(t, h, events, user)
			tx, err := h.Pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(context.Background()) }()
			if _, err := tx.Exec(t.Context(), "SELECT FROM users WHERE id = $1 FOR UPDATE", user); err != nil {
				t.Fatal(err)
			}
			var answered sync.WaitGroup
			answered.Go(func() {
				a, err := h.Try(t, r)
				if err != nil || a.Status != 401 || a.Text("code") != "invalid_token" {
					t.Errorf("%s, %s: got %d %s, %v", name, end, a.Status, a.Body, err)
				}
			})
			waitForWaiters(t, h, 1)
			if _, err := tx.Exec(t.Context(), statement, user); err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			answered.Wait()
			const unchanged = "SELECT count(*) FROM users WHERE id = $1 AND display_name IS NULL AND NOT email_verified"
			if after := count(t, h, events, user); after != before || count(t, h, unchanged, user) != 1 {
				t.Errorf("%s, %s: the change was made; %d events, and then %d", name, end, before, after)
			}
		}
	}
}

// A logout waits for a change that has already checked its session, so no change follows the
// logout.
func TestALogoutWaitsForAChange(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	tx, err := h.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), "LOCK TABLE events IN SHARE MODE"); err != nil { // which a change writes last
		t.Fatal(err)
	}
	var answered sync.WaitGroup
	send := func(what string, r *http.Request, want int) {
		answered.Go(func() {
			a, err := h.Try(t, r)
			if err != nil || a.Status != want {
				t.Errorf("%s: got %d %s, %v", what, a.Status, a.Body, err)
			}
		})
	}
	send("the change", h.Request("PATCH", impltest.MePath, `{"display_name":"Ada"}`,
		"Content-Type", mediaMergePatch, "Authorization", "Bearer "+token), 200)
	waitForWaiters(t, h, 1)
	send("the logout", h.Request("POST", impltest.LogoutPath, "", "Authorization", "Bearer "+token), 204)
	waitForWaiters(t, h, 2)
	const waiting = `SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
		WHERE datname = current_database() AND locktype = 'transactionid' AND NOT granted`
	if n := count(t, h, waiting); n != 1 {
		t.Errorf("%d statements wait for the change, want the logout", n)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	answered.Wait()
}

// The session that changed the password keeps the time when it was opened.
func TestASessionKeepsItsBeginning(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	opened := func() string {
		t.Helper()
		sessions, _ := as(t, h, token, "GET", impltest.SessionsPath).JSON("sessions").([]any)
		if len(sessions) != 1 {
			t.Fatalf("%d sessions", len(sessions))
		}
		session, _ := sessions[0].(map[string]any)
		text, _ := session["created_at"].(string)
		return text
	}
	first := opened()
	for i, passwords := range [][2]string{{impltest.Password, newPassword}, {newPassword, impltest.Password}} {
		h.Clock.Advance(time.Minute)
		wantStatus(t, "the change", changePassword(t, h, token, passwords[0], passwords[1]), 204)
		if got := opened(); got != first {
			t.Errorf("after change %d the session began at %s, before at %s", i, got, first)
		}
	}
}
