package impl_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/session"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// refresh sends a refresh token; more fields come in pairs.
func refresh(t *testing.T, h *impltest.Harness, token string, fields ...string) impltest.Answer {
	t.Helper()
	return h.Login(t, append([]string{"grant_type", "refresh_token", "refresh_token", token}, fields...)...)
}

// login opens a session, and returns its tokens.
func login(t *testing.T, h *impltest.Harness, username string) (access, refreshToken string) {
	t.Helper()
	a := h.Login(t, "username", username+"@example.com", "password", impltest.Password)
	if a.Status != 200 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	return a.Text("access_token"), a.Text("refresh_token")
}

// wantRefreshed demands new tokens, and returns them.
func wantRefreshed(t *testing.T, a impltest.Answer) (access, refreshToken string) {
	t.Helper()
	if a.Status != 200 || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" {
		t.Fatalf("got %d %v %s", a.Status, a.Header, a.Body)
	}
	return a.Text("access_token"), a.Text("refresh_token")
}

func wantRefreshRefused(t *testing.T, a impltest.Answer, code string) {
	t.Helper()
	if a.Status != 400 || a.Text("error") != "invalid_grant" || a.Text("code") != code ||
		a.Header.Get("WWW-Authenticate") != "" ||
		a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s, want 400 %s", a.Status, a.Body, code)
	}
}

// RFC 9700 section 4.14.2. Each exchange returns another token of the same session. A token
// from before the last exchange ends the session.
func TestR1_Rotation(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	first, r1 := login(t, h, "ada")
	second, r2 := wantRefreshed(t, refresh(t, h, r1))
	third, r3 := wantRefreshed(t, refresh(t, h, r2))
	seen := map[string]bool{r1: true, r2: true, r3: true, first: true, second: true, third: true}
	if len(seen) != 6 {
		t.Error("tokens are alike")
	}
	sid := decodePart(t, first, 1)["sid"]
	for _, token := range []string{first, second, third} {
		if a := h.Me(t, token); a.Status != 200 || decodePart(t, token, 1)["sid"] != sid {
			t.Errorf("got %d %s", a.Status, a.Body)
		}
	}
	other, _ := login(t, h, "ada")
	wantRefreshRefused(t, refresh(t, h, r1), "refresh_token_reused")
	for name, token := range map[string]string{"the newest": r3, "its predecessor": r2, "the oldest again": r1} {
		t.Run(name, func(t *testing.T) { wantRefreshRefused(t, refresh(t, h, token), "invalid_refresh_token") })
	}
	for _, token := range []string{first, second, third} {
		wantRefusal(t, h.Me(t, token), badToken)
	}
	if a := h.Me(t, other); a.Status != 200 {
		t.Errorf("another session of the same user: got %d %s", a.Status, a.Body)
	}
	if log := h.Log.String(); !strings.Contains(log, "refresh=reused") || !strings.Contains(log, "refresh=invalid") ||
		!strings.Contains(log, "refresh=ok") {
		t.Error("the log doesn't tell of it")
	}
}

