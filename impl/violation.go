package impl

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/password"
)

// invalidRequest is all that is wrong with a request, an entry for each field; it answers 422.
type invalidRequest []api.FieldError

func (invalidRequest) Error() string { return "the request does not match the contract" }

// maxViolations is the contract's bound on `errors`.
const maxViolations = 100

// add keeps the first entry of each field: a field that is too short needs no word on its pattern.
// Once the request is full it does nothing, so that its cost doesn't grow with the number of faults.
func (i *invalidRequest) add(pointer, code, detail string) {
	if i.isFull() || slices.ContainsFunc(*i, func(e api.FieldError) bool { return e.Pointer == pointer }) {
		return
	}
	*i = append(*i, api.FieldError{Pointer: pointer, Code: api.FieldErrorCode(code), Detail: detail})
}

// isFull reports whether no further entry is kept. A loop over what a client sent stops there.
func (i *invalidRequest) isFull() bool { return len(*i) >= maxViolations }

// sorted puts the entries in an order that does not depend on a map's.
func (i invalidRequest) sorted() invalidRequest {
	slices.SortFunc(i, func(a, b api.FieldError) int { return strings.Compare(a.Pointer, b.Pointer) })
	return i
}

// addSchema adds what a schema has found. It never uses the error's own words: they repeat what was sent.
func (i *invalidRequest) addSchema(err error) {
	var many openapi3.MultiError
	if errors.As(err, &many) {
		for _, one := range many {
			i.addSchema(one)
		}
		return
	}
	var broken *openapi3.SchemaError
	if !errors.As(err, &broken) {
		i.add("", "malformed", "The body does not match its schema.")
		return
	}
	code, detail := tellViolation(broken)
	i.add(pointerOf(broken.JSONPointer()), code, detail)
}

// takeUnknown removes the members that the schema doesn't have from a JSON value, and adds an entry
// for each. The validator would make an error for each of them, with the whole object inside.
func (i *invalidRequest) takeUnknown(schema *openapi3.Schema, value any, path []string) {
	switch value := value.(type) {
	case map[string]any:
		isClosed := schema.AdditionalProperties.Has != nil && !*schema.AdditionalProperties.Has
		for name, member := range value {
			property := schema.Properties[name]
			switch {
			case property != nil:
				i.takeUnknown(property.Value, member, append(path, name))
			case isClosed:
				delete(value, name)
				if !i.isFull() {
					i.add(pointerOf(append(path, name)), "unknown", "There is no such field.")
				}
			}
		}
	case []any:
		if schema.Items == nil {
			return
		}
		for n, item := range value {
			i.takeUnknown(schema.Items.Value, item, append(path, strconv.Itoa(n)))
		}
	}
}

// exclusion is a pattern that says which characters a text may not have, and nothing of its form.
var exclusion = regexp.MustCompile(`^\^\[\^[^]]+]\*\$$`)

func tellViolation(broken *openapi3.SchemaError) (code, detail string) {
	schema := broken.Schema
	switch broken.SchemaField {
	case "required":
		return "required", "The field is missing."
	case "type", "nullable":
		return "wrong_type", fmt.Sprintf("It must be of type %s.", strings.Join(schema.Type.Slice(), " or "))
	case "minLength":
		return "too_short", fmt.Sprintf("It must have at least %d characters.", schema.MinLength)
	case "maxLength":
		return "too_long", fmt.Sprintf("It must have at most %d characters.", *schema.MaxLength)
	case "pattern":
		if exclusion.MatchString(schema.Pattern) {
			return "invalid_character", "It has a character that is not allowed."
		}
		return "invalid_format", fmt.Sprintf("It must match the pattern %s", schema.Pattern)
	case "format":
		return tellFormat(broken)
	}
	return "malformed", "It does not match its schema."
}

// tellFormat tells in the service's own words, which repeat nothing, what is wrong with an email or a password.
func tellFormat(broken *openapi3.SchemaError) (code, detail string) {
	var (
		policy *password.PolicyError
		email  *account.InvalidEmailError
	)
	switch {
	case errors.As(broken.Origin, &policy):
		return policy.Code, policy.Detail
	case errors.As(broken.Origin, &email):
		return "invalid_format", email.Detail
	}
	return "invalid_format", fmt.Sprintf("It must be of the format %s.", broken.Schema.Format)
}

// invalidInput tells what the service refused after the contract had let it pass.
func invalidInput(err *auth.InvalidInputError) invalidRequest {
	var invalid invalidRequest
	for _, f := range err.Fields {
		invalid.add("/"+f.Field, f.Code, f.Detail)
	}
	return invalid.sorted()
}

func pointerOf(path []string) string {
	var p jsontext.Pointer
	for _, token := range path {
		if !utf8.ValidString(token) {
			return "" // the pointer would have U+FFFD in it, and be that of a field which nobody sent
		}
		p = p.AppendToken(token)
	}
	return safePointer(string(p))
}

// maxPointer is the contract's bound on a pointer, in characters.
const maxPointer = 256

// safePointer answers a pointer as it is if it can be shown, and else that of the body as a whole: the names of
// unknown fields are the client's own, of any length and of any characters.
func safePointer(p string) string {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if len(p) > maxPointer || !utf8.ValidString(p) || strings.ContainsFunc(p, odd) {
		return ""
	}
	return p
}
