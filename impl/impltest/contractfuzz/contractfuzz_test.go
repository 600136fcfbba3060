package contractfuzz_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/impltest/contractfuzz"
)

// head is a contract but for its one operation's request.
const head = `
openapi: 3.0.3
info: {title: t, version: '1'}
components: {securitySchemes: {B: {type: http, scheme: bearer}, K: {type: apiKey, in: header, name: K}}}
paths:
  /api/things/:
    post:
      operationId: MakeThing
      responses: {'200': {description: made}}
`

func withBody(mediaType, schema string) string {
	return head + "      requestBody: {required: true, content: {" + mediaType + ": {schema: " + schema + "}}}\n"
}

// everything is a schema with all that the contract may have in the future.
const everything = `{type: object, additionalProperties: false, required: [kind, count, code], properties: {
  kind: {type: string, enum: [one, two]}, count: {type: integer, minimum: -3, maximum: 7}, on: {type: boolean, nullable: true},
  code: {type: string, minLength: 4, maxLength: 9, pattern: '^(?:ab|c+)[0-9]{2,4}x?$'}, short: {type: string, maxLength: 3},
  secret: {type: string, format: new-password, minLength: 8, maxLength: 1024}, mail: {type: string, format: idn-email, maxLength: 254},
  exact: {type: string, minLength: 5, maxLength: 5}}}`

func load(t *testing.T, text string) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func options() contractfuzz.Options {
	return contractfuzz.Options{Credentials: func() (string, map[string]string) { return "abc.def.ghi", map[string]string{"id": "1"} }, MaxBody: 64 << 10}
}

func newFuzzer(t *testing.T, text string) *contractfuzz.Fuzzer {
	t.Helper()
	f, err := contractfuzz.New(load(t, text), options())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// schemaKinds are the kinds of broken requests that a schema alone can refuse.
var schemaKinds = []string{
	"missing", "wrong type", "not of the enumeration", "out of bounds", "too short", "too short by one", "too long", "too long by one",
	"pattern", "another value than an object",
}

// A judge of its own: kin-openapi holds the bodies that are called valid to their schemas, and refuses those that break them.
func TestBodiesAndTheirSchemas(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"the contract": string(api.ContractYAML), "everything": withBody("application/json", everything),
	} {
		doc, f := load(t, text), newFuzzer(t, text)
		schemas := map[string]*openapi3.RequestBody{}
		for _, item := range doc.Paths.Map() {
			for _, op := range item.Operations() {
				if op.RequestBody != nil {
					schemas[op.OperationID] = op.RequestBody.Value
				}
			}
		}
		judged := map[string]int{}
		for i := range 8 * f.Rounds() {
			c := f.Case(1, i)
			body := schemas[c.Operation]
			isSchemaKind := strings.Contains(strings.Join(schemaKinds, ","), c.Kind)
			if body == nil || len(c.Body) == 0 || !c.Valid && !isSchemaKind {
				continue
			}
			judged[c.Kind]++
			if err := visit(body, c.Body); (err == nil) != c.Valid {
				t.Errorf("%s: %v\n%s", name, err, c)
			}
		}
		if len(judged) < 20 {
			t.Errorf("%s: only %v were judged", name, judged)
		}
	}
}

func visit(body *openapi3.RequestBody, data []byte) error {
	if media := body.Content["application/json"]; media != nil {
		var value any
		if err := json.Unmarshal(data, &value); err != nil {
			return err
		}
		return media.Schema.Value.VisitJSON(value)
	}
	form, err := url.ParseQuery(string(data))
	if err != nil {
		return err
	}
	value := map[string]any{}
	for name, values := range form {
		value[name] = values[0]
	}
	return body.Content["application/x-www-form-urlencoded"].Schema.Value.VisitJSON(value)
}

func TestReproducible(t *testing.T) {
	t.Parallel()
	a, b := newFuzzer(t, string(api.ContractYAML)), newFuzzer(t, string(api.ContractYAML))
	n, different := a.Rounds(), 0
	for i := n - 1; i >= 0; i-- { // whatever was made before
		one, other := a.Case(5, i), b.Case(5, i)
		if one.String() != other.String() || !reflect.DeepEqual(one.Body, other.Body) {
			t.Errorf("two requests of one seed and index:\n%s\n%s", one, other)
		}
		if c := a.Case(6, i); c.Target != one.Target || !reflect.DeepEqual(c.Header, one.Header) || !reflect.DeepEqual(c.Body, one.Body) {
			different++
		}
	}
	if different < n/2 {
		t.Errorf("with another seed only %d of %d requests differ", different, n)
	}
}