// Whatever is wrong with a refresh token, the response is the same except for the request's id.
func TestL2_BadRefreshTokens(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	stranger := h.MustRegister(t, "eve")
	h.MustRegister(t, "ada")
	access, good := login(t, h, "ada")
	ended, endedRefresh := login(t, h, "ada")
	if a := h.Do(t, h.Request("POST", impltest.LogoutPath, "", "Authorization", "Bearer "+ended)); a.Status != 204 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	withSecret := func(secret string) string {
		o := impltest.Options{Secret: secret}
		other := impltest.New(t, o)
		other.MustRegister(t, "ada")
		_, token := login(t, other, "ada")
		return token
	}
	flipped := []byte(good)
	flipped[len(flipped)/2] ^= 1
	rows := map[string][]string{
		"a word":           {"grant_type", "refresh_token", "refresh_token", "asdf"},
		"the prefix alone": {"grant_type", "refresh_token", "refresh_token", session.RefreshPrefix},
		"without the prefix": {
			"grant_type",
			"refresh_token",
			"refresh_token",
			strings.TrimPrefix(good, session.RefreshPrefix),
		},
		"truncated":        {"grant_type", "refresh_token", "refresh_token", good[:len(good)-1]},
		"padded":           {"grant_type", "refresh_token", "refresh_token", good + "=="},
		"with a space":     {"grant_type", "refresh_token", "refresh_token", " " + good},
		"with a line feed": {"grant_type", "refresh_token", "refresh_token", good[:20] + "\n" + good[20:]},
		"a bit flipped":    {"grant_type", "refresh_token", "refresh_token", string(flipped)},
		"10 kB":            {"grant_type", "refresh_token", "refresh_token", good + strings.Repeat("A", 10<<10)},
		"of another key": {
			"grant_type",
			"refresh_token",
			"refresh_token",
			withSecret("Qm7xT2vLk9ZpR4wBn6YcH1sJf8GdU3eKa5XoVtW0iNrMqPyC"),
		},
		"of another database": {"grant_type", "refresh_token", "refresh_token", withSecret(impltest.SecretKey)},
		"of an ended session": {"grant_type", "refresh_token", "refresh_token", endedRefresh},
		"an access token":     {"grant_type", "refresh_token", "refresh_token", access},
	}
	want := string(refresh(t, h, "nothing").Body)
	for name, fields := range rows {
		a := h.Login(t, fields...)
		wantRefreshRefused(t, a, "invalid_refresh_token")
		if got := string(a.Body); got != want {
			t.Errorf("%s: got %s", name, got)
		}
	}
	// Together with the access token of another user.
	r := h.LoginRequest("grant_type", "refresh_token", "refresh_token", good)
	r.Header.Set("Authorization", "Bearer "+stranger)
	wantRefreshRefused(t, h.Do(t, r), "invalid_refresh_token")
	// None of these has ended the session. With its own access token it continues.
	r = h.LoginRequest("grant_type", "refresh_token", "refresh_token", good)
	r.Header.Set("Authorization", "Bearer "+access)
	wantRefreshed(t, h.Do(t, r))
}

// A token with any bit flipped is refused, and so is any other spelling of the token.
func TestEveryBitOfARefreshTokenCounts(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	_, good := login(t, h, "ada")
	for i := range len(good) {
		for bit := range 8 {
			spoilt := []byte(good)
			spoilt[i] ^= 1 << bit
			if _, err := h.Auth.Refresh(t.Context(), auth.Caller{}, secret.New(string(spoilt)), ""); err == nil {
				t.Fatalf("byte %d, bit %d was taken", i, bit)
			}
		}
	}
	wantRefreshed(t, refresh(t, h, good))
}

// a session ends if nobody refreshes it, and at its absolute limit however often it is
// refreshed.
func TestR7_IdleAndAbsoluteLimits(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	_, idle := login(t, h, "ada")
	h.Clock.Advance(30*day - time.Second)
	_, idle = wantRefreshed(t, refresh(t, h, idle))
	h.Clock.Advance(30 * day)
	wantRefreshRefused(t, refresh(t, h, idle), "invalid_refresh_token")

	a := h.Login(t, "username", "ada@example.com", "password", impltest.Password)
	token, began := a.Text("refresh_token"), h.Clock.Now()
	if got := a.JSON("refresh_expires_in"); got != (30 * day).Seconds() {
		t.Errorf("refresh_expires_in is %v", got)
	}
	for range 4 {
		h.Clock.Advance(20 * day)
		a = refresh(t, h, token)
		_, token = wantRefreshed(t, a)
	}
	if got := a.JSON("refresh_expires_in"); got != (10 * day).Seconds() {
		t.Errorf("10 days before the end refresh_expires_in is %v s", got)
	}
	h.Clock.Advance(10*day - time.Second)
	access, token := wantRefreshed(t, refresh(t, h, token))
	if a := h.Me(t, access); a.Status != 200 {
		t.Errorf("in the last second: got %d", a.Status)
	}
	h.Clock.Advance(time.Second)
	if h.Clock.Now().Sub(began) != 90*day {
		t.Fatal("the test can't count")
	}
	wantRefreshRefused(t, refresh(t, h, token), "invalid_refresh_token")
	wantRefusal(t, h.Me(t, access), badToken)

	// The sweep deletes them, and no living session.
	alive, _ := login(t, h, "ada")
	if n, err := h.Auth.SweepSessions(t.Context()); err != nil || n != 3 {
		t.Errorf("%d sessions were swept, %v", n, err)
	}
	if a := h.Me(t, alive); a.Status != 200 {
		t.Errorf("got %d", a.Status)
	}
}

