package impl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// validatedBody is a JSON body that was held to the contract. The generated stub binds the value itself, by exact
// names, where encoding/json would match them without case and let "PASSWORD" override "password".
type validatedBody struct {
	io.Reader
	value any
}

func (validatedBody) Close() error { return nil }

// ValidatedValue is what the stub asks for.
func (b validatedBody) ValidatedValue() any { return b.value }

const (
	// maxValues bounds the members and elements of a JSON body, and the fields of a form. Each costs an
	// entry of a map, many times its bytes: 64 KiB of them cost 4.5 ms, and of levels 8.4 ms.
	maxValues = 1000
	// maxDepth bounds how deep a JSON body is nested.
	maxDepth = 32
)

// isSmall reports whether a JSON text keeps to these bounds. It looks at nothing else of the text.
func isSmall(data []byte) bool {
	depth, values, inText := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			inText = !inText
		case inText && c == '\\':
			i++
		case inText:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ',':
			values++
		}
		if depth > maxDepth || values >= maxValues {
			return false
		}
	}
	return true
}

// bindJSON reads strictly: no duplicate names, no invalid UTF-8 (lone surrogates included), nothing behind the value.
func bindJSON(r *http.Request, data []byte, plan *bodyPlan) invalidRequest {
	var (
		body    any
		invalid invalidRequest
	)
	if !isSmall(data) {
		invalid.add("", "malformed", fmt.Sprintf("The body has more than %d values, or more than %d levels.", maxValues, maxDepth))
		return invalid
	}
	if err := json.Unmarshal(data, &body); err != nil {
		invalid.addSyntax(err)
		return invalid
	}
	invalid.takeUnknown(plan.schema, body, nil)
	if err := plan.schema.VisitJSON(body, plan.options...); err != nil {
		invalid.addSchema(err)
	}
	if len(invalid) > 0 {
		if plan.together != nil {
			plan.together(body, &invalid)
		}
		return invalid
	}
	r.Body = validatedBody{http.NoBody, body}
	return nil
}

// addSyntax tells where a text isn't JSON.
func (i *invalidRequest) addSyntax(err error) {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		var at *jsontext.SyntacticError
		if errors.As(err, &at) {
			i.add(safePointer(string(at.JSONPointer)), "duplicate", "The field stands more than once.")
			return
		}
	}
	i.add("", "malformed", "The body is not one JSON value in UTF-8.")
}

// bindForm reads strictly: no field twice, no invalid UTF-8, and only the body counts. A field without
// a value counts as absent (RFC 6749 section 3.2).
func bindForm(r *http.Request, data []byte, plan *bodyPlan) invalidRequest {
	var invalid invalidRequest
	if bytes.Count(data, []byte("&")) >= maxValues {
		invalid.add("", "malformed", fmt.Sprintf("The form has more than %d fields.", maxValues))
		return invalid
	}
	form, err := url.ParseQuery(string(data))
	if err != nil {
		// The error quotes what could not be read.
		invalid.add("", "malformed", "The body is not a URL-encoded form.")
		return invalid
	}
	body := make(map[string]any, len(form))
	for name, values := range form {
		switch {
		case invalid.isFull():
			return invalid
		case len(values) > 1:
			invalid.add(pointerOf([]string{name}), "duplicate", "The field stands more than once.")
		case !utf8.ValidString(name) || !utf8.ValidString(values[0]):
			invalid.add(pointerOf([]string{name}), "malformed", "The field is not in UTF-8.")
		case plan.schema.Properties[name] != nil && values[0] != "":
			body[name] = values[0]
		}
	}
	if err := plan.schema.VisitJSON(body, plan.options...); err != nil {
		invalid.addSchema(err)
	}
	if plan.together != nil {
		plan.together(body, &invalid)
	}
	// The stub asks echo for the form, and echo would merge the query string into it.
	for name := range form {
		if plan.schema.Properties[name] == nil {
			form.Del(name) // it isn't read, and would be held as long as the request waits
		}
	}
	r.Form, r.PostForm, r.Body = form, form, http.NoBody
	return invalid
}