// What nothing here knows how to make stops the run, and is named.
func TestUnknownIsRefused(t *testing.T) {
	t.Parallel()
	member := func(schema string) string {
		return withBody("application/json", "{type: object, properties: {a: "+schema+"}}")
	}
	for text, want := range map[string]string{
		member("{oneOf: [{type: string}]}"):                                                               "exactly one type",
		member("{type: string, not: {type: string}}"):                                                     "keyword not",
		member("{type: string, x-a: 1, maxItems: 1}"):                                                     "keyword maxItems",
		member("{type: string, readOnly: true}"):                                                          "keyword readOnly",
		member("{type: integer, minimum: 1}"):                                                             "both its bounds",
		member("{type: integer, minimum: 2, maximum: 1}"):                                                 "no integer",
		member("{type: integer, multipleOf: 2}"):                                                          "keyword multipleOf",
		member("{type: number}"):                                                                          "type number",
		member("{type: array, items: {type: string}}"):                                                    "type array",
		member("{type: object}"):                                                                          "objects within objects",
		member("{type: string, format: ipv6}"):                                                            `format "ipv6"`,
		member("{type: string, format: idn-email, maxLength: 9}"):                                         `format "idn-email" of at most 9`,
		member("{type: string, maxLength: 100000}"):                                                       "0 to 100000 characters",
		member(`{type: string, pattern: '\bx'}`):                                                          "WordBoundary",
		member(`{type: string, pattern: 'x*'}`):                                                           "no character was found",
		member(`{type: string, pattern: '^x{5}$', maxLength: 4}`):                                         "no string was found",
		withBody("application/json", "{type: string}"):                                                    "plain object",
		withBody("application/json", "{type: object, minProperties: 1}"):                                  "keyword minProperties",
		withBody("application/json", "{type: object, additionalProperties: {type: string}}"):              "plain object",
		withBody("application/json", "{type: object, required: [a]}"):                                     "no schema",
		withBody("text/csv", "{type: object}"):                                                            "text/csv",
		withBody("application/x-www-form-urlencoded", "{type: object, properties: {a: {type: boolean}}}"): "into a form",
		head + "      security: [{K: []}]\n":                                                              "scheme K",
		head + "      security: [{B: [], K: []}]\n":                                                       "2 credentials",
		head + "      parameters: [{name: q, in: query, schema: {type: string}}]\n":                       "parameters",
	} {
		_, err := contractfuzz.New(load(t, text), options())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "MakeThing") {
			t.Errorf("%s\ngot %v, want %q", text, err, want)
		}
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	f := newFuzzer(t, string(api.ContractYAML))
	problem := func(code string, errors ...string) string {
		var entries []string
		for _, e := range errors {
			pointer, code, _ := strings.Cut(e, " ")
			entries = append(entries, fmt.Sprintf(`{"pointer":%q,"code":%q}`, pointer, code))
		}
		return fmt.Sprintf(`{"code":%q,"errors":[%s]}`, code, strings.Join(entries, ","))
	}
	for _, row := range []struct {
		operation, kind, at string
		status              int
		body                string
		ok                  bool
	}{
		{"RegisterUser", "any", "", 201, `{}`, true},
		{"RegisterUser", "any", "", 201, ``, false},
		{"RegisterUser", "any", "", 201, `{"email":"eve@example.com"}`, false},
		{"RegisterUser", "any", "", 500, `{}`, false},
		{"RegisterUser", "any", "", 409, problem("email_taken"), true},
		{"RegisterUser", "any", "", 415, problem("unsupported_media_type"), false},
		{"RegisterUser", "any", "", 422, problem("invalid_request", "/email invalid_format"), false},
		{"RegisterUser", "any", "", 422, problem("invalid_request", "/password common_password"), true},
		{"RegisterUser", "any", "", 422, problem("invalid_request", "/email invalid_format", "/password common_password"), false},
		{"Login", "any", "", 401, problem("invalid_credentials"), true},
		{"Login", "any", "", 400, problem("unsupported_grant_type"), false},
		{"Login", "not of the enumeration", "grant_type", 400, problem("unsupported_grant_type"), true},
		{"Login", "not of the enumeration", "grant_type", 422, problem("invalid_request", "/grant_type malformed"), false},
		{"Login", "example, plain", "", 401, problem("invalid_credentials"), false},
		{"GetCurrentUser", "any", "", 401, problem("invalid_token"), false},
		{"GetCurrentUser", "Authorization missing", "", 401, problem("not_authenticated"), true},
		{"GetCurrentUser", "Authorization missing", "", 200, `{}`, false},
		{"RegisterUser", "missing", "email", 422, problem("invalid_request", "/email required"), true},
		{"RegisterUser", "missing", "email", 422, problem("invalid_request", "/email required", "/password common_password"), true},
		{"RegisterUser", "missing", "email", 422, problem("invalid_request", "/email required", "/password too_short"), false},
		{"RegisterUser", "missing", "email", 422, problem("invalid_request", "/username required"), false},
		{"RegisterUser", "missing", "email", 422, problem("invalid_request", "/email wrong_type"), false},
		{"RegisterUser", "missing", "email", 422, problem("invalid_request"), false},
		{"RegisterUser", "missing", "email", 201, `{}`, false},
		{"RegisterUser", "missing", "email", 400, `{}`, false},
	} {
		c := find(t, f, row.operation, row.kind, row.at)
		if err := c.Judge(row.status, []byte(row.body)); (err == nil) != row.ok {
			t.Errorf("%s, %s: %d %s: %v", row.operation, c.Name(), row.status, row.body, err)
		}
	}
}

func find(t *testing.T, f *contractfuzz.Fuzzer, operation, kind, at string) *contractfuzz.Case {
	t.Helper()
	for i := range f.Rounds() {
		if c := f.Case(3, i); c.Operation == operation && c.Kind == kind && c.At == at {
			return c
		}
	}
	t.Fatalf("there is no %s of %s", kind, operation)
	return nil
}

// A refusal must not repeat what was sent.
func TestJudgeSilence(t *testing.T) {
	t.Parallel()
	c := find(t, newFuzzer(t, string(api.ContractYAML)), "Login", "example, plain", "")
	for detail, want := range map[string]string{
		"The email belongs to another user.":                "",
		"correct horse battery staple belongs to somebody.": "repeats the value of password",
	} {
		err := c.Judge(409, fmt.Appendf(nil, `{"code":"email_taken","detail":%q}`, detail))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", detail, err, want)
		}
	}
}
