package impl_test

import (
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// refusals are what a guarded operation says to each role but the user, by code.
var refusals = map[string]refusal{
	notAuthenticated.code: notAuthenticated,
	badToken.code:         badToken,
	userGone.code:         userGone,
	userInactive.code:     userInactive,
	staleSession.code:     staleSession,
}

// Each operation that demands a token is sent by each role, and does what the table in
// docs/contract.md says.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	var guarded []impltest.Operation
	for _, o := range impltest.Operations() {
		if o.IsGuarded() {
			guarded = append(guarded, o)
		}
	}
	if len(guarded) == 0 {
		t.Fatal("no operation demands a token")
	}
	tokens := tokensOfRoles(t, h, guarded)
	ada := h.MustRegister(t, "ada")
	for _, o := range guarded {
		t.Run(o.ID, func(t *testing.T) {
			send := func(token, query string) impltest.Answer {
				r := requests(token)[o.ID]
				path := r[1]
				if o.NamesResource() {
					path = impltest.SessionsPath + decodePart(t, ada, 1)["sid"].(string) + "/"
				}
				headers := r[3:]
				if token == "" {
					headers = headers[:len(headers)-2] // no Authorization
				}
				return h.Do(t, h.Request(r[0], path+query, r[2], headers...))
			}
			before := account(t, h, ada)
			for role, token := range tokens[o.ID] {
				wantAccess(t, role, send(token, ""), impltest.Refusal(o, role))
			}
			wantRefusal(t, send("e30.e30.e30", ""), badToken)
			if a := send(ada, "?access_token="+ada); a.Status != 400 || a.Text("code") != "ambiguous_credentials" {
				t.Errorf("two tokens: got %d %s", a.Status, a.Body)
			}
			if after := account(t, h, ada); after != before {
				t.Errorf("somebody else's request changed the account\nfrom %s\nto   %s", before, after)
			}
		})
	}
	// The user's own request, where it names what is the user's.
	for _, o := range guarded {
		own := h.MustRegister(t, "own-"+strings.ToLower(o.ID))
		r := requests(own)[o.ID]
		path := r[1]
		if o.NamesResource() {
			path = impltest.SessionsPath + decodePart(t, own, 1)["sid"].(string) + "/"
		}
		wantAccess(t, impltest.TheUser, h.Do(t, h.Request(r[0], path, r[2], r[3:]...)), "")
	}
}

// tokensOfRoles returns a token of each role but the user's for each operation. What one operation
// ends or changes is not the next one's.
func tokensOfRoles(
	t *testing.T, h *impltest.Harness, guarded []impltest.Operation,
) map[string]map[impltest.Role]string {
	t.Helper()
	all := map[string]map[impltest.Role]string{}
	for _, o := range guarded {
		all[o.ID] = map[impltest.Role]string{
			impltest.Nobody: "", impltest.Stale: h.MustRegister(t, "stale-"+strings.ToLower(o.ID)),
		}
	}
	h.Clock.Advance(301 * time.Second)
	ended, inactive, gone := h.MustRegister(t, "ended"), h.MustRegister(t, "inactive"), h.MustRegister(t, "gone")
	if a := as(t, h, ended, "POST", impltest.LogoutPath); a.Status != 204 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	deactivate(t, h, "inactive")
	if a := as(t, h, gone, "DELETE", impltest.MePath); a.Status != 204 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	for id, tokens := range all {
		tokens[impltest.AnotherUser] = h.MustRegister(t, "other-"+strings.ToLower(id))
		tokens[impltest.Ended], tokens[impltest.Deactivated], tokens[impltest.Deleted] = ended, inactive, gone
	}
	return all
}

// wantAccess checks that a role is refused with a code, or is let through where there is none.
func wantAccess(t *testing.T, role impltest.Role, a impltest.Answer, code string) {
	t.Helper()
	want, isRefusal := refusals[code]
	switch {
	case isRefusal:
		wantRefusal(t, a, want)
	case code != "":
		if a.Status != 404 || a.Text("code") != code {
			t.Errorf("%s: got %d %s, want 404 %s", role, a.Status, a.Body, code)
		}
	case refusals[a.Text("code")] != refusal{} || a.Status >= 500:
		t.Errorf("%s: got %d %s", role, a.Status, a.Body)
	}
}

// account returns everything that is stored of a user.
func account(t *testing.T, h *impltest.Harness, token string) (stored string) {
	t.Helper()
	const query = `SELECT json_build_object(
		'user', (SELECT json_agg(u) FROM users u WHERE id = $1),
		'password', (SELECT json_agg(p) FROM passwords p WHERE user_id = $1),
		'sessions', (SELECT json_agg(s) FROM sessions s WHERE user_id = $1),
		'challenges', (SELECT json_agg(c) FROM challenges c WHERE user_id = $1),
		'events', (SELECT json_agg(e) FROM events e WHERE user_id = $1))::text`
	if err := h.Pool.QueryRow(t.Context(), query, decodePart(t, token, 1)["uid"]).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	return stored
}
