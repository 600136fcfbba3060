package impl_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

const mediaMergePatch = "application/merge-patch+json"

func patchMe(t *testing.T, h *impltest.Harness, token, body string, headers ...string) impltest.Answer {
	t.Helper()
	headers = append(headers, "Content-Type", mediaMergePatch, "Authorization", "Bearer "+token)
	return h.Do(t, h.Request("PATCH", impltest.MePath, body, headers...))
}

func sendJSON(t *testing.T, h *impltest.Harness, token, method, path, body string) impltest.Answer {
	t.Helper()
	return h.Do(t, h.Request(method, path, body, "Content-Type", mediaJSON, "Authorization", "Bearer "+token))
}

func changePassword(t *testing.T, h *impltest.Harness, token, current, chosen string) impltest.Answer {
	t.Helper()
	body := fmt.Sprintf(`{"current_password":%q,"new_password":%q}`, current, chosen)
	return sendJSON(t, h, token, "PUT", impltest.PasswordPath, body)
}

func reauthenticate(t *testing.T, h *impltest.Harness, token, pass string) impltest.Answer {
	t.Helper()
	body := fmt.Sprintf(`{"factor":"password","password":%q}`, pass)
	return sendJSON(t, h, token, "POST", impltest.ReauthenticationPath, body)
}

