package impl_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

func as(t *testing.T, h *impltest.Harness, token, method, path string) impltest.Answer {
	t.Helper()
	return h.Do(t, h.Request(method, path, "", "Authorization", "Bearer "+token))
}

func sessionsOf(t *testing.T, h *impltest.Harness, token string) []api.Session {
	t.Helper()
	a := as(t, h, token, "GET", impltest.SessionsPath)
	var list api.SessionList
	if err := json.Unmarshal(a.Body, &list); err != nil || a.Status != 200 {
		t.Fatalf("got %d %s, %v", a.Status, a.Body, err)
	}
	return list.Sessions
}

func TestListSessions(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "eve")
	h.MustRegister(t, "ada")
	began := h.Clock.Now().UTC()
	h.Clock.Advance(time.Hour)
	r := h.LoginRequest("username", "ada@example.com", "password", impltest.Password)
	r.Header.Set("User-Agent", "Agent/1.0 (\xe4\xb8\xad) "+strings.Repeat("x", 400))
	a := h.Do(t, r)
	h.Clock.Advance(time.Hour)
	access, _ := wantRefreshed(t, refresh(t, h, a.Text("refresh_token")))

	list := sessionsOf(t, h, access)
	if len(list) != 2 {
		t.Fatalf("got %+v", list)
	}
	// The newest session is first, and the stranger's isn't listed.
	newest, oldest := list[0], list[1]
	if !newest.IsCurrent || oldest.IsCurrent || newest.ID.String() != decodePart(t, access, 1)["sid"] {
		t.Errorf("got %+v", list)
	}
	if newest.Address != "127.0.0.1" || oldest.UserAgent != "Go-http-client/1.1" || len(newest.UserAgent) != 256 ||
		!strings.HasPrefix(newest.UserAgent, "Agent/1.0 (?) xxx") {
		t.Errorf("got %+v", list)
	}
	if !newest.CreatedAt.Equal(began.Add(time.Hour)) || !newest.LastUsedAt.Equal(began.Add(2*time.Hour)) ||
		!oldest.LastUsedAt.Equal(began) ||
		!newest.ExpiresAt.Equal(began.Add(2*time.Hour+30*24*time.Hour)) {
		t.Errorf("got %+v", list)
	}
	if body := as(
		t,
		h,
		access,
		"GET",
		impltest.SessionsPath,
	).Body; strings.Contains(string(body), "lkr_") ||
		strings.Contains(string(body), "eyJ") {
		t.Errorf("a token is listed: %s", body)
	}
	// Expired sessions aren't listed, whether they were swept or not.
	h.Clock.Advance(30*24*time.Hour - 90*time.Minute)
	last, _ := login(t, h, "ada")
	if list := sessionsOf(t, h, last); len(list) != 2 {
		t.Errorf("got %+v", list)
	}
}