// R-3, and the attack of a copied database: without the secret key, the stored data makes no token.
func TestR3_TheDatabaseAloneLogsInNobody(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	access, r1 := login(t, h, "ada")
	_, r2 := wantRefreshed(t, refresh(t, h, r1))
	var dump string
	for _, table := range []string{"users", "sessions", "signing_keys", "rate_limits", "known_addresses"} {
		var text string
		if err := h.Pool.QueryRow(
			t.Context(),
			"SELECT coalesce(string_agg(x::text, ';'), '') FROM "+table+" x",
		).Scan(
			&text,
		); err != nil {
			t.Fatal(err)
		}
		dump += text
	}
	for name, secret := range map[string]string{
		"a refresh token": r1, "its successor": r2, "an access token": access, "the end of a refresh token": r1[len(r1)-30:],
		"the secret key": impltest.SecretKey, "a private key's beginning": "\\x30819302",
	} {
		if strings.Contains(dump, secret) {
			t.Errorf("the database holds %s", name)
		}
	}
	if !strings.Contains(dump, "ada@example.com") {
		t.Error("the dump is none")
	}
}

// L-5: the refreshes of a session are limited, above the needs of any client.
func TestL5_Refreshes(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	_, token := login(t, h, "ada")
	for i := range 300 {
		a := refresh(t, h, token)
		if a.Status != 200 {
			t.Fatalf("refresh %d: got %d %s", i, a.Status, a.Body)
		}
		token = a.Text("refresh_token")
	}
	a := refresh(t, h, token)
	if a.Status != 429 || a.Header.Get("RateLimit") != `"session";r=0;t=1` ||
		a.Header.Get("RateLimit-Policy") != `"session";q=300;w=300` ||
		a.Header.Get("Retry-After") != "1" {
		t.Errorf("got %d %v %s", a.Status, a.Header, a.Body)
	}
	if log := h.Log.String(); !strings.Contains(log, "refresh=limited") {
		t.Errorf("the log doesn't tell of the limit: %s", log[max(0, len(log)-1000):])
	}
	h.Clock.Advance(time.Second)
	wantRefreshed(t, refresh(t, h, token))
	if got := h.Auth.Stats(); got.LimitedBySession != 1 || got.Refreshed != 301 {
		t.Errorf("got %+v", got)
	}
}

// F-16: a refresh that is overtaken by a change of the password returns no token.
func TestF16_ChangesBesideRefreshes(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	other := h.Beside(t)
	for i := range 20 {
		name := fmt.Sprintf("user%d", i)
		h.MustRegister(t, name)
		user, err := h.Auth.FindUser(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		_, token := login(t, h, name)
		var (
			wg     sync.WaitGroup
			access = make(chan string, 8)
		)
		for range 8 {
			wg.Go(func() {
				a, err := other.Try(t, other.LoginRequest("grant_type", "refresh_token", "refresh_token", token))
				if err != nil || a.Status != 200 && a.Status != 400 {
					t.Errorf("got %d %s, %v", a.Status, a.Body, err)
				}
				access <- a.Text("access_token")
			})
		}
		wg.Go(func() {
			if _, err := h.Auth.SetPassword(context.Background(), user, secret.New("another correct horse")); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		close(access)
		for token := range access {
			if token != "" {
				wantRefusal(t, h.Me(t, token), badToken)
			}
		}
		wantRefreshRefused(t, refresh(t, h, token), "invalid_refresh_token")
	}
}
