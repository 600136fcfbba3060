package impl

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/contract"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

const formatNewPassword = "new-password"

// rules returns the service's own rules for requests. The contract's package checks them together
// with the schemas, so that everything that is wrong with a request is reported at once.
func (s *Server) rules() contract.Rules {
	return contract.Rules{
		Formats: map[string]func(string) string{
			"idn-email": judgeEmail,
			"date-time": contract.CheckTime,
			// The pattern of an id says all.
			"uuid": func(string) string { return "" },
			// The service judges it, once, together with the email and the username.
			formatNewPassword: func(string) string { return "" },
		},
		Absent: map[string]error{"session_id": auth.ErrNoSession, "user_id": auth.ErrNoAccount},
		Bodies: []contract.BodyRule{
			{Property: "password", Format: formatNewPassword, Check: s.checkPassword("password")},
			{Property: "new_password", Format: formatNewPassword, Check: s.checkPassword("new_password")},
			// Of a reauthentication: no other body has this property with this format beside a
			// factor.
			{Property: "password", Format: "password", Check: checkFactor},
			// Any other grant type is 400 (RFC 6749 section 5.2), and not 422.
			{Property: "grant_type", AnyValue: true, Check: s.checkGrant},
			{Property: "token_delivery", Always: true, Check: s.checkDelivery},
		},
		// [Server.authenticate] does.
		Scopes: true,
		Cookie: securePrefix + cookieName,
	}
}

func judgeEmail(text string) string {
	if _, err := account.CanonicalEmail(text); err != nil {
		return err.Error()
	}
	return ""
}

// checkPassword adds what the policy has against the password in a field, where the schema has
// found something else already and the service never sees the request.
func (s *Server) checkPassword(field string) func(fields map[string]any, found *contract.Violations) {
	return func(fields map[string]any, found *contract.Violations) {
		text := func(name string) string {
			s, _ := fields[name].(string)
			return s
		}
		chosen := text(field)
		var broken *password.PolicyError
		if chosen != "" && errors.As(s.auth.Policy().Check(secret.New(chosen), text("email"), text("username")), &broken) {
			found.Add("/"+field, broken.Code, broken.Detail)
		}
	}
}

// routes are the operations of the contract, as echo's router names their routes.
type routes struct {
	operations map[contract.Route]*contract.Operation
	// allow has the methods of each path without a parameter, as Allow lists them.
	allow map[string]string
}

// pathParameter is a parameter as the contract writes it. The router writes :name.
var pathParameter = regexp.MustCompile(`\{([^}]*)\}`)

// newRoutes returns the operations of a plan as the router names them.
func newRoutes(plan *contract.Plan) routes {
	known := routes{map[contract.Route]*contract.Operation{}, map[string]string{}}
	methods := map[string][]string{}
	for route, op := range plan.Operations {
		route.Path = pathParameter.ReplaceAllString(route.Path, ":$1")
		known.operations[route] = op
		methods[route.Path] = append(methods[route.Path], route.Method)
	}
	for path, methods := range methods {
		if !hasParameter(path) {
			slices.Sort(methods)
			known.allow[path] = strings.Join(methods, ", ")
		}
	}
	return known
}

func hasParameter(route string) bool { return strings.Contains(route, ":") }

// taken returns the methods of a path that isn't a value of the parameter of the route that the
// router has matched: the contract has the path itself, without the request's method. To the
// router, GET /api/users/complete/ asks for a user.
func (n routes) taken(route, path string) (methods string, ok bool) {
	if hasParameter(route) {
		methods, ok = n.allow[path]
	}
	return methods, ok
}

// covers fails if a route of the API has no operation in the contract: it would be served without a
// token.
func (n routes) covers(served []*echo.Route) error {
	for _, r := range served {
		if n.operations[contract.Route{Method: r.Method, Path: r.Path}] == nil {
			return fmt.Errorf("the contract has no operation for %s %s", r.Method, r.Path)
		}
	}
	return nil
}
