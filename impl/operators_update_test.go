package impl_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// userPath returns the path of a user of [impltest.Harness.MustRegister].
func userPath(t *testing.T, h *impltest.Harness, username string) string {
	t.Helper()
	user, err := h.Auth.FindUser(t.Context(), username)
	if err != nil {
		t.Fatal(err)
	}
	return impltest.UsersPath + user.ID.String() + "/"
}

// patchUser changes a user. An empty If-Match isn't sent.
func patchUser(t *testing.T, h *impltest.Harness, token, path, ifMatch, body string) impltest.Answer {
	t.Helper()
	headers := []string{"Content-Type", mediaMergePatch, "Authorization", "Bearer " + token}
	if ifMatch != "" {
		headers = append(headers, "If-Match", ifMatch)
	}
	return h.Do(t, h.Request(http.MethodPatch, path, body, headers...))
}

// eventsAbout returns the type and the actor of each event about a user, the oldest first.
func eventsAbout(t *testing.T, h *impltest.Harness, path string) (all []string) {
	t.Helper()
	id := strings.Split(path, "/")[3]
	rows, err := h.Pool.Query(t.Context(), "SELECT type || ' ' || actor FROM events WHERE user_id = $1 ORDER BY id", id)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	return all
}

// Each member of a patch changes only its own value, and writes its event.
func TestUpdateUser(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "zoe", "superuser", impltest.AllScopes)
	h.MustRegister(t, "ada")
	path := userPath(t, h, "ada")
	before := as(t, h, token, "GET", path)
	tag := before.Header.Get("ETag")
	want := map[string]any{}
	if err := json.Unmarshal(before.Body, &want); err != nil {
		t.Fatal(err)
	}
	events := []string{"user.registered user"}
	for _, row := range []struct {
		body   string
		want   map[string]any
		events []string
	}{
		{`{"username":"countess"}`, map[string]any{"username": "countess"}, []string{"user.updated"}},
		{`{"display_name":"Ada","locale":"en-GB"}`, map[string]any{"display_name": "Ada", "locale": "en-GB"}, []string{"user.updated"}},
		{`{"display_name":null,"locale":null}`, map[string]any{"display_name": nil, "locale": nil}, []string{"user.updated"}},
		{`{"external_id":"4711"}`, map[string]any{"external_id": "4711"}, []string{"user.updated"}},
		{`{"app_metadata":{"plan":"pro","seats":3}}`, map[string]any{"app_metadata": map[string]any{"plan": "pro", "seats": 3.0}}, []string{"user.updated"}},
		{`{"app_metadata":{"seats":null}}`, map[string]any{"app_metadata": map[string]any{"plan": "pro"}}, []string{"user.updated"}},
		{`{"user_metadata":{"theme":"dark"}}`, map[string]any{"user_metadata": map[string]any{"theme": "dark"}}, []string{"user.updated"}},
		{`{"user_metadata":null,"external_id":null}`, map[string]any{"user_metadata": map[string]any{}, "external_id": nil}, []string{"user.updated"}},
		{`{"roles":["support"]}`, map[string]any{"roles": []any{"support"}}, []string{"user.roles_changed"}},
		{`{"roles":["support","superuser"]}`, map[string]any{"roles": []any{"superuser", "support"}, "is_superuser": true}, []string{"user.roles_changed"}},
		{`{"roles":["superuser","support"]}`, nil, nil},
		{`{"roles":["superuser"]}`, map[string]any{"roles": []any{"superuser"}}, []string{"user.roles_changed"}},
		{`{"is_active":false,"roles":[]}`, map[string]any{"is_active": false, "roles": []any{}, "is_superuser": false}, []string{"user.roles_changed", "user.deactivated"}},
		{`{"is_active":false}`, nil, nil},
		{`{"is_active":true,"locale":"de"}`, map[string]any{"is_active": true, "locale": "de"}, []string{"user.updated", "user.activated"}},
		{`{}`, nil, nil},
	} {
		h.Clock.Advance(time.Second)
		a := patchUser(t, h, token, path, tag, row.body)
		if a.Status != 200 {
			t.Fatalf("%s: got %d %s", row.body, a.Status, a.Body)
		}
		if next := a.Header.Get("ETag"); (next == tag) != (row.want == nil) {
			t.Errorf("%s: the ETag was %s and is %s", row.body, tag, next)
		}
		tag = a.Header.Get("ETag")
		if row.want != nil {
			want["updated_at"] = h.Clock.Now().UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
		}
		for name, value := range row.want {
			if want[name] = value; value == nil {
				delete(want, name)
			}
		}
		var got map[string]any
		if err := json.Unmarshal(as(t, h, token, "GET", path).Body, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.body, diff)
		}
		for _, what := range row.events {
			events = append(events, what+" operator")
		}
		if diff := cmp.Diff(events, eventsAbout(t, h, path)); diff != "" {
			t.Errorf("%s: events (-want +got):\n%s", row.body, diff)
		}
	}
}

