package contract

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
)

// Violation is a problem with one field of a request. It never repeats the sent text, except for
// the names of fields.
type Violation struct{ Pointer, Code, Detail string }

// Violations is all that is wrong with a request, an entry for each field.
type Violations []Violation

func (Violations) Error() string { return "the request does not match the contract" }

// maxViolations is the contract's bound on `errors`.
const maxViolations = 100

// Add keeps the first entry of each field: a field that is too short needs no word on its pattern.
// Once the list is full it does nothing, so that its cost doesn't grow with the number of faults.
func (v *Violations) Add(pointer, code, detail string) {
	if v.isFull() || slices.ContainsFunc(*v, func(e Violation) bool { return e.Pointer == pointer }) {
		return
	}
	*v = append(*v, Violation{Pointer: pointer, Code: code, Detail: detail})
}

// isFull reports whether no further entry is kept. A loop over what a client sent stops there.
func (v *Violations) isFull() bool { return len(*v) >= maxViolations }

// Sorted returns the entries, as many as an answer may have, in an order that does not depend on a
// map's.
func (v Violations) Sorted() Violations {
	slices.SortStableFunc(v, func(a, b Violation) int { return strings.Compare(a.Pointer, b.Pointer) })
	return v[:min(len(v), maxViolations)]
}

// addSchema adds what a schema has found in the value at path. It never uses the words of the
// error, which repeat what was sent.
func (v *Violations) addSchema(err error, path []string) {
	var many openapi3.MultiError
	if errors.As(err, &many) {
		for _, one := range many {
			v.addSchema(one, path)
		}
		return
	}
	var broken *openapi3.SchemaError
	if !errors.As(err, &broken) {
		v.Add(pointerOf(path), "malformed", "It does not match its schema.")
		return
	}
	code, detail := describe(broken)
	v.Add(pointerOf(slices.Concat(path, broken.JSONPointer())), code, detail)
}

// takeUnknown removes the members that the schema doesn't have from a JSON value, and adds an entry
// for each. The validator would make an error for each of them, with the whole object inside.
func (v *Violations) takeUnknown(schema *openapi3.Schema, value any, path []string) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			property := schema.Properties[name]
			switch {
			case property != nil:
				v.takeUnknown(property.Value, member, append(path, name))
			case isClosed(schema):
				delete(value, name)
				if !v.isFull() {
					v.Add(pointerOf(append(path, name)), "unknown", "There is no such field.")
				}
			}
		}
	case []any:
		if schema.Items == nil {
			return
		}
		for n, item := range value {
			v.takeUnknown(schema.Items.Value, item, append(path, strconv.Itoa(n)))
		}
	}
}

// isClosed reports whether a schema forbids members that it doesn't name.
func isClosed(schema *openapi3.Schema) bool {
	return schema.AdditionalProperties.Has != nil && !*schema.AdditionalProperties.Has
}

// exclusion matches a pattern that only excludes characters, and says nothing about the form.
var exclusion = regexp.MustCompile(`^\^\[\^[^]]+]\*\$$`)

func describe(broken *openapi3.SchemaError) (code, detail string) {
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
	case "minimum":
		return "invalid_format", fmt.Sprintf("It must be at least %v.", *schema.Min)
	case "maximum":
		return "invalid_format", fmt.Sprintf("It must be at most %v.", *schema.Max)
	case "enum":
		return "invalid_format", describeEnum(schema.Enum)
	case "pattern":
		if exclusion.MatchString(schema.Pattern) {
			return "invalid_character", "It has a character that is not allowed."
		}
		return "invalid_format", fmt.Sprintf("It must match the pattern %s", schema.Pattern)
	case "format":
		var own formatError
		if errors.As(broken.Origin, &own) {
			return "invalid_format", string(own)
		}
		return "invalid_format", fmt.Sprintf("It must be of the format %s.", schema.Format)
	}
	return "malformed", "It does not match its schema."
}

// maxNamedValues bounds how many values of an enum a text names.
const maxNamedValues = 10

func describeEnum(values []any) string {
	named := make([]string, min(len(values), maxNamedValues))
	for i := range named {
		named[i] = fmt.Sprint(values[i])
	}
	last := len(named) - 1
	list := named[last]
	if last > 0 {
		list = strings.Join(named[:last], ", ") + " or " + list
	}
	if len(values) > maxNamedValues {
		return fmt.Sprintf("It must be one of the %d values that the contract lists, such as %s.", len(values), list)
	}
	return fmt.Sprintf("It must be %s.", list)
}

// formatError is what a format has found, in its own words.
type formatError string

func (e formatError) Error() string { return string(e) }

func (r Rules) schemaOptions() []openapi3.SchemaValidationOption {
	formats := make(map[string]openapi3.StringFormatValidator, len(r.Formats))
	for name, judge := range r.Formats {
		formats[name] = openapi3.NewCallbackValidator(func(text string) error {
			if detail := judge(text); detail != "" {
				return formatError(detail)
			}
			return nil
		})
	}
	return []openapi3.SchemaValidationOption{
		openapi3.VisitAsRequest(),
		openapi3.MultiErrors(),
		openapi3.EnableFormatValidation(),
		openapi3.WithStringFormatValidators(formats),
		// Nothing of what was sent may reach a message.
		openapi3.DisableSchemaErrorDetails(),
	}
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

// safePointer returns a pointer as it is if it can be shown, and else that of the body as a whole.
// The names of unknown fields are the client's own, of any length and of any characters.
func safePointer(p string) string {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if len(p) > maxPointer || !utf8.ValidString(p) || strings.ContainsFunc(p, odd) {
		return ""
	}
	return p
}
