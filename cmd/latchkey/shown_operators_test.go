package main

import (
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// This file provokes the errors of the operations of operators.

// absentUser is a user that isn't there.
const absentUser = impltest.UsersPath + "01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90/"

func superuser(s *shownServer) string      { return s.root.access }
func staleSuperuser(s *shownServer) string { return s.staleRoot.access }

// operatorOperation is a good request of one operation, but for its user, who isn't there.
type operatorOperation struct {
	method, path, mediaType, body string
	// ifMatch is the header If-Match, or empty.
	ifMatch string
	// maxAge says that the session must have proved lately who its user is.
	maxAge bool
}

func (o operatorOperation) by(who by) ask {
	return func(s *shownServer) (answer, error) {
		path := strings.ReplaceAll(o.path, "ROOT", s.rootID)
		req, err := http.NewRequest(o.method, s.url+path, strings.NewReader(o.body))
		if err != nil {
			return answer{}, err
		}
		for name, value := range map[string]string{"Content-Type": o.mediaType, "If-Match": o.ifMatch} {
			if value != "" {
				req.Header.Set(name, value)
			}
		}
		if token := who(s); token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		return send(req)
	}
}

// with returns the operation with another path and body, each unless empty.
func (o operatorOperation) with(path, body string) operatorOperation {
	if path != "" {
		o.path = path
	}
	if body != "" {
		o.body = body
	}
	return o
}

var operatorOperations = map[string]operatorOperation{
	"ListUsers":             {method: "GET", path: impltest.UsersPath},
	"GetUser":               {method: "GET", path: absentUser},
	"CreateUser":            {method: "POST", path: impltest.InvitationsPath, mediaType: jsonType, body: `{"email":"new@example.com"}`, maxAge: true},
	"UpdateUser":            {method: "PATCH", path: absentUser, mediaType: patchType, body: `{"locale":"de"}`, ifMatch: "*", maxAge: true},
	"DeleteUser":            {method: "DELETE", path: absentUser, maxAge: true},
	"ListUserSessions":      {method: "GET", path: absentUser + "sessions/"},
	"EndUserSessions":       {method: "DELETE", path: absentUser + "sessions/"},
	"SendUserPasswordReset": {method: "POST", path: absentUser + "password-reset/"},
	"ListEvents":            {method: "GET", path: impltest.AllEventsPath},
}

// prepareOperators makes the superuser root with two sessions, and lets one of them grow old.
func prepareOperators(t *testing.T, s *shownServer) {
	t.Helper()
	for _, args := range [][]string{
		{"user", "create", "--email=root@example.com", "--username=root", "--superuser"},
		{"user", "update", "eve", "--external-id=4711"},
	} {
		cmd := exec.Command("latchkey", args...)
		cmd.Env, cmd.Stdin = s.environ, strings.NewReader(impltest.Password)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v %s", args, err, out)
		}
	}
	form := url.Values{"username": {"root@example.com"}, "password": {impltest.Password}, "scope": {impltest.AllScopes}}.Encode()
	for _, grant := range []*grant{&s.staleRoot, &s.root} {
		a, err := do("POST", s.url+impltest.LoginPath, formType, "", form)
		if err != nil || a.status != http.StatusOK {
			t.Fatalf("%v %v", a, err)
		}
		if *grant = grantOf(a); grant == &s.staleRoot {
			s.execute(t, "", "UPDATE sessions SET authenticated_at = now() - interval '2 hours' "+
				"WHERE user_id = (SELECT id FROM users WHERE username = 'root')")
		}
	}
	s.rootID = idOf(t, s, s.root.access)
}

// addOperatorsInOrder adds the errors of a server that works.
func addOperatorsInOrder(asks map[string]ask) {
	large := strings.Repeat(" ", 65537)
	for name, op := range operatorOperations {
		asks[name+" not_authenticated"] = op.by(nobody)
		asks[name+" invalid_token"] = op.by(forged)
		asks[name+" user_inactive"] = op.by(inactive)
		asks[name+" user_not_found"] = op.by(gone)
		asks[name+" insufficient_scope"] = op.by(ada)
		asks[name+" ambiguous_credentials"] = op.with(op.path+"?access_token=a", "").by(superuser)
		if op.method != "GET" {
			asks[name+" cross_origin"] = asPageElsewhere(op.method, op.path, op.mediaType)
		}
		if op.maxAge {
			asks[name+" reauthentication_required"] = op.by(staleSuperuser)
		}
		if strings.HasPrefix(op.path, absentUser) {
			asks[name+" account_not_found"] = op.by(superuser)
		}
		if op.body != "" {
			otherMedia := op
			otherMedia.mediaType = "text/plain"
			asks[name+" body_too_large"] = op.with("", large).by(superuser)
			asks[name+" unsupported_media_type"] = otherMedia.by(superuser)
			asks[name+" request_timeout"] = stalling(op.method, op.path, op.mediaType, superuser)
		}
	}
	list, create, events := operatorOperations["ListUsers"], operatorOperations["CreateUser"], operatorOperations["ListEvents"]
	asks["ListUsers invalid_request"] = list.with(list.path+"?limit=0&role=admin", "").by(superuser)
	asks["ListEvents invalid_request"] = events.with(events.path+"?cursor=lkc_AAAAAAAAAAAAAAAA", "").by(superuser)
	asks["CreateUser invalid_request"] = create.with("", `{"roles":["admin"]}`).by(superuser)
	asks["CreateUser email_taken"] = create.with("", `{"email":"EVE@example.com"}`).by(superuser)
	asks["CreateUser username_taken"] = create.with("", `{"email":"new@example.com","username":"EVE"}`).by(superuser)
	own := impltest.UsersPath + "ROOT/"
	update := operatorOperations["UpdateUser"].with(own, "")
	asks["UpdateUser invalid_request"] = update.with("", `{"is_superuser":true,"username":"ab"}`).by(superuser)
	asks["UpdateUser username_taken"] = update.with("", `{"username":"EVE"}`).by(superuser)
	asks["UpdateUser external_id_taken"] = update.with("", `{"external_id":"4711"}`).by(superuser)
	asks["UpdateUser last_superuser"] = update.with("", `{"roles":[]}`).by(superuser)
	asks["DeleteUser last_superuser"] = operatorOperations["DeleteUser"].with(own, "").by(superuser)
	asks["DeleteCurrentUser last_superuser"] = accountOperations["DeleteCurrentUser"].by(superuser)
	for code, tag := range map[string]string{"precondition_required": "", "precondition_failed": `"x"`} {
		other := update
		other.ifMatch = tag
		asks["UpdateUser "+code] = other.by(superuser)
	}
	reset := operatorOperations["SendUserPasswordReset"]
	asks["SendUserPasswordReset rate_limited"] = repeated(reset.with(own+"password-reset/", "").by(superuser))
}
