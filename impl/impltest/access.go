package impltest

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Sender is who sends a request, and with what token.
type Sender struct {
	// Name is the heading of the column of the table.
	Name string
	// Role is the role that the user has when the token is issued, or empty.
	Role string
	// WithoutScope has the login ask for every scope but those of the operation.
	WithoutScope bool
	// IsOther reports that the path names what belongs to somebody else, where it names anything.
	IsOther bool
	State   State
}

// State is what has become of a sender's token.
type State int

// The states.
const (
	Fresh       State = iota // of a session that has just begun
	NoToken                  // there is none
	Stale                    // its session proved itself more than any max-age ago
	Ended                    // its session has ended
	Deactivated              // its user was deactivated
	Deleted                  // its user was deleted
	Demoted                  // its user has lost the role
)

// Senders returns who the table has for an operation: one for each role of the contract, with the
// scope and without it, where the operation demands one.
func Senders(o Operation) []Sender {
	if !o.IsGuarded() {
		return []Sender{{Name: "nobody", State: NoToken}}
	}
	if len(o.Scopes()) == 0 {
		own := []Sender{
			{Name: "nobody", State: NoToken}, {Name: "the user"}, {Name: "an older session", State: Stale},
			{Name: "another user", IsOther: true},
		}
		for _, role := range o.roles() {
			own = append(own, Sender{Name: role, Role: role, IsOther: true})
		}
		return append(own,
			Sender{Name: "an ended session", State: Ended}, Sender{Name: "a deactivated user", State: Deactivated},
			Sender{Name: "a deleted user", State: Deleted})
	}
	all := []Sender{{Name: "nobody", State: NoToken}, {Name: "a user", IsOther: true}}
	for _, role := range o.roles() {
		all = append(all,
			Sender{Name: role, Role: role, IsOther: true},
			Sender{Name: role + " without the scope", Role: role, IsOther: true, WithoutScope: true})
	}
	for _, s := range []Sender{
		{Name: "a former superuser", State: Demoted}, {Name: "a superuser's older session", State: Stale},
		{Name: "an ended session", State: Ended}, {Name: "a deactivated superuser", State: Deactivated},
		{Name: "a deleted superuser", State: Deleted},
	} {
		s.Role, s.IsOther = "superuser", true
		all = append(all, s)
	}
	return all
}

// Refusal returns the code that refuses an operation to a sender, by the contract: its `security`,
// its `x-latchkey-max-age`, the parameters of its path, and `x-latchkey-roles`. It is empty where
// the operation is allowed.
func Refusal(o Operation, s Sender) string {
	if !o.IsGuarded() {
		return ""
	}
	switch s.State {
	case NoToken:
		return "not_authenticated"
	case Ended:
		return "invalid_token"
	case Deactivated:
		return "user_inactive"
	case Deleted:
		return "user_not_found"
	}
	switch scopes := o.Scopes(); {
	case len(scopes) > 0 && (s.WithoutScope || s.State == Demoted || !o.holds(s.Role, scopes)):
		return "insufficient_scope"
	case s.State == Stale && o.Spec.Extensions["x-latchkey-max-age"] != nil:
		return "reauthentication_required"
	case len(scopes) == 0 && s.IsOther && o.NamesResource():
		return codesOf(o.Spec.Responses.Status(http.StatusNotFound).Value)[0] // as if it didn't exist
	}
	return ""
}

// Operation is an operation of the contract.
type Operation struct {
	ID, Method, Path string
	Spec             *openapi3.Operation
	contract         *openapi3.T
}

// IsGuarded reports whether the operation demands a token.
func (o Operation) IsGuarded() bool { return AsksForToken(o.Spec) }

// NamesResource reports whether the path names something that could be another user's.
func (o Operation) NamesResource() bool { return strings.Contains(o.Path, "{") }

// Scopes returns the scopes that the operation demands.
func (o Operation) Scopes() []string {
	if o.Spec.Security == nil {
		return nil
	}
	var all []string
	for _, alternative := range *o.Spec.Security {
		for _, scopes := range alternative {
			all = append(all, scopes...)
		}
	}
	return all
}

// roles returns the roles of the contract, the one with the most scopes first.
func (o Operation) roles() []string {
	roles, _ := o.contract.Extensions["x-latchkey-roles"].(map[string]any)
	return slices.SortedFunc(maps.Keys(roles), func(a, b string) int {
		return len(roles[b].([]any)) - len(roles[a].([]any))
	})
}

func (o Operation) holds(role string, scopes []string) bool {
	roles, _ := o.contract.Extensions["x-latchkey-roles"].(map[string]any)
	held, _ := roles[role].([]any)
	return !slices.ContainsFunc(scopes, func(scope string) bool { return !slices.Contains(held, any(scope)) })
}