// Each way to end a session: every instance refuses its tokens from the next request on.
func TestB12_EndedSessions(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	beside := h.Beside(t)
	user := func(name string) auth.User {
		t.Helper()
		found, err := h.Auth.FindUser(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	must := func(t *testing.T, a impltest.Answer) {
		t.Helper()
		if a.Status != 204 || len(a.Body) != 0 {
			t.Errorf("got %d %s", a.Status, a.Body)
		}
	}
	for name, row := range map[string]struct {
		end    func(t *testing.T, name, access string)
		others bool // whether the user's other sessions live on
		want   refusal
	}{
		"logout": {func(t *testing.T, _, access string) { must(t, as(t, h, access, "POST", impltest.LogoutPath)) }, true, badToken},
		"end-one": {func(t *testing.T, _, access string) {
			must(t, as(t, h, access, "DELETE", impltest.SessionsPath+decodePart(t, access, 1)["sid"].(string)+"/"))
		}, true, badToken},
		"end-all": {func(t *testing.T, _, access string) { must(t, as(t, h, access, "DELETE", impltest.SessionsPath)) }, false, badToken},
		"password": {func(t *testing.T, name, _ string) {
			if _, err := h.Auth.SetPassword(t.Context(), user(name), secret.New("another correct horse")); err != nil {
				t.Fatal(err)
			}
		}, false, badToken},
		"deactivate": {func(t *testing.T, name, _ string) { deactivate(t, h, name) }, false, userInactive},
		"delete": {func(t *testing.T, name, _ string) {
			if _, err := h.Auth.DeleteUser(t.Context(), auth.Operator{}, user(name).ID); err != nil {
				t.Fatal(err)
			}
		}, false, userGone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h.MustRegister(t, name)
			access, token := login(t, h, name)
			other, otherRefresh := login(t, h, name)
			for _, instance := range []*impltest.Harness{h, beside} {
				if a := instance.Me(t, access); a.Status != 200 {
					t.Fatalf("got %d %s", a.Status, a.Body)
				}
			}
			row.end(t, name, access)
			for _, instance := range []*impltest.Harness{beside, h} {
				wantRefusal(t, instance.Me(t, access), row.want)
				wantRefreshRefused(t, refresh(t, instance, token), "invalid_refresh_token")
				if row.others {
					if a := instance.Me(t, other); a.Status != 200 {
						t.Errorf("another session: got %d %s", a.Status, a.Body)
					}
				} else {
					wantRefusal(t, instance.Me(t, other), row.want)
				}
			}
			if row.others {
				wantRefreshed(t, refresh(t, beside, otherRefresh))
			}
		})
	}
}

// Another user's session gets the same response as one that doesn't exist.
func TestEndSession_OfNobody(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	stranger := h.MustRegister(t, "eve")
	h.MustRegister(t, "ada")
	access, _ := login(t, h, "ada")
	sid := decodePart(t, stranger, 1)["sid"].(string)
	var bodies []string
	for _, id := range []string{sid, uuid.NewString(), strings.ToUpper(sid), "{" + sid + "}", "me", "%25zz", "a%2Fb", "%00", "..%2f", strings.Repeat("a", 64), strings.Repeat("a", 65), "%27%20OR%201=1--"} {
		a := as(t, h, access, "DELETE", impltest.SessionsPath+id+"/")
		if a.Status != 404 || a.Text("code") != "session_not_found" {
			t.Errorf("%s: got %d %s", id, a.Status, a.Body)
		}
		bodies = append(bodies, string(a.Body))
	}
	for _, body := range bodies {
		if body != bodies[0] {
			t.Errorf("got %s and %s", bodies[0], body)
		}
	}
	if a := h.Me(t, stranger); a.Status != 200 {
		t.Errorf("the stranger's session: got %d %s", a.Status, a.Body)
	}
	// Without a token nothing ends.
	for _, path := range []string{impltest.SessionsPath, impltest.SessionsPath + sid + "/"} {
		wantRefusal(t, h.Do(t, h.Request("DELETE", path, "")), notAuthenticated)
	}
	wantRefusal(t, h.Do(t, h.Request("GET", impltest.SessionsPath, "")), notAuthenticated)
	wantRefusal(t, h.Do(t, h.Request("POST", impltest.LogoutPath, "")), notAuthenticated)
}

// B-7: a token of one kind isn't accepted as another kind anywhere.
func TestB7_KindsOfTokens(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	access, token := login(t, h, "ada")
	wantRefusal(t, h.Me(t, token), badToken)
	wantRefusal(t, as(t, h, token, "POST", impltest.LogoutPath), badToken)
	wantRefusal(t, as(t, h, token, "GET", impltest.SessionsPath), badToken)
	wantRefreshRefused(t, refresh(t, h, access), "invalid_refresh_token")
	if a := h.Login(t, "username", "ada@example.com", "password", token); a.Text("code") != "invalid_credentials" {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	wantRefreshed(t, refresh(t, h, token))
}

// Instances take turns at the sweep, and none waits for another.
func TestSweepOneAtATime(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	h.Clock.Advance(30 * 24 * time.Hour)
	tx, err := h.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(
		t.Context(),
		"SELECT pg_advisory_xact_lock(hashtextextended('latchkey session sweep', 0))",
	); err != nil {
		t.Fatal(err)
	}
	if n, err := h.Auth.SweepSessions(t.Context()); n != 0 || err != nil {
		t.Errorf("while another sweeps: got %d, %v", n, err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := h.Auth.SweepSessions(t.Context()); n != 1 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

// The statements of each request.
func TestStatements(t *testing.T) {
	t.Parallel()
	var asked counting
	h := limited(t)
	counted := h.On(t, tracedPool(t, h, &asked))
	h.MustRegister(t, "ada")
	access, token := login(t, h, "ada")
	for _, row := range []struct {
		what string
		do   func() impltest.Answer
		want int
	}{
		{"me", func() impltest.Answer { return counted.Me(t, access) }, 1},
		{"me again", func() impltest.Answer { return counted.Me(t, access) }, 1},
		{"refresh", func() impltest.Answer { return refresh(t, counted, token) }, 1},
		{"a refresh with a forged token", func() impltest.Answer { return refresh(t, counted, token+"A") }, 0},
		{"login", func() impltest.Answer {
			return counted.Login(t, "username", "ada@example.com", "password", impltest.Password)
		}, 14}, // 3 before the hash, 1 for the credentials, 8 in the transaction that opens the session, 2 to settle
		{"the sessions", func() impltest.Answer { return as(t, counted, access, "GET", impltest.SessionsPath) }, 2},
		{"logout", func() impltest.Answer { return as(t, counted, access, "POST", impltest.LogoutPath) }, 5},
		{"keys", func() impltest.Answer { return counted.Do(t, counted.Request("GET", impltest.KeysPath, "")) }, 0},
	} {
		before := asked.all()
		a := row.do()
		if got := asked.all() - before; got != row.want || a.Status >= 500 {
			t.Errorf("%s: %d statements, want %d (%d %s)", row.what, got, row.want, a.Status, a.Body)
		}
	}
}
