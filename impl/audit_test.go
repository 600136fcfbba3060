package impl_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// audit returns a page of the list of events. It fails unless the header Link leads to the next
// page and has only parameters of the operation.
func audit(t *testing.T, h *impltest.Harness, token, query string) api.ManagedEventPage {
	t.Helper()
	a := as(t, h, token, http.MethodGet, impltest.AllEventsPath+"?undeclared=secret&"+strings.TrimPrefix(query, "?"))
	var page api.ManagedEventPage
	if err := json.Unmarshal(a.Body, &page); err != nil || a.Status != http.StatusOK {
		t.Fatalf("%s: got %d %s, %v", query, a.Status, a.Body, err)
	}
	link := a.Header.Get("Link")
	if page.Next == nil {
		if link != "" {
			t.Errorf("%s: the last page has the Link %s", query, link)
		}
		return page
	}
	values, err := url.ParseQuery(strings.TrimPrefix(query, "?"))
	if err != nil {
		t.Fatal(err)
	}
	values.Set("cursor", *page.Next)
	if want := "<?" + values.Encode() + `>; rel="next"`; link != want {
		t.Errorf("%s: Link is %s, want %s", query, link, want)
	}
	return page
}

// auditAll returns the types of all events of a filter, by pages of two.
func auditAll(t *testing.T, h *impltest.Harness, token, filter string) (types []string) {
	t.Helper()
	for query := "?limit=2" + filter; ; {
		page := audit(t, h, token, query)
		for _, e := range page.Events {
			types = append(types, string(e.Type))
		}
		if page.Next == nil {
			return types
		}
		query = "?limit=2" + filter + "&cursor=" + *page.Next
	}
}

// An operator finds events by user, type and time, also of a user who was deleted.
func TestListEvents(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	ada := h.MustRegister(t, "ada")
	id := claims(t, ada).UID.String()
	h.MustLogin(t, "ada")
	time1 := h.Clock.Now()
	h.Clock.Advance(time.Second)
	h.MustLogin(t, "ada")
	h.MustRegister(t, "grace")
	h.MustLogin(t, "grace")
	h.Clock.Advance(time.Second)
	wantStatus(t, "delete", as(t, h, ada, http.MethodDelete, impltest.MePath), 204)
	token := h.MustOperator(t, "root", "support", "events:read")

	at := func(add time.Duration) string { return time1.Add(add).UTC().Format(time.RFC3339Nano) }
	for filter, want := range map[string][]string{
		"": {
			"user.logged_in", "user.registered", "user.deleted", "user.logged_in", "user.registered", "user.logged_in",
			"user.logged_in", "user.registered",
		},
		"&user_id=" + id:                                {"user.deleted", "user.logged_in", "user.logged_in", "user.registered"},
		"&type=user.registered":                         {"user.registered", "user.registered", "user.registered"},
		"&type=user.logged_in&user_id=" + id:            {"user.logged_in", "user.logged_in"},
		"&type=email.changed":                           nil,
		"&user_id=01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90": nil,
		"&until=" + at(time.Millisecond):                {"user.logged_in", "user.registered"},
		"&until=" + at(0):                               nil,
		"&since=" + at(time.Second) + "&until=" + at(time.Second+time.Microsecond): {
			"user.logged_in", "user.registered", "user.logged_in",
		},
		"&since=" + at(0) + "&type=user.logged_in&user_id=" + id:                   {"user.logged_in", "user.logged_in"},
		"&since=" + at(time.Millisecond) + "&user_id=" + id:                        {"user.deleted", "user.logged_in"},
		"&since=1969-01-01T00:00:00Z&type=user.deleted&until=9999-12-31T23:59:59Z": {"user.deleted"},
		"&until=1969-01-01T00:00:00Z":                                              nil,
	} {
		if diff := cmp.Diff(want, auditAll(t, h, token, filter)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", filter, diff)
		}
	}
}

// A cursor belongs to its filter, and keeps its place when events are added.
func TestEventCursor(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "root", "support", "events:read")
	for range 4 {
		h.MustLogin(t, "root")
	}
	const filter = "?limit=2&type=user.logged_in&since=2020-01-01T00:00:00Z"
	first := audit(t, h, token, filter)
	h.MustLogin(t, "root")
	second := audit(t, h, token, filter+"&cursor="+*first.Next)
	third := audit(t, h, token, filter+"&cursor="+*second.Next)
	seen := map[uuid.UUID]bool{}
	for _, e := range slices.Concat(first.Events, second.Events, third.Events) {
		seen[e.ID] = true
	}
	if len(seen) != 5 || third.Next != nil {
		t.Errorf("%d events, next %v", len(seen), third.Next)
	}
	// The same moment, written in another way, is the same filter.
	a := as(t, h, token, http.MethodGet,
		impltest.AllEventsPath+"?type=user.logged_in&since=2020-01-01T01:00:00.000%2B01:00&cursor="+*first.Next)
	wantStatus(t, "the same moment", a, 200)

	users := as(t, h, h.MustOperator(t, "sue", "support", "users:read"), http.MethodGet, impltest.RegisterPath+"?limit=1")
	for name, query := range map[string]string{
		"another type":  "?type=user.registered&cursor=" + *first.Next,
		"no filter":     "?cursor=" + *first.Next,
		"another user":  "?type=user.logged_in&user_id=01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90&cursor=" + *first.Next,
		"another time":  "?type=user.logged_in&since=2020-01-01T00:00:01Z&cursor=" + *first.Next,
		"another list":  "?cursor=" + users.Text("next"),
		"cut off":       filter + "&cursor=" + (*first.Next)[:len(*first.Next)-1],
		"one letter":    filter + "&cursor=" + otherLetter(*first.Next, 20),
		"an id":         filter + "&cursor=" + first.Events[0].ID.String(),
		"an event type": "?type=user.logged_out",
		"no time":       "?since=yesterday",
		"year -1":       "?limit=1&since=0000-01-01T00:00:00%2B14:00",
		"year 10000":    "?limit=1&until=9999-12-31T23:59:59-14:00",
		"no user":       "?user_id=root",
		"limit":         "?limit=101",
	} {
		a := as(t, h, token, http.MethodGet, impltest.AllEventsPath+query)
		if a.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: got %d %s", name, a.Status, a.Body)
		}
	}
}