// RFC 7396, by what a user tells of itself.
func TestMergePatchOfAUser(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	for _, step := range []struct{ patch, name, locale, metadata, username string }{
		{`{}`, "", "", `{}`, "ada"},
		{`{"display_name":"Ada 👩‍💻","locale":"en-GB"}`, "Ada 👩‍💻", "en-GB", `{}`, "ada"},
		{`{"user_metadata":{"a":{"b":1,"c":[1,null]},"d":"x"}}`, "Ada 👩‍💻", "en-GB", `{"a":{"b":1,"c":[1,null]},"d":"x"}`, "ada"},
		{`{"user_metadata":{"a":{"b":null,"e":2},"d":null},"locale":null}`, "Ada 👩‍💻", "", `{"a":{"c":[1,null],"e":2}}`, "ada"},
		{`{"user_metadata":null,"display_name":null,"username":"Countess"}`, "", "", `{}`, "Countess"},
	} {
		a := patchMe(t, h, token, step.patch)
		for _, got := range []impltest.Answer{a, h.Me(t, token)} {
			metadata, _ := json.Marshal(got.JSON("user_metadata"))
			if got.Status != 200 || got.Text("display_name") != step.name || got.Text("locale") != step.locale ||
				string(metadata) != step.metadata || got.Text("username") != step.username {
				t.Errorf("%s: got %d %s", step.patch, got.Status, got.Body)
			}
		}
		if tag := h.Me(t, token).Header.Get("ETag"); tag != a.Header.Get("ETag") {
			t.Errorf("%s: the ETag is %s, and then %s", step.patch, a.Header.Get("ETag"), tag)
		}
	}
	h.MustRegister(t, "grace")
	if a := patchMe(t, h, token, `{"username":"GRACE"}`); a.Status != 409 || a.Text("code") != "username_taken" {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	// A user's own username in another case is not another user's.
	if a := patchMe(t, h, token, `{"username":"countess"}`); a.Status != 200 || a.Text("username") != "countess" {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

// G-5: what a user may not tell of itself, and what can't be kept.
func TestG5_PatchesThatAreRefused(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	before := h.Me(t, token)
	for body, want := range map[string][2]string{
		`{"is_superuser":true}`:       {"/is_superuser", "unknown"},
		`{"email":"eve@example.com"}`: {"/email", "unknown"},
		`{"email_verified":true}`:     {"/email_verified", "unknown"},
		`{"username":null}`:           {"/username", "wrong_type"},
		`{"username":"x"}`:            {"/username", "too_short"},
		`{"display_name":""}`:         {"/display_name", "too_short"},
		`{"display_name":"a\nb"}`:     {"/display_name", "invalid_character"},
		`{"locale":"english please"}`: {"/locale", "invalid_format"},
		`{"user_metadata":[]}`:        {"/user_metadata", "wrong_type"},
		`{"user_metadata":{"a":"` + strings.Repeat("x", 8200) + `"}}`: {"/user_metadata", "too_long"},
		`{"user_metadata":{"a":["\u0000"]}}`:                          {"/user_metadata", "invalid_character"},
		`{"user_metadata":{"\u0000":1}}`:                              {"/user_metadata", "invalid_character"},
		`[]`:                                                          {"", "wrong_type"},
	} {
		a := patchMe(t, h, token, body)
		if got := violations(a); a.Status != 422 || len(got) != 1 || got[0] != want {
			t.Errorf("%.80s: got %d %s", body, a.Status, a.Body)
		}
	}
	// An escaped backslash before u0000 is six harmless characters.
	if a := patchMe(t, h, token, `{"user_metadata":{"a":"\\u0000"}}`); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if a := patchMe(t, h, token, `{"user_metadata":null}`); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	after := h.Me(t, token)
	for _, member := range []string{"email", "email_verified", "username", "is_superuser", "display_name", "user_metadata"} {
		if diff := cmp.Diff(before.JSON(member), after.JSON(member)); diff != "" {
			t.Errorf("%s: %s", member, diff)
		}
	}
}

// RFC 9110 section 13.1.1.
func TestIfMatch(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	first := h.Me(t, token).Header.Get("ETag")
	second := patchMe(t, h, token, `{"locale":"de"}`).Header.Get("ETag")
	if first == second {
		t.Fatalf("a change leaves the ETag %s", first)
	}
	for _, header := range []string{first, "W/" + second, `"x"`} {
		if a := patchMe(t, h, token, `{}`, "If-Match", header); a.Status != 412 {
			t.Errorf("If-Match: %s got %d %s", header, a.Status, a.Body)
		}
	}
	if a := patchMe(t, h, token, `{}`, "If-Match", first+", "+second); a.Status != 200 {
		t.Errorf("a list with the present ETag got %d %s", a.Status, a.Body)
	}
	if a := patchMe(t, h, token, `{}`, "If-Match", "*"); a.Status != 200 {
		t.Errorf("If-Match: * got %d %s", a.Status, a.Body)
	}
}

// F-16: every other session ends with the old password, and the one that asks goes on.
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
}

// claims returns those of an access token.
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
	stale := refusal{
		"The session has to prove again who its user is.", "reauthentication_required",
		`Bearer error="insufficient_user_authentication", max_age="300"`,
	}
	// A refresh proves nothing.
	refreshed := refresh(t, h, refreshToken).Text("access_token")
	if got := claims(t, refreshed).AuthTime; got != authTime {
		t.Errorf("a refresh moved auth_time from %d to %d", authTime, got)
	}
	for _, token := range []string{access, refreshed} {
		a := as(t, h, token, "DELETE", impltest.MePath)
		wantRefusal(t, a, stale)
		factors, _ := a.JSON("factors").([]any)
		if a.JSON("max_age") != 300.0 || len(factors) != 1 || factors[0] != "password" {
			t.Errorf("got %s", a.Body)
		}
	}
	if a := reauthenticate(t, h, access, "wrong"); a.Status != 403 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	wantRefusal(t, as(t, h, access, "DELETE", impltest.MePath), stale)

	proved := reauthenticate(t, h, access, impltest.Password)
	fresh := claims(t, proved.Text("access_token"))
	if fresh.AuthTime != h.Clock.Now().Unix() || fresh.Sid != claims(t, access).Sid || fresh.Amr[0] != "pwd" {
		t.Errorf("got %+v", fresh)
	}
	if a := refresh(t, h, proved.Text("refresh_token")); a.Status != 200 {
		t.Errorf("its refresh token got %d %s", a.Status, a.Body)
	}
	// A clock that was set back makes no session fresh.
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

// A proof opens no session that has ended meanwhile.
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

func eventsOf(t *testing.T, h *impltest.Harness, token, query string) api.EventList {
	t.Helper()
	a := as(t, h, token, "GET", impltest.EventsPath+query)
	var list api.EventList
	if err := json.Unmarshal(a.Body, &list); err != nil || a.Status != 200 {
		t.Fatalf("got %d %s, %v", a.Status, a.Body, err)
	}
	return list
}

// What a user and an operator do to an account is listed, the newest first, and nobody else's.
func TestEvents(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "grace")
	operated, err := h.Auth.CreateUser(t.Context(), auth.Registration{
		Email: "ada@example.com", Username: "ada", Password: secret.New(impltest.Password),
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func() error{
		func() error { _, err := h.Auth.Deactivate(t.Context(), operated.ID); return err },
		func() error { _, err := h.Auth.Activate(t.Context(), operated.ID); return err },
		func() error {
			_, err := h.Auth.SetPassword(t.Context(), operated, secret.New("another horse, another staple"))
			return err
		},
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		h.Login(t, "username", "ada@example.com", "password", "wrong")
		h.Auth.Wait()
	}
	granted := h.Login(t, "username", "ada@example.com", "password", "another horse, another staple")
	token := granted.Text("access_token")
	patchMe(t, h, token, `{"locale":"de"}`)
	changePassword(t, h, token, "another horse, another staple", impltest.Password)
	reauthenticate(t, h, token, impltest.Password)
	stolen := h.Login(t, "username", "ada@example.com", "password", impltest.Password)
	as(t, h, stolen.Text("access_token"), "POST", impltest.LogoutPath)
	stolen = h.Login(t, "username", "ada@example.com", "password", impltest.Password)
	refresh(t, h, stolen.Text("refresh_token"))
	h.Clock.Advance(time.Minute)
	refresh(t, h, stolen.Text("refresh_token"))
	as(t, h, token, "DELETE", impltest.SessionsPath)
	token = h.Login(t, "username", "ada@example.com", "password", impltest.Password).Text("access_token")

	want := []string{
		"user.logged_in user", "sessions.ended user", "session.reuse_detected unknown", "user.logged_in user",
		"session.ended user", "user.logged_in user", "session.reauthenticated user", "password.changed user",
		"user.updated user", "user.logged_in user", "login.failed unknown", "password.changed operator",
		"user.activated operator", "user.deactivated operator", "user.created operator",
	}
	var got []string
	query := "?limit=4"
	for range len(want) {
		page := eventsOf(t, h, token, query)
		for _, e := range page.Events {
			got = append(got, string(e.Type)+" "+string(e.Actor))
			if byOperator := e.Actor == "operator"; byOperator != (e.Address == nil) {
				t.Errorf("%s has the address %v", e.Type, e.Address)
			}
		}
		if page.Next == nil {
			break
		}
		query = "?limit=4&cursor=" + *page.Next
	}
	// Ids of one millisecond have no order among them.
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, query := range []string{"?limit=0", "?limit=101", "?cursor=x", "?cursor=" + strings.Repeat("0", 36)} {
		if a := as(t, h, token, "GET", impltest.EventsPath+query); a.Status != 422 {
			t.Errorf("%s got %d %s", query, a.Status, a.Body)
		}
	}
}

// An event outlives its user, and goes with its retention.
func TestEventsOutliveTheirUser(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	user := claims(t, token).UID
	if a := as(t, h, token, "DELETE", impltest.MePath); a.Status != 204 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	types := func() (all []event.Type) {
		events, _, err := h.Auth.Events(t.Context(), user, [16]byte{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			all = append(all, e.Type)
		}
		return all
	}
	if got := types(); !slices.Equal(got, []event.Type{event.UserDeleted, event.UserRegistered}) {
		t.Errorf("got %v", got)
	}
	if n, err := h.Auth.SweepEvents(t.Context(), time.Hour); n != 0 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	if n, err := h.Auth.SweepEvents(t.Context(), -time.Hour); n != 2 || err != nil || len(types()) != 0 {
		t.Errorf("swept %d, %v, and left %v", n, err, types())
	}
}

// The contract shows what these are answered.
func TestAccountRequestsAgainstTheContract(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	for what, a := range map[string]impltest.Answer{
		"update":         patchMe(t, h, token, `{"is_superuser":true,"username":"x"}`),
		"password":       sendJSON(t, h, token, "PUT", impltest.PasswordPath, `{"new_password":"short"}`),
		"reauthenticate": sendJSON(t, h, token, "POST", impltest.ReauthenticationPath, `{"factor":"code"}`),
		"events":         as(t, h, token, "GET", impltest.EventsPath+"?limit=0"),
	} {
		if a.Status != 422 {
			t.Errorf("%s: got %d %s", what, a.Status, a.Body)
		}
	}
}
