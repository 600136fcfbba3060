package contract

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"
)

// extensionRoles has the scopes that each role holds, by the role's name.
const extensionRoles = extensionPrefix + "roles"

// Roles are the scopes that each role holds, by the role's name.
type Roles map[string][]string

// ReadRoles returns the roles of a contract, which is JSON. It doesn't check them, as [New] does.
func ReadRoles(document []byte) (Roles, error) {
	var root struct {
		Roles Roles `json:"x-latchkey-roles"`
	}
	if err := json.Unmarshal(document, &root); err != nil {
		return nil, fmt.Errorf("contract: read the roles: %w", err)
	}
	return root.Roles, nil
}

var roleName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// isRoles reports whether a value is an object of lists of scopes.
func isRoles(value any) bool {
	roles, ok := value.(map[string]any)
	for name, scopes := range roles {
		list, isList := scopes.([]any)
		isOther := func(scope any) bool { return !isA[string](scope) }
		ok = ok && isList && roleName.MatchString(name) && !slices.ContainsFunc(list, isOther)
	}
	return ok
}

// planRoles returns the roles of a document, whose extensions were checked. It fails unless the
// roles and the flows of the security schemes name the same scopes: what only a role has would let
// nobody in, and nobody would hold what only a flow has.
func planRoles(doc *openapi3.T) (Roles, error) {
	declared := map[string]bool{}
	if doc.Components != nil {
		for _, scheme := range doc.Components.SecuritySchemes {
			for scope := range scopesOf(scheme.Value) {
				declared[scope] = true
			}
		}
	}
	roles, held := Roles{}, map[string]bool{}
	extension, _ := doc.Extensions[extensionRoles].(map[string]any)
	for name, list := range extension {
		roles[name] = nil
		for _, scope := range list.([]any) {
			scope := scope.(string)
			if !declared[scope] {
				return nil, fmt.Errorf("the role %s holds the scope %s, which no flow declares", name, scope)
			}
			roles[name], held[scope] = append(roles[name], scope), true
		}
	}
	for _, scope := range slices.Sorted(maps.Keys(declared)) {
		if !held[scope] {
			return nil, fmt.Errorf("the scope %s is declared, and no role holds it", scope)
		}
	}
	return roles, nil
}

// scopesOf returns the scopes that the flows of a security scheme declare.
func scopesOf(scheme *openapi3.SecurityScheme) map[string]bool {
	all := map[string]bool{}
	if scheme == nil || scheme.Flows == nil {
		return all
	}
	flows := scheme.Flows
	for _, flow := range []*openapi3.OAuthFlow{
		flows.Password, flows.AuthorizationCode, flows.ClientCredentials, flows.Implicit,
	} {
		if flow != nil {
			for scope := range flow.Scopes {
				all[scope] = true
			}
		}
	}
	return all
}
