package impl_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// refusals are the 401s of a guarded operation, by code.
var refusals = map[string]refusal{
	notAuthenticated.code: notAuthenticated,
	badToken.code:         badToken,
	userGone.code:         userGone,
	userInactive.code:     userInactive,
	staleSession.code:     staleSession,
}

const accessPage = "../docs/access.md"

// Each sender sends each operation. The outcome is what the tables of docs/access.md say.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustOperator(t, "root", "superuser", "") // so that no other superuser is the last one
	cells := senders(t, h)
	ada := h.MustRegister(t, "ada")
	for _, c := range cells {
		t.Run(c.operation.ID+"/"+c.sender.Name, func(t *testing.T) {
			before := account(t, h, ada)
			target := ada
			refused := impltest.Refusal(c.operation, c.sender)
			switch {
			case !c.sender.IsOther:
				target = c.token
			case refused == "":
				target = h.MustRegister(t, c.name+"-target")
			}
			wantAccess(t, c, c.send(t, h, target), refused)
			if after := account(t, h, ada); c.operation.IsGuarded() && after != before {
				t.Errorf("somebody else's request changed the account\nfrom %s\nto   %s", before, after)
			}
		})
	}
}

// Each operation that demands a token refuses a token that isn't one, or that is sent in two ways.
func TestNoOperationTakesABadToken(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	ada := h.MustRegister(t, "ada")
	for _, o := range impltest.Operations() {
		if !o.IsGuarded() {
			continue
		}
		send := func(token, query string) impltest.Answer {
			r := requests(token)[o.ID]
			return h.Do(t, h.Request(r[0], r[1]+query, r[2], r[3:]...))
		}
		wantRefusal(t, send("e30.e30.e30", ""), badToken)
		if a := send(ada, "?access_token="+ada); a.Status != 400 || a.Text("code") != "ambiguous_credentials" {
			t.Errorf("%s, two tokens: got %d %s", o.ID, a.Status, a.Body)
		}
	}
}

// cell is an operation and who sends it.
type cell struct {
	operation   impltest.Operation
	sender      impltest.Sender
	name, token string
}

// send sends the operation. What its path names belongs to the user of another token.
func (c cell) send(t *testing.T, h *impltest.Harness, target string) impltest.Answer {
	t.Helper()
	r := requests(c.token)[c.operation.ID]
	if r == nil {
		t.Fatal("requests has no such operation")
	}
	path := c.operation.Path
	for name, claim := range map[string]string{"{user_id}": "uid", "{session_id}": "sid"} {
		if strings.Contains(path, name) && target != "" {
			path = strings.ReplaceAll(path, name, decodePart(t, target, 1)[claim].(string))
		}
	}
	if target == "" {
		path = r[1]
	}
	request := h.Request(r[0], path, r[2], r[3:]...)
	if c.token == "" {
		request.Header.Del("Authorization")
	}
	return h.Do(t, request)
}

// senders returns a cell for each of the tables. Each has a user of its own, because a request may
// end or change what its user has.
func senders(t *testing.T, h *impltest.Harness) []cell {
	t.Helper()
	var cells []cell
	stale := map[string]string{}
	for _, o := range impltest.Operations() {
		for _, s := range impltest.Senders(o) {
			c := cell{operation: o, sender: s, name: fmt.Sprintf("user-%d", len(cells))}
			if s.State == impltest.Stale {
				stale[c.name] = c.logIn(t, h).Text("refresh_token")
			}
			cells = append(cells, c)
		}
	}
	h.Clock.Advance(3601 * time.Second) // longer than any max-age, and than an access token lives
	for i, c := range cells {
		switch c.sender.State {
		case impltest.NoToken:
			continue
		case impltest.Stale:
			cells[i].token = refresh(t, h, stale[c.name]).Text("access_token")
			continue
		}
		token := c.logIn(t, h).Text("access_token")
		cells[i].token = token
		switch c.sender.State {
		case impltest.Ended:
			wantStatus(t, "a logout", as(t, h, token, "POST", impltest.LogoutPath), 204)
		case impltest.Deactivated:
			deactivate(t, h, c.name)
		case impltest.Deleted:
			wantStatus(t, "a deletion", as(t, h, token, "DELETE", impltest.MePath), 204)
		case impltest.Demoted:
			h.TakeRole(t, c.name, c.sender.Role)
		}
	}
	return cells
}

