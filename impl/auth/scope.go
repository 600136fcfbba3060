package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// Roles are the scopes that each role holds, by the role's name. The contract has them.
type Roles map[string][]string

// RoleSuperuser is the role of users.is_superuser. Each other role has a row in user_roles.
const RoleSuperuser = account.RoleSuperuser

// ErrInvalidScope reports that a scope is not known, or at a refresh, that the session was opened
// without it.
var ErrInvalidScope = errors.New("no such scope")

// ScopeError reports that a token may not do what was asked: it lacks a scope, or its user has no
// role that holds it now.
type ScopeError struct {
	// Scopes are all that are needed.
	Scopes []string
}

func (e *ScopeError) Error() string {
	return "the scopes " + strings.Join(e.Scopes, " ") + " are needed"
}

// parse returns the scopes of a list (RFC 6749 section 3.3), each once and sorted. It fails with
// [ErrInvalidScope] if no role holds one of them. The list may be empty.
func (r Roles) parse(list string) ([]string, error) {
	var scopes []string
	for scope := range strings.SplitSeq(list, " ") {
		switch {
		case scope == "":
		case !r.isHeld(scope):
			return nil, fmt.Errorf("%w: %.40q", ErrInvalidScope, scope)
		default:
			scopes = append(scopes, scope)
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes), nil
}

// isHeld reports whether a role holds a scope.
func (r Roles) isHeld(scope string) bool {
	for _, scopes := range r {
		if slices.Contains(scopes, scope) {
			return true
		}
	}
	return false
}

// of returns those of the asked scopes that a user holds by its roles.
func (r Roles) of(isSuperuser bool, others, asked []string) []string {
	var scopes []string
	for _, scope := range asked {
		holds := func(role string) bool { return slices.Contains(r[role], scope) }
		if isSuperuser && holds(RoleSuperuser) || slices.ContainsFunc(others, holds) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

// scopesNow returns those of the asked scopes that a user holds by its present roles. It asks the
// database only for a login that asked for a scope.
func (s *Service) scopesNow(ctx context.Context, tx store.Tx, user db.User, asked []string) ([]string, error) {
	if len(asked) == 0 {
		return nil, nil
	}
	roles, err := tx.UserListRoles(ctx, user.ID)
	if err != nil {
		return nil, store.Error(err)
	}
	return s.opts.Roles.of(user.IsSuperuser, roles, asked), nil
}

// hasAll reports whether a set of scopes contains all that are needed.
func hasAll(scopes, needed []string) bool {
	return !slices.ContainsFunc(needed, func(scope string) bool { return !slices.Contains(scopes, scope) })
}