// otherLetter returns a text with another letter at a place.
func otherLetter(text string, at int) string {
	letter := "A"
	if text[at] == 'A' {
		letter = "B"
	}
	return text[:at] + letter + text[at+1:]
}

// The event of an operator's change has the operator's request. The user sees nothing of the
// operator.
func TestOperatorsEvents(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "root", auth.RoleSuperuser, impltest.AllScopes)
	root := claims(t, token)
	id := invite(t, h, token, `{"email":"grace@example.com"}`).Text("id")
	link := h.CodeMail(t, grace).Link.Reveal()
	wantStatus(t, "reset", as(t, h, token, http.MethodPost, pathOf(id, "password-reset/")), 204)
	wantStatus(t, "end", as(t, h, token, http.MethodDelete, pathOf(id, "sessions/")), 204)
	wantStatus(t, "password", confirmReset(t, h, "", link, newPassword), 204)
	if err := h.Auth.EndUserSessions(t.Context(), auth.Operator{}, uuid.MustParse(id)); err != nil {
		t.Fatal(err)
	}
	page := audit(t, h, token, "?user_id="+id)
	var got []string
	for _, e := range page.Events {
		got = append(got, string(e.Type)+" "+string(e.Actor))
		hasRequest := e.ActorID != nil && e.SessionID != nil && e.Address != nil && e.UserAgent != nil
		if hasRequest != (e.Actor == "operator" && e.ID != page.Events[0].ID) {
			t.Errorf("%s: %+v", e.Type, e)
		}
		if hasRequest && (*e.ActorID != root.UID || *e.SessionID != root.Sid || *e.Address != "127.0.0.1") {
			t.Errorf("%s: actor %s, session %s, address %s", e.Type, e.ActorID, e.SessionID, *e.Address)
		}
		if e.UserID.String() != id {
			t.Errorf("%s is of %s", e.Type, e.UserID)
		}
	}
	if diff := cmp.Diff([]string{
		"sessions.ended operator", "password.reset unknown", "email.verified unknown", "sessions.ended operator",
		"password.reset_sent operator", "user.invited operator",
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	own := h.Login(t, "username", grace, "password", newPassword).Text("access_token")
	body := as(t, h, own, http.MethodGet, impltest.EventsPath).Body
	for _, secret := range []string{root.UID.String(), root.Sid.String(), "actor_id"} {
		if strings.Contains(string(body), secret) {
			t.Errorf("the user sees %s: %s", secret, body)
		}
	}
	for _, e := range eventsOf(t, h, own, "").Events {
		if e.Actor == "operator" && (e.Address != nil || e.UserAgent != nil || e.SessionID != nil) {
			t.Errorf("the user sees %+v", e)
		}
	}
}

// An operator sees where a user is logged in, and ends it. The user can log in again.
func TestUserSessions(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "sue", "support", "users:read sessions:end")
	id := claims(t, h.MustRegister(t, "ada")).UID.String()
	session := h.MustLogin(t, "ada")
	path := pathOf(id, "sessions/")
	list := func() int {
		t.Helper()
		a := as(t, h, token, http.MethodGet, path)
		var body api.SessionList
		if err := json.Unmarshal(a.Body, &body); err != nil || a.Status != 200 {
			t.Fatalf("got %d %s", a.Status, a.Body)
		}
		for _, s := range body.Sessions {
			if s.IsCurrent {
				t.Errorf("a session of another user is the current one: %+v", s)
			}
		}
		return len(body.Sessions)
	}
	if got := list(); got != 2 {
		t.Errorf("%d sessions", got)
	}
	wantStatus(t, "end", as(t, h, token, http.MethodDelete, path), 204)
	if got := list(); got != 0 {
		t.Errorf("%d sessions are left", got)
	}
	wantStatus(t, "its token", h.Me(t, session.Text("access_token")), 401)
	wantStatus(t, "its refresh", refresh(t, h, session.Text("refresh_token")), 400)
	wantStatus(t, "a login", h.MustLogin(t, "ada"), 200)
	wantStatus(t, "the operator", as(t, h, token, http.MethodGet, path), 200)
	own := pathOf(claims(t, token).UID.String(), "sessions/")
	if a := as(t, h, token, http.MethodGet, own); strings.Count(string(a.Body), `"is_current":true`) != 1 {
		t.Errorf("the operator's own: %s", a.Body)
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		for _, who := range []string{uuid.NewString(), "ada", id[:35]} {
			if a := as(t, h, token, method, pathOf(who, "sessions/")); a.Text("code") != "account_not_found" {
				t.Errorf("%s %s: got %d %s", method, who, a.Status, a.Body)
			}
		}
	}
}

// The commands know all types that the contract has.
func TestEventTypes(t *testing.T) {
	t.Parallel()
	var contract struct {
		Components struct {
			Schemas struct{ EventType struct{ Enum []event.Type } }
		}
	}
	if err := json.Unmarshal(api.ContractJSON, &contract); err != nil {
		t.Fatal(err)
	}
	want, got := contract.Components.Schemas.EventType.Enum, slices.Clone(event.Types)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-contract +event.Types):\n%s", diff)
	}
}