// logIn registers the user of a cell, and logs it in with every scope that the sender has.
func (c cell) logIn(t *testing.T, h *impltest.Harness) impltest.Answer {
	t.Helper()
	h.MustRegister(t, c.name)
	if c.sender.Role != "" {
		h.GiveRole(t, c.name, c.sender.Role)
	}
	scopes := impltest.AllScopes
	if c.sender.WithoutScope {
		for _, scope := range c.operation.Scopes() {
			scopes = strings.ReplaceAll(scopes, scope, "")
		}
	}
	return h.MustLogin(t, c.name, "scope", scopes)
}

// wantAccess checks that a sender is refused with a code, or is let through where there is none.
func wantAccess(t *testing.T, c cell, a impltest.Answer, code string) {
	t.Helper()
	want, isRefusal := refusals[code]
	switch {
	case code == staleSession.code:
		want.challenge = strings.Replace(want.challenge, "300", fmt.Sprint(a.JSON("max_age")), 1)
		if got := c.operation.Spec.Extensions["x-latchkey-max-age"]; a.JSON("max_age") != got {
			t.Errorf("max_age: got %v, want %v", a.JSON("max_age"), got)
		}
		wantRefusal(t, a, want)
	case isRefusal:
		wantRefusal(t, a, want)
	case code == "insufficient_scope":
		wantInsufficientScope(t, c.sender.Name, a, strings.Join(c.operation.Scopes(), " "))
	case code != "":
		if a.Status != 404 || a.Text("code") != code {
			t.Errorf("got %d %s, want 404 %s", a.Status, a.Body, code)
		}
	case refusals[a.Text("code")] != refusal{} || a.Text("code") == "insufficient_scope" || a.Status >= 500:
		t.Errorf("got %d %s", a.Status, a.Body)
	case len(c.operation.Scopes()) > 0 && a.Status >= 300:
		t.Errorf("got %d %s, want a success", a.Status, a.Body)
	}
}

func TestAccessPage(t *testing.T) {
	t.Parallel()
	if err := impltest.CheckAccessPage(accessPage); err != nil {
		t.Error(err)
	}
}

// The page changes with the contract when an operation loses its scope, or its security as a whole.
func TestAccessPageFollowsTheContract(t *testing.T) {
	t.Parallel()
	contract, err := openapi3.NewLoader().LoadFromData(api.ContractJSON)
	if err != nil {
		t.Fatal(err)
	}
	page := impltest.AccessPage(contract)
	for _, o := range impltest.Operations() {
		if !o.IsGuarded() {
			continue
		}
		op := contract.Paths.Value(o.Path).GetOperation(o.Method)
		declared := op.Security
		for what, security := range map[string]openapi3.SecurityRequirements{
			"no scope": {{"OAuth2Password": {}}}, "no token": {},
		} {
			op.Security = &security
			isScoped := len(o.Scopes()) > 0
			if (impltest.AccessPage(contract) == page) != (what == "no scope" && !isScoped) {
				t.Errorf("%s: the page with %s", o.ID, what)
			}
		}
		op.Security = declared
	}
}

// account returns everything that is stored of a user.
func account(t *testing.T, h *impltest.Harness, token string) (stored string) {
	t.Helper()
	const query = `SELECT json_build_object(
		'user', (SELECT json_agg(u) FROM users u WHERE id = $1),
		'password', (SELECT json_agg(p) FROM passwords p WHERE user_id = $1),
		'roles', (SELECT json_agg(r) FROM user_roles r WHERE user_id = $1),
		'sessions', (SELECT json_agg(s) FROM sessions s WHERE user_id = $1),
		'challenges', (SELECT json_agg(c) FROM challenges c WHERE user_id = $1),
		'events', (SELECT json_agg(e) FROM events e WHERE user_id = $1))::text`
	if err := h.Pool.QueryRow(t.Context(), query, decodePart(t, token, 1)["uid"]).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	return stored
}
