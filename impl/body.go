package impl

import (
	"errors"
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

// bindJSON reads strictly: no duplicate names, no invalid UTF-8 (lone surrogates included), nothing behind the value.
func bindJSON(r *http.Request, data []byte, plan *bodyPlan) invalidRequest {
	var (
		body    any
		invalid invalidRequest
	)
	if err := json.Unmarshal(data, &body); err != nil {
		invalid.addSyntax(err)
		return invalid
	}
	if err := plan.schema.VisitJSON(body, plan.options...); err != nil {
		invalid.addSchema(err)
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

// bindForm reads strictly: no field twice (RFC 6749 section 3.2), no invalid UTF-8, and only the body counts.
func bindForm(r *http.Request, data []byte, plan *bodyPlan) invalidRequest {
	var invalid invalidRequest
	form, err := url.ParseQuery(string(data))
	if err != nil {
		// The error quotes what could not be read.
		invalid.add("", "malformed", "The body is not a URL-encoded form.")
		return invalid
	}
	body := make(map[string]any, len(form))
	for name, values := range form {
		pointer := pointerOf([]string{name})
		switch {
		case len(values) > 1:
			invalid.add(pointer, "duplicate", "The field stands more than once.")
		case !utf8.ValidString(name) || !utf8.ValidString(values[0]):
			invalid.add(pointer, "malformed", "The field is not in UTF-8.")
		default:
			body[name] = values[0]
		}
	}
	if err := plan.schema.VisitJSON(body, plan.options...); err != nil {
		invalid.addSchema(err)
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
