package impltest

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Role is who sends a request for a user's account.
type Role string

// The roles.
const (
	Nobody      Role = "nobody"           // without a token
	TheUser     Role = "the user"         // with a session that has just begun
	Stale       Role = "an older session" // of the user, which proved itself more than any max-age ago
	AnotherUser Role = "another user"     // who names what belongs to the first, where the path can
	Ended       Role = "an ended session"
	Deactivated Role = "a deactivated user"
	Deleted     Role = "a deleted user"
)

// Roles returns all roles, in the order of the table.
func Roles() []Role {
	return []Role{Nobody, TheUser, Stale, AnotherUser, Ended, Deactivated, Deleted}
}

// Refusal returns the code that refuses an operation to a role, by the contract's `security`, its
// `x-latchkey-max-age` and the parameters of its path. It is empty where the operation is allowed.
func Refusal(o Operation, role Role) string {
	if !o.IsGuarded() {
		return ""
	}
	switch role {
	case Nobody:
		return "not_authenticated"
	case Stale:
		if o.Spec.Extensions["x-latchkey-max-age"] != nil {
			return "reauthentication_required"
		}
	case AnotherUser:
		if o.NamesResource() {
			return codesOf(o.Spec.Responses.Status(http.StatusNotFound).Value)[0] // as if it didn't exist
		}
	case Ended:
		return "invalid_token"
	case Deactivated:
		return "user_inactive"
	case Deleted:
		return "user_not_found"
	case TheUser:
	}
	return ""
}

// Operation is an operation of the contract.
type Operation struct {
	ID, Method, Path string
	Spec             *openapi3.Operation
}

// IsGuarded reports whether the operation demands a token.
func (o Operation) IsGuarded() bool { return AsksForToken(o.Spec) }

// NamesResource reports whether the path names something that could be another user's.
func (o Operation) NamesResource() bool { return strings.Contains(o.Path, "{") }

const accessHead = `
## Who may do what

A request without a token is allowed for %s.

For all other operations, this table has the code of the refusal. "Own" means that the operation is
allowed, and reaches nothing but the caller's own account. The test ` + "`TestWhoMayDoWhat`" + ` sends
each of these requests.

`

// accessTable returns who may do what, as the contract has it.
func accessTable() string {
	var open []string
	var rows strings.Builder
	for _, o := range Operations() {
		if !o.IsGuarded() {
			open = append(open, o.ID)
			continue
		}
		rows.WriteString("| " + o.ID)
		for _, role := range Roles() {
			cell := "own"
			if code := Refusal(o, role); code != "" {
				cell = "`" + code + "`"
			}
			rows.WriteString(" | " + cell)
		}
		rows.WriteString(" |\n")
	}
	head := "| Operation"
	for _, role := range Roles() {
		head += " | " + string(role)
	}
	head += " |\n|" + strings.Repeat(" --- |", len(Roles())+1) + "\n"
	return fmt.Sprintf(accessHead, strings.Join(open, ", ")) + head + rows.String()
}
