package impl_test

import (
	"encoding/json"
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

func eventsOf(t *testing.T, h *impltest.Harness, token, query string) api.EventList {
	t.Helper()
	a := as(t, h, token, "GET", impltest.EventsPath+query)
	var list api.EventList
	if err := json.Unmarshal(a.Body, &list); err != nil || a.Status != 200 {
		t.Fatalf("got %d %s, %v", a.Status, a.Body, err)
	}
	return list
}

// A user's list has what the user and operators did to the account, the newest first, and nothing
// of other accounts.
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
		func() error { _, err := h.Auth.Deactivate(t.Context(), auth.Operator{}, operated.ID); return err },
		func() error { _, err := h.Auth.Activate(t.Context(), auth.Operator{}, operated.ID); return err },
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
	// Ids of the same millisecond have no order.
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, query := range []string{"?limit=0", "?limit=101", "?cursor=x", "?cursor=" + strings.Repeat("0", 36)} {
		if a := as(t, h, token, "GET", impltest.EventsPath+query); a.Status != 422 {
			t.Errorf("%s got %d %s", query, a.Status, a.Body)
		}
	}
}

// An event outlives its user, and is deleted after its retention.
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
