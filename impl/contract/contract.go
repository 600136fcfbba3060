// Package contract makes a plan from openapi.yaml at the start: what each operation demands of a
// token, of the parameters and of the body. It holds requests to the plan, and refuses at the start
// what it can't enforce.
//
// What is wrong with a request is reported as [Violations], all at once. Each has a JSON pointer:
//
//   - `/password` and `/address/city` are members of the body, or fields of a form;
//   - `/query/limit` is the parameter `limit` of the query string, `/query` the query string
//     itself;
//   - `/header/If-Match` is a header, spelled as in the contract;
//   - the empty pointer is the body as a whole.
//
// A pointer would be ambiguous if a body had a member called `query` or `header`. So an operation
// that has such a parameter and such a member is refused. A parameter of the path has no pointer:
// it names something, and a name that can't be one gets the same answer as a name of nothing.
//
// The rules, each of which fails the start:
//
//   - A security scheme is a bearer token: `oauth2`, or `http` with `bearer`. Only `oauth2` has
//     scopes. Each scope is declared in a flow of the scheme, and all alternatives of an operation
//     demand the same scopes. The caller says whether it checks them ([Rules.Scopes]).
//   - The roles of `x-latchkey-roles` hold the scopes that the flows declare: no other, and each
//     scope is held by a role.
//   - One other scheme is known: `apiKey` in `cookie`, with the name that the caller reads
//     ([Rules.Cookie]). It is an alternative to nothing at all (`{}`) and stands alone, because a
//     browser sends a cookie unasked: a cookie lets nobody in where a bearer token would be needed.
//   - A parameter is in the path, the query string or a header, is of one primitive type, and has
//     the default style. A parameter of the path is text, is declared for a place in the path, and
//     the caller has an error for its absence. Parameters that aren't declared are ignored.
//   - A body has one media type: application/json, application/merge-patch+json or
//     application/x-www-form-urlencoded. A merge patch is a closed object (RFC 7396); its null
//     members pass where their schema is nullable. The fields of a form are text.
//   - An extension `x-latchkey-*` is one of a closed list, at its own place, with a value of its
//     type.
package contract

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// Plan is what the contract says of each operation.
type Plan struct {
	Operations map[Route]*Operation
	// Roles are those of the document.
	Roles Roles
	// Extensions are the extensions of the document as a whole, by their names.
	Extensions map[string]any
}

// Route is a method and a path as the contract writes it, such as `/users/{id}`.
type Route struct{ Method, Path string }

// Operation is what the contract says of one method of one path.
type Operation struct {
	ID string
	// Authenticated reports whether `security` demands a bearer token.
	Authenticated bool
	// OptionalToken reports whether a token that is sent without demand is looked at.
	OptionalToken bool
	// TakesCookie reports whether `security` lets the operation look at the cookie of
	// [Rules.Cookie].
	TakesCookie bool
	// Scopes are those that the token must have, sorted.
	Scopes []string
	// MaxAge is how long ago the session may have proved who its user is; 0 for any time (RFC
	// 9470).
	MaxAge time.Duration
	// OAuth reports whether errors carry the members of RFC 6749 section 5.2 too. Such an operation
	// takes no query string.
	OAuth bool
	// Body is nil if the operation takes none.
	Body *Body

	path   []pathParameter
	values []valueParameter
}

// Rules are the service's part of the plan. The zero value has no rules.
type Rules struct {
	// Formats check a text by the format of its schema. A format returns the detail of a violation,
	// which never repeats the text, or "".
	Formats map[string]func(text string) (detail string)
	// Absent has the error for each parameter of a path whose value can't be one.
	Absent map[string]error
	// Bodies are rules on several fields of a body.
	Bodies []BodyRule
	// Scopes reports that the caller checks [Operation.Scopes]. If it doesn't, a contract that
	// demands a scope is refused.
	Scopes bool
	// Cookie is the name of the one cookie that the caller reads, or empty. A contract that
	// declares another one is refused.
	Cookie string
}

// BodyRule adds what only a look at several fields of a body shows. It holds for each body that has
// the property, with the format if one is named.
//
// The rule of a form is always called. The rule of a JSON body is called if the schema has found
// something else, because the service judges a body that fits.
type BodyRule struct {
	Property, Format string
	// Always has the rule of a JSON body called also if the body fits its schema.
	Always bool
	// AnyValue lets the property have values outside its enum, which the service refuses itself.
	AnyValue bool
	Check    func(fields map[string]any, found *Violations)
}

// tagOAuth marks the operations that answer in the form of RFC 6749.
const tagOAuth = "tokens"

// Document is a contract that was read. Several plans may be made from it at once.
type Document struct{ contract *openapi3.T }

// Read reads a contract, which is JSON.
func Read(document []byte) (*Document, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	if err := checkExtensions(document); err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	return &Document{doc}, nil
}

// New makes the plan. It fails if the package can't enforce what the contract says.
func New(document *Document, rules Rules) (*Plan, error) {
	doc := document.contract
	roles, err := planRoles(doc)
	if err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	plan := &Plan{Operations: map[Route]*Operation{}, Roles: roles, Extensions: doc.Extensions}
	for path, item := range doc.Paths.Map() {
		for method, declared := range item.Operations() {
			op, err := planOperation(doc, path, item, declared, rules)
			if err != nil {
				return nil, fmt.Errorf("contract: %s %s: %w", method, path, err)
			}
			plan.Operations[Route{method, path}] = op
		}
	}
	return plan, nil
}

func planOperation(
	doc *openapi3.T, path string, item *openapi3.PathItem, declared *openapi3.Operation, rules Rules,
) (*Operation, error) {
	op := &Operation{ID: declared.OperationID, OAuth: slices.Contains(declared.Tags, tagOAuth)}
	if seconds, ok := declared.Extensions[extensionMaxAge].(float64); ok {
		op.MaxAge = time.Duration(seconds) * time.Second
	}
	op.OptionalToken, _ = declared.Extensions[extensionOptionalToken].(bool)
	if err := op.planSecurity(doc, declared, rules); err != nil {
		return nil, err
	}
	if op.MaxAge > 0 && !op.Authenticated {
		return nil, errors.New("its session must be fresh, and its security demands no token")
	}
	if err := op.planParameters(path, item, declared, rules); err != nil {
		return nil, err
	}
	if declared.RequestBody != nil {
		body, err := planBody(declared.RequestBody.Value, rules)
		if err != nil {
			return nil, err
		}
		op.Body = body
	}
	return op, op.checkPointers()
}

// checkPointers fails if a pointer could be that of a parameter and that of a member of the body.
func (o *Operation) checkPointers() error {
	for _, p := range o.values {
		if o.Body != nil && o.Body.schema.Properties[p.in] != nil {
			const text = "the pointer /%s/%s is that of a parameter and could be that of a member of the body"
			return fmt.Errorf(text, p.in, p.name)
		}
	}
	return nil
}
