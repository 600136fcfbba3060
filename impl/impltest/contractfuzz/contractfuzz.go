// Package contractfuzz draws requests from a contract's schemas: requests that are valid by
// construction, and requests that are broken in exactly one place. It judges the answers, and
// shares no code with the server.
//
// The kinds of requests are found by walking the document. What can't be drawn (a keyword, a
// format, a parameter) is an error, so that nothing is left out silently.
package contractfuzz

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"pgregory.net/rapid"
)

// Kind is one kind of request for one operation.
type Kind struct {
	Operation, Name string
	op              *operation
	want            want
	change          func(*draft)
	// number makes kinds that are drawn from the same seed differ in their choices.
	number, maxBody int
}

// Valid reports whether the request keeps to the contract. Any other is broken in one place.
func (k Kind) Valid() bool { return k.want.status == 0 }

// Kinds returns all kinds of requests for a contract, in an order that depends on the contract
// alone. maxBody is the largest body that the server reads, in bytes.
func Kinds(doc *openapi3.T, maxBody int) (all []Kind, err error) {
	operations, err := readOperations(doc)
	for _, op := range operations {
		add := func(name string, want want, change func(*draft)) {
			half := map[bool]string{true: "/valid/", false: "/broken/"}[want.status == 0]
			all = append(all, Kind{op.OperationID, op.OperationID + half + name, op, want, change, len(all), maxBody})
		}
		addValid(op, add)
		addBroken(op, add)
	}
	return all, err
}

// adder adds a kind, by what must be answered and by how it differs from any valid request.
type adder func(name string, want want, change func(*draft))

// header adds a kind that has one of some values in a header, with the access token for TOKEN.
func (add adder) header(want want, name, header string, values ...string) {
	add(name, want, func(d *draft) {
		d.header[header] = []string{strings.Replace(pick(d, values...), "TOKEN", d.token, 1)}
	})
}

// Case is one request, and what may be answered to it.
type Case struct {
	*draft
	*http.Request
	body string
}

// Draw draws a request of this kind for a server at a URL. If the operation takes any, credentials
// returns an access token that the server accepts, and for each parameter of a path a value that
// names something of that token's user. The request may end them.
func (k Kind) Draw(t *rapid.T, server string, credentials func() (string, map[string]string)) *Case {
	op := k.op
	d := &draft{Kind: k, t: t, method: op.method, path: op.path, header: http.Header{}, bare: op.media == ""}
	d.spoil = func(body string) string { return body }
	if op.secured || len(op.params) > 0 {
		token, params := credentials()
		d.token = token
		d.header.Set(authorization, "Bearer "+token)
		for _, m := range op.params {
			d.setParam(m, params[m.name])
		}
	}
	if op.Responses.Status(http.StatusPreconditionRequired) != nil {
		d.header.Set("If-Match", "*") // RFC 6585 section 3
	}
	if !d.bare {
		d.header.Set(contentType, op.media)
		d.style = pick(d, styles...)
	}
	for _, m := range op.members {
		if m.required || d.coin() {
			d.set(m, d.value(m))
		}
	}
	k.change(d)
	body := ""
	if !d.bare {
		body = d.spoil(d.encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), d.method, server+d.path+d.query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = d.header
	if d.chunked {
		r.ContentLength = -1 // it is not announced
	}
	return &Case{d, r, body}
}

func (c *Case) String() string {
	return fmt.Sprintf("%s %s\n%q\n%d bytes: %.4096q", c.Method, c.URL.RequestURI(), c.Header, len(c.body), c.body)
}

// want is what must be answered to a request.
type want struct {
	status int          // is 0 for a valid request: below 400 is right, and so are the exceptions
	errors []fieldError // are exactly those of a 422, if any are listed
	known  bool         // says that the credentials in a valid body are those of a user
}

// fieldError is one entry of a 422.
type fieldError struct{ Pointer, Code string }

// exceptions are the refusals of a valid request that are not for its shape. Those that are true
// are right for known credentials too.
var exceptions = map[string]bool{
	"409 email_taken": true, "409 username_taken": true, "400 invalid_refresh_token": true, "404 session_not_found": true,
	"400 invalid_scope": true, "404 account_not_found": true, "409 last_superuser": true, "409 external_id_taken": true,
	"401 invalid_credentials": false, "401 invalid_code": true, "409 email_verified": true, "403 wrong_password": false,
}

// together are the fields that an operation requires for some value of another field.
var together = map[string][]fieldError{
	"Login":          {{"/refresh_token", "required"}},
	"Reauthenticate": {{"/password", "required"}, {"/request", "required"}, {"/code", "required"}},
}

// Judge returns what is wrong with an answer to the request. It doesn't look at whether the
// contract declares the answer.
func (c *Case) Judge(status int, body []byte) error {
	var members map[string]any
	var answer struct {
		Code   string
		Errors []fieldError
	}
	if err := errors.Join(json.Unmarshal(body, &answer), json.Unmarshal(body, &members)); err != nil && len(body) > 0 {
		return fmt.Errorf("answered %d, with what is no JSON object: %w", status, err)
	}
	for _, f := range c.fields {
		// A refusal never repeats what was sent. A value of 16 bytes can't stand in it by chance.
		if status >= 400 && len(f.value) >= 16 && strings.Contains(string(body), f.value) {
			return fmt.Errorf("the answer repeats the value of %s", f.name)
		}
		// A form's fields are credentials, and are not repeated.
		if got, ok := members[f.name].(string); ok && status < 400 && c.op.isJSON() && got != f.value {
			return fmt.Errorf("%s was sent as %q and came back as %q", f.name, f.value, got)
		}
	}
	isEvenKnown, isException := exceptions[fmt.Sprint(status, " ", answer.Code)]
	rest := slices.DeleteFunc(slices.Clone(answer.Errors), func(e fieldError) bool {
		// How easily a password is guessed, and which fields go together, is not for a schema to
		// say.
		return e.Code == "common_password" || e.Code == "not_allowed" || slices.Contains(together[c.Operation], e)
	})
	switch {
	case c.Valid() && (status < 400 || isException && (isEvenKnown || !c.want.known)):
	case c.Valid() && status == 422 && len(answer.Errors) > 0 && len(rest) == 0:
	case len(c.body) > c.maxBody && status == 413: // whatever else is right or wrong with it
	case status != c.want.status:
		return fmt.Errorf("answered %d %s %v, want %d (0: a success)", status, answer.Code, answer.Errors, c.want.status)
	case c.want.errors != nil && !slices.Equal(rest, c.want.errors):
		return fmt.Errorf("told of %v, want %v", rest, c.want.errors)
	}
	return nil
}
