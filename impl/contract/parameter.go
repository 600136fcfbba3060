package contract

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
)

// pathParameter names something. absent is the error if its value can't be the name of anything.
type pathParameter struct {
	name   string
	schema *openapi3.Schema
	absent error
}

// valueParameter is a parameter of the query string or a header.
type valueParameter struct {
	in, name string
	required bool
	schema   *openapi3.Schema
	options  []openapi3.SchemaValidationOption
}

// placeholder is a parameter in a path as the contract writes it.
var placeholder = regexp.MustCompile(`\{([^}]*)\}`)

// planParameters plans the parameters of the path item and of the operation, which may replace one
// of the item's.
func (o *Operation) planParameters(
	path string, item *openapi3.PathItem, declared *openapi3.Operation, rules Rules,
) error {
	all := slices.Clone(declared.Parameters)
	for _, ref := range item.Parameters {
		if declared.Parameters.GetByInAndName(ref.Value.In, ref.Value.Name) == nil {
			all = append(all, ref)
		}
	}
	for _, ref := range all {
		if err := o.planParameter(path, ref.Value, rules); err != nil {
			return fmt.Errorf("the parameter %s: %w", ref.Value.Name, err)
		}
	}
	for _, match := range placeholder.FindAllStringSubmatch(path, -1) {
		if !slices.ContainsFunc(o.path, func(p pathParameter) bool { return p.name == match[1] }) {
			return fmt.Errorf("the path has the parameter %s, which is not declared", match[1])
		}
	}
	return nil
}

func (o *Operation) planParameter(path string, p *openapi3.Parameter, rules Rules) error {
	if p.Schema == nil || p.Schema.Value == nil || len(p.Content) > 0 {
		return errors.New("it has no schema")
	}
	if p.Explode != nil || p.AllowReserved || p.AllowEmptyValue || p.Style != "" && p.Style != defaultStyles[p.In] {
		return errors.New("only the default style is read here")
	}
	schema := p.Schema.Value
	if !isPrimitive(schema) {
		return errors.New("it is not of one primitive type, and nothing here reads it")
	}
	switch p.In {
	case openapi3.ParameterInPath:
		absent := rules.Absent[p.Name]
		switch {
		case !strings.Contains(path, "{"+p.Name+"}"):
			return errors.New("the path has no place for it")
		case !schema.Type.Is(openapi3.TypeString):
			return errors.New("it is in the path and no text, and nothing here reads it")
		case absent == nil:
			return errors.New("nothing here says what is answered if it names nothing")
		}
		o.path = append(o.path, pathParameter{p.Name, schema, absent})
		return nil
	case openapi3.ParameterInHeader:
		if slices.Contains(reservedHeaders, textproto.CanonicalMIMEHeaderKey(p.Name)) {
			return errors.New("it is a header that HTTP or security reads, and the contract can't declare it")
		}
	case openapi3.ParameterInQuery:
		if o.OAuth {
			return errors.New("the operation takes no query string")
		}
	default:
		return fmt.Errorf("it is in the %s, and nothing here reads it", p.In)
	}
	if schema.Type.Is(openapi3.TypeString) && schema.Format != "" && rules.Formats[schema.Format] == nil {
		// The generated stub reads some formats itself, and would answer what it can't read.
		return fmt.Errorf("nothing here judges its format %s", schema.Format)
	}
	o.values = append(o.values, valueParameter{p.In, p.Name, p.Required, schema, rules.schemaOptions()})
	return nil
}

// defaultStyles are the styles by the place of a parameter.
var defaultStyles = map[string]string{
	openapi3.ParameterInPath: "simple", openapi3.ParameterInHeader: "simple", openapi3.ParameterInQuery: "form",
}

// reservedHeaders can't be parameters: OpenAPI ignores the first three (section 4.7.12.1), net/http
// takes others out of the header, and the service takes out the cookies.
var reservedHeaders = []string{
	"Accept", "Authorization", "Content-Type", "Content-Length", "Cookie", "Host", "Trailer", "Transfer-Encoding",
}

// isPrimitive reports whether a schema has one type whose values have one spelling.
func isPrimitive(schema *openapi3.Schema) bool {
	types := schema.Type.Slice()
	if schema.Nullable || len(types) != 1 {
		return false
	}
	return types[0] != openapi3.TypeArray && types[0] != openapi3.TypeObject
}

// CheckPath returns the error of the first parameter of the path that can't name anything. value
// returns the value of a parameter.
func (o *Operation) CheckPath(value func(name string) string) error {
	for _, p := range o.path {
		if p.schema.VisitJSON(value(p.name)) != nil {
			return p.absent
		}
	}
	return nil
}

// CheckParameters returns the violations of the query string and of the headers.
func (o *Operation) CheckParameters(r *http.Request) Violations {
	var found Violations
	if o.OAuth && r.URL.RawQuery != "" {
		found.Add("", "query_not_allowed", "The query string must be empty: credentials belong into the body.")
	}
	if len(o.values) == 0 {
		return found
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	isQueryRead := err == nil && strings.Count(r.URL.RawQuery, "&") < maxValues
	for _, p := range o.values {
		switch {
		case p.in == openapi3.ParameterInHeader:
			p.check(r.Header.Values(p.name), &found)
		case isQueryRead:
			p.check(query[p.name], &found)
		default:
			found.Add("/query", "malformed", "The query string can't be read.")
		}
	}
	return found
}

// OwnQuery returns the parameters of a query string that the operation has.
func (o *Operation) OwnQuery(query url.Values) url.Values {
	own := url.Values{}
	for _, p := range o.values {
		if p.in == openapi3.ParameterInQuery && query.Has(p.name) {
			own[p.name] = query[p.name]
		}
	}
	return own
}

func (p *valueParameter) check(sent []string, found *Violations) {
	pointer := pointerOf([]string{p.in, p.name})
	switch {
	case len(sent) == 0 && p.required:
		found.Add(pointer, "required", "The parameter is missing.")
	case len(sent) == 0:
	case len(sent) > 1:
		found.Add(pointer, "duplicate", "The parameter stands more than once.")
	case !utf8.ValidString(sent[0]):
		found.Add(pointer, "malformed", "The parameter is not in UTF-8.")
	default:
		value, ok := readPrimitive(p.schema, sent[0])
		if !ok {
			found.Add(pointer, "wrong_type", fmt.Sprintf("It must be of type %s.", p.schema.Type.Slice()[0]))
			return
		}
		if err := p.schema.VisitJSON(value, p.options...); err != nil {
			found.addSchema(err, []string{p.in, p.name})
		}
	}
}

// jsonNumber is how a number is spelled (RFC 8259 section 6). The generated stub would read more.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// readPrimitive returns the value that a text spells. The generated stub reads each such text as
// the same value.
func readPrimitive(schema *openapi3.Schema, text string) (value any, ok bool) {
	switch schema.Type.Slice()[0] {
	case openapi3.TypeString:
		return text, true
	case openapi3.TypeBoolean:
		return text == "true", text == "true" || text == "false"
	case openapi3.TypeInteger:
		bits := 64
		if schema.Format == "int32" {
			bits = 32
		}
		n, err := strconv.ParseInt(text, 10, bits)
		return float64(n), err == nil && jsonNumber.MatchString(text)
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil && jsonNumber.MatchString(text)
}