// A change is refused if If-Match is missing (RFC 6585 section 3) or names another state of the
// user. Nothing is written then.
func TestUpdateUserRefusals(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "zoe", "superuser", impltest.AllScopes)
	h.MustRegister(t, "ada")
	h.MustRegister(t, "grace")
	path := userPath(t, h, "ada")
	if a := patchUser(t, h, token, userPath(t, h, "grace"), "*", `{"external_id":"4711"}`); a.Status != 200 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	before := as(t, h, token, "GET", path)
	tag := before.Header.Get("ETag")
	long := strings.Repeat("x", 8200)
	for name, row := range map[string]struct {
		path, ifMatch, body string
		status              int
		code                string
	}{
		"no If-Match":          {path, "", `{"locale":"de"}`, 428, "precondition_required"},
		"another state":        {path, `"1"`, `{"locale":"de"}`, 412, "precondition_failed"},
		"a weak tag":           {path, "W/" + tag, `{"locale":"de"}`, 412, "precondition_failed"},
		"no user":              {impltest.UsersPath + "01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90/", "*", `{"locale":"de"}`, 404, "account_not_found"},
		"a username of others": {path, tag, `{"username":"GRACE","is_active":false}`, 409, "username_taken"},
		"an external id":       {path, tag, `{"external_id":"4711","roles":["support"]}`, 409, "external_id_taken"},
		"an unknown role":      {path, tag, `{"roles":["admin"]}`, 422, "invalid_request"},
		"long metadata":        {path, tag, `{"app_metadata":{"a":"` + long + `"},"is_active":false}`, 422, "invalid_request"},
		"NUL":                  {path, tag, `{"app_metadata":{"a":"\u0000"}}`, 422, "invalid_request"},
		"a password":           {path, tag, `{"password":"correct horse"}`, 422, "invalid_request"},
		"an email":             {path, tag, `{"email":"ada@example.org"}`, 422, "invalid_request"},
		"is_superuser":         {path, tag, `{"is_superuser":true}`, 422, "invalid_request"},
		"no roles":             {path, tag, `{"roles":null}`, 422, "invalid_request"},
		"a blank external id":  {path, tag, `{"external_id":"4 7"}`, 422, "invalid_request"},
	} {
		if a := patchUser(t, h, token, row.path, row.ifMatch, row.body); a.Status != row.status || a.Text("code") != row.code {
			t.Errorf("%s: got %d %s, want %d %s", name, a.Status, a.Body, row.status, row.code)
		}
	}
	if after := as(t, h, token, "GET", path); string(after.Body) != string(before.Body) {
		t.Errorf("got %s, want %s", after.Body, before.Body)
	}
	if diff := cmp.Diff([]string{"user.registered user"}, eventsAbout(t, h, path)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	// A list of tags names the present one (RFC 9110 section 13.1.1).
	if a := patchUser(t, h, token, path, `"1", `+tag, `{"locale":"de"}`); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

// A locked user's tokens are refused from the next request on, also after the user is unlocked.
// Until then the user can't log in, and a mailed code doesn't help.
func TestLockUser(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	operator := h.MustOperator(t, "zoe", "superuser", impltest.AllScopes)
	h.MustRegister(t, "ada")
	h.Clock.Advance(time.Second)
	tokens := h.MustLogin(t, "ada")
	request := askCode(t, h, impltest.RequestLoginCodePath, "ada@example.com")
	code := h.CodeMail(t, "ada@example.com").Code.Reveal()
	path := userPath(t, h, "ada")
	if a := patchUser(t, h, operator, path, "*", `{"is_active":false}`); a.Status != 200 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	wantRefusal(t, h.Me(t, tokens.Text("access_token")), userInactive)
	for name, a := range map[string]impltest.Answer{
		"login":   h.Login(t, "username", "ada@example.com", "password", impltest.Password),
		"refresh": refresh(t, h, tokens.Text("refresh_token")),
		"code":    continueLogin(t, h, request, code),
	} {
		if a.Status < 400 || a.Status >= 500 {
			t.Errorf("%s: got %d %s", name, a.Status, a.Body)
		}
	}
	if a := patchUser(t, h, operator, path, "*", `{"is_active":true}`); a.Status != 200 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	for name, a := range map[string]impltest.Answer{
		"token":   h.Me(t, tokens.Text("access_token")),
		"refresh": refresh(t, h, tokens.Text("refresh_token")),
		"code":    continueLogin(t, h, request, code),
	} {
		if a.Status < 400 || a.Status >= 500 {
			t.Errorf("%s, unlocked: got %d %s", name, a.Status, a.Body)
		}
	}
	h.MustLogin(t, "ada")
}

// The event of an operator's request has its address and user agent. The user never sees them.
func TestOperatorsEvent(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	operator := h.MustOperator(t, "zoe", "superuser", impltest.AllScopes)
	token := h.MustRegister(t, "ada")
	path := userPath(t, h, "ada")
	r := h.Request("PATCH", path, `{"locale":"de"}`, "Content-Type", mediaMergePatch, "If-Match", "*",
		"Authorization", "Bearer "+operator, "User-Agent", "Operator/1.0")
	if a := h.Do(t, r); a.Status != 200 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	if _, err := h.Auth.UpdateManagedUser(t.Context(), auth.Operator{}, claims(t, token).UID, "",
		auth.ManagedUpdate{Grant: "support"}); err != nil {
		t.Fatal(err)
	}
	rows, err := h.Pool.Query(t.Context(), `SELECT type, actor_id, session_id, address, user_agent FROM events
		WHERE user_id = $1 AND actor = 'operator' ORDER BY id`, claims(t, token).UID)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var what string
		var actor, session *uuid.UUID
		var address, agent *string
		if err := rows.Scan(&what, &actor, &session, &address, &agent); err != nil {
			t.Fatal(err)
		}
		if actor == nil {
			got = append(got, fmt.Sprint(what, session == nil, address == nil, agent == nil))
			continue
		}
		got = append(got, fmt.Sprint(what, *actor == claims(t, operator).UID, *session == claims(t, operator).Sid, *address, *agent))
	}
	want := []string{
		fmt.Sprint("user.updated", true, true, "127.0.0.1", "Operator/1.0"), fmt.Sprint("user.roles_changed", true, true, true),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// The user's own change is recorded as well as the operator's, although both are in the same
	// hour.
	if a := patchMe(t, h, token, `{"locale":"en"}`); a.Status != 200 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	if all := eventsAbout(t, h, path); !slices.Contains(all, "user.updated user") {
		t.Errorf("got %q", all)
	}
	if own := as(t, h, token, "GET", impltest.EventsPath); strings.Contains(string(own.Body), "Operator/1.0") {
		t.Errorf("the user sees %s", own.Body)
	}
}

// A deleted user's tokens are refused, and the user's events stay.
func TestDeleteUser(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	operator := h.MustOperator(t, "zoe", "superuser", impltest.AllScopes)
	token := h.MustRegister(t, "ada")
	h.GiveRole(t, "ada", "support")
	path := userPath(t, h, "ada")
	if a := as(t, h, operator, "DELETE", path); a.Status != 204 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	wantRefusal(t, h.Me(t, token), userGone)
	for _, method := range []string{"GET", "DELETE"} {
		if a := as(t, h, operator, method, path); a.Status != 404 || a.Text("code") != "account_not_found" {
			t.Errorf("%s: got %d %s", method, a.Status, a.Body)
		}
	}
	if diff := cmp.Diff([]string{"user.registered user", "user.deleted operator"}, eventsAbout(t, h, path)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	h.MustRegister(t, "ada") // the email and the username are free again
}
