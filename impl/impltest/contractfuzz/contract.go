package contractfuzz

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

const (
	mediaJSON     = "application/json"
	mediaPatch    = "application/merge-patch+json"
	mediaForm     = "application/x-www-form-urlencoded"
	authorization = "Authorization"
	contentType   = "Content-Type"
)

// operation is the part of an operation of the contract that is needed here.
type operation struct {
	*openapi3.Operation
	method, path string
	others       []string          // are methods that the path doesn't have
	isPath       func(string) bool // reports whether the contract has a path
	secured      bool              // says that an access token must be sent
	token        bool              // says that this is an endpoint of RFC 6749 or RFC 7009
	media        string            // is empty if no body is taken
	open         bool              // says that the body may have members that aren't listed
	params       []member
	members      []member
	examples     []map[string]any
}

// member is a member of a body or a parameter of a path. It is a text, unless it has values.
type member struct {
	*openapi3.Schema
	name              string
	required          bool
	shortest, longest int            // in code points
	class             *regexp.Regexp // matches each character; nil if the pattern says more
	values            []string       // are all valid values of a boolean or a list, as JSON; nil for a text
}

var methods = strings.Fields("OPTIONS TRACE HEAD GET POST PUT PATCH DELETE")

// serves reports whether the contract has a method for a path, by itself or by a path with a
// parameter in the place of a name.
func serves(doc *openapi3.T, path, method string) bool {
	names := strings.Split(path, "/")
	for template, item := range doc.Paths.Map() {
		same := slices.EqualFunc(strings.Split(template, "/"), names, func(of, name string) bool {
			return of == name || strings.HasPrefix(of, "{") && name != ""
		})
		if same && item.GetOperation(method) != nil {
			return true
		}
	}
	return false
}

func readOperations(doc *openapi3.T) (all []*operation, err error) {
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		item := doc.Paths.Value(path)
		for _, method := range slices.Sorted(maps.Keys(item.Operations())) {
			op := &operation{Operation: item.GetOperation(method), method: method, path: path}
			all = append(all, op)
			op.token = slices.Contains(op.Tags, "tokens")
			op.others = slices.DeleteFunc(append(slices.Clone(methods), "X"), func(m string) bool {
				return item.GetOperation(m) != nil || m == "HEAD" && item.Get != nil
			})
			op.isPath = func(path string) bool {
				return slices.ContainsFunc(methods, func(m string) bool { return serves(doc, path, m) })
			}
			security := *cmp.Or(op.Security, &doc.Security)
			isNone := func(s openapi3.SecurityRequirement) bool { return len(s) == 0 }
			op.secured = len(security) > 0 && !slices.ContainsFunc(security, isNone)
			if readErr := op.read(append(slices.Clone(item.Parameters), op.Parameters...)); readErr != nil {
				err = errors.Join(err, fmt.Errorf("%s can't be drawn: %w", op.OperationID, readErr))
			}
		}
	}
	return all, err
}

// read reads the parameters and the body.
func (op *operation) read(params openapi3.Parameters) (err error) {
	member := func(name string, schema *openapi3.Schema, required bool) member {
		m, memberErr := readMember(name, schema, required)
		err = errors.Join(err, memberErr)
		return m
	}
	for _, p := range params {
		if p.Value.In != openapi3.ParameterInPath {
			if !p.Value.Required {
				continue // it isn't sent; impl/contract tries such parameters
			}
			err = errors.Join(err, fmt.Errorf("a parameter in the %s", p.Value.In))
		}
		op.params = append(op.params, member(p.Value.Name, p.Value.Schema.Value, true))
	}
	if op.RequestBody == nil {
		return err
	}
	for name, media := range op.RequestBody.Value.Content {
		schema := media.Schema.Value
		err = errors.Join(err, checkSchema(schema, "object", "properties", "required", "additionalProperties"))
		if op.media != "" || !slices.Contains([]string{mediaJSON, mediaPatch, mediaForm}, name) ||
			schema.AdditionalProperties.Schema != nil {
			err = errors.Join(err, fmt.Errorf("a body of the type %s, a second one, or one of any members", name))
		}
		op.media = name
		op.open = schema.AdditionalProperties.Has == nil || *schema.AdditionalProperties.Has
		for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
			property, isRequired := schema.Properties[name].Value, slices.Contains(schema.Required, name)
			if isRequired || !property.Type.Is("object") { // an optional object is sent by the examples only
				op.members = append(op.members, member(name, property, isRequired))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(media.Examples)) {
			example, _ := media.Examples[name].Value.Value.(map[string]any)
			op.examples = append(op.examples, example)
		}
	}
	return err
}

