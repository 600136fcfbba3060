package impl_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// F-16: every other session ends with the old password. The session that changes it stays.
func TestChangePassword(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	other := h.MustRegister(t, "ada")
	access, refreshToken := login(t, h, "ada")
	const chosen = "violet anchor prints slowly"
	if a := changePassword(t, h, access, "wrong", chosen); a.Status != 403 || a.Text("code") != "wrong_password" {
		t.Errorf("a wrong password got %d %s", a.Status, a.Body)
	}
	if a := changePassword(t, h, access, impltest.Password, "ada@example.com"); a.Status != 422 ||
		violations(a)[0] != [2]string{"/new_password", "common_password"} {
		t.Errorf("a weak password got %d %s", a.Status, a.Body)
	}
	if a := h.Me(t, other); a.Status != 200 {
		t.Fatalf("a refused change ended a session: %d %s", a.Status, a.Body)
	}
	if a := changePassword(t, h, access, impltest.Password, chosen); a.Status != 204 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	wantRefusal(t, h.Me(t, other), badToken)
	if a := h.Me(t, access); a.Status != 200 {
		t.Errorf("the session that changed it got %d %s", a.Status, a.Body)
	}
	if a := refresh(t, h, refreshToken); a.Status != 200 {
		t.Errorf("its refresh token got %d %s", a.Status, a.Body)
	}
	if a := h.Login(t, "username", "ada@example.com", "password", impltest.Password); a.Status != 401 {
		t.Errorf("the old password got %d", a.Status)
	}
	if a := h.Login(t, "username", "ada@example.com", "password", chosen); a.Status != 200 {
		t.Errorf("the new password got %d", a.Status)
	}
	// The session that went on ends with all others.
	if a := as(t, h, access, "DELETE", impltest.SessionsPath); a.Status != 204 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	wantRefusal(t, h.Me(t, access), badToken)
}

// L-5: a stolen token can't be used to guess the password.
func TestL5_PresentPasswordIsLimited(t *testing.T) {
	t.Parallel()
	h := limited(t)
	token := h.MustRegister(t, "ada")
	guesses := 0
	for ; guesses < 101; guesses++ {
		if a := reauthenticate(t, h, token, fmt.Sprint("guess ", guesses)); a.Status == 429 {
			break
		}
	}
	if a := changePassword(t, h, token, impltest.Password, "violet anchor prints slowly"); guesses != 10 || a.Status != 429 {
		t.Errorf("%d guesses, and then %d %s", guesses, a.Status, a.Body)
	}
	if stats := h.Auth.Stats(); stats.LimitedByAccount+stats.LimitedByOwn != 2 {
		t.Errorf("the metrics count %+v, want two that are limited", stats)
	}
}

// claims returns the claims of an access token.
func claims(t *testing.T, token string) (c api.AccessTokenClaims) {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// M-5, RFC 9470: a stolen access token alone deletes no account.
func TestM5_StaleSessions(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	access, refreshToken := login(t, h, "ada")
	authTime := claims(t, access).AuthTime
	h.Clock.Advance(301 * time.Second)
	// A refresh proves nothing.
	refreshed := refresh(t, h, refreshToken).Text("access_token")
	if got := claims(t, refreshed).AuthTime; got != authTime {
		t.Errorf("a refresh moved auth_time from %d to %d", authTime, got)
	}
	for _, token := range []string{access, refreshed} {
		a := as(t, h, token, "DELETE", impltest.MePath)
		wantRefusal(t, a, staleSession)
		factors, _ := a.JSON("factors").([]any)
		if a.JSON("max_age") != 300.0 || len(factors) != 2 || factors[0] != "password" {
			t.Errorf("got %s", a.Body)
		}
	}
	if a := reauthenticate(t, h, access, "wrong"); a.Status != 403 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	wantRefusal(t, as(t, h, access, "DELETE", impltest.MePath), staleSession)

	proved := reauthenticate(t, h, access, impltest.Password)
	fresh := claims(t, proved.Text("access_token"))
	if fresh.AuthTime != h.Clock.Now().Unix() || fresh.Sid != claims(t, access).Sid || fresh.Amr[0] != "pwd" {
		t.Errorf("got %+v", fresh)
	}
	if a := refresh(t, h, proved.Text("refresh_token")); a.Status != 200 {
		t.Errorf("its refresh token got %d %s", a.Status, a.Body)
	}
	// A clock that was set back doesn't make a session fresh.
	if h.Auth.IsFresh(auth.Principal{AuthTime: h.Clock.Now().Add(10 * time.Minute)}, time.Minute) {
		t.Error("a proof from the future counts")
	}
	h.Clock.Advance(300 * time.Second)
	if a := as(t, h, access, "DELETE", impltest.MePath); a.Status != 204 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	wantRefusal(t, h.Me(t, access), userGone)
	h.MustRegister(t, "ada") // both are free again
}

// A proof doesn't open a session that has ended meanwhile.
func TestProofOfAnEndedSession(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	token := h.Login(t, "username", "ada@example.com", "password", impltest.Password).Text("access_token")
	session := claims(t, token)
	user, err := h.Auth.FindUser(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if a := as(t, h, token, "POST", impltest.LogoutPath); a.Status != 204 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	ended := auth.Principal{User: user, SessionID: session.Sid}
	if _, err := h.Auth.Reauthenticate(t.Context(), auth.Caller{}, ended, secret.New(impltest.Password)); err == nil {
		t.Error("an ended session proved who its user is")
	}
	if err := h.Auth.ChangePassword(
		t.Context(), auth.Caller{}, ended, secret.New(impltest.Password), secret.New("violet anchor prints slowly"),
	); err == nil {
		t.Error("an ended session changed the password")
	}
}

// A guess with a stolen token is recorded as a guess at the login is.
func TestFailedProofsAreRecorded(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	wantStatus(t, "a wrong password", reauthenticate(t, h, token, "wrong"), 403)
	h.Auth.Wait()
	if newest := eventsOf(t, h, token, "?limit=1").Events[0]; newest.Type != "login.failed" {
		t.Errorf("the newest event is %s", newest.Type)
	}
}

// F-27: a deletion that fails leaves the session of the request, so that the user can try again.
func TestF27_DeletionThatFails(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	other := h.MustRegister(t, "ada")
	token, _ := login(t, h, "ada")
	const fail = "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'fault'; END$$;" +
		"CREATE TRIGGER fail BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION fail()"
	if _, err := h.Pool.Exec(t.Context(), fail); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, "a deletion that fails", as(t, h, token, "DELETE", impltest.MePath), 500)
	wantStatus(t, "the session that asked", h.Me(t, token), 200)
	if _, err := h.Pool.Exec(t.Context(), "DROP TRIGGER fail ON users"); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, "the deletion", as(t, h, token, "DELETE", impltest.MePath), 204)
	wantRefusal(t, h.Me(t, other), userGone)
	var left int
	if err := h.Pool.QueryRow(t.Context(), "SELECT count(*) FROM sessions").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d sessions are left, %v", left, err)
	}
}