// isJSON reports whether the body is JSON.
func (op *operation) isJSON() bool { return op.media == mediaJSON || op.media == mediaPatch }

// checkSchema refuses a schema that says more than is read here: its requests would be called valid
// without being so.
func checkSchema(schema *openapi3.Schema, kind string, keywords ...string) error {
	written, err := schema.MarshalYAML()
	all, _ := written.(map[string]any)
	for keyword := range all {
		if strings.HasPrefix(keyword, "x-go-") {
			continue // for the generator
		}
		if !slices.Contains(append(keywords, "type", "nullable", "title", "description", "example", "default"), keyword) {
			err = fmt.Errorf("the keyword %s", keyword)
		}
	}
	if !schema.Type.Is(kind) {
		err = fmt.Errorf("the type %v, not %s", schema.Type, kind)
	}
	return err
}

// usual is the longest length of a text, in a request that doesn't test the length.
const usual = 48

// characters matches a pattern that says only which characters a text has, and how many.
var characters = regexp.MustCompile(`^\^(\[.+\])([*+]|\{\d+,\d+\})\$$`)

// valuesOf returns all values of a boolean, and of a list of some texts those that have none, one
// or all of them.
func valuesOf(schema *openapi3.Schema) ([]string, error) {
	if schema.Type.Is("boolean") {
		return []string{"true", "false"}, checkSchema(schema, "boolean")
	}
	err := checkSchema(schema, "array", "items", "maxItems", "uniqueItems")
	if schema.Items == nil || len(schema.Items.Value.Enum) == 0 {
		return nil, errors.Join(err, errors.New("a list of any values"))
	}
	enum := schema.Items.Value.Enum
	err = errors.Join(err, checkSchema(schema.Items.Value, "string", "enum"))
	values := []string{"[]"}
	for _, value := range enum {
		values = append(values, jsonOf([]any{value}))
	}
	if schema.MaxItems == nil || int(*schema.MaxItems) >= len(enum) {
		values = append(values, jsonOf(enum))
	}
	return values, err
}

func jsonOf(value any) string {
	text, _ := json.Marshal(value) // what the contract says is JSON already
	return string(text)
}

func readMember(name string, schema *openapi3.Schema, required bool) (m member, err error) {
	m = member{schema, name, required, int(schema.MinLength), 4 * usual, nil, nil}
	if schema.Type.Is("boolean") || schema.Type.Is("array") {
		m.values, err = valuesOf(schema)
		return m, err
	}
	if schema.MaxLength != nil {
		m.longest = int(*schema.MaxLength)
	}
	class := characters.FindStringSubmatch(schema.Pattern)
	if schema.Pattern == "" {
		class = []string{"", "(?s:.)"}
	}
	if !slices.Contains([]string{"", "password", "new-password", "idn-email", "uuid"}, schema.Format) {
		return m, fmt.Errorf("%s of the format %q", name, schema.Format)
	}
	if class != nil {
		m.class = regexp.MustCompile("^" + class[1] + "$")
	}
	return m, checkSchema(schema, "string", "minLength", "maxLength", "pattern", "format", "enum")
}

// odd returns those odd characters that the text may have, or those that it may not have.
func (m member) odd(may bool) []string {
	return slices.DeleteFunc(
		slices.Clone(odd),
		func(c string) bool { return (m.class != nil && m.class.MatchString(c)) != may },
	)
}
