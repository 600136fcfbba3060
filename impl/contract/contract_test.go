package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// document returns a contract with one operation, POST /things/{thing_id}/, and the given members
// of it and of the document. Members are JSON.
func document(path, operation, root string) []byte {
	if path == "" {
		path = "/things/"
	}
	members := []string{`"operationId":"DoIt"`, `"responses":{"204":{"description":"Done."}}`}
	if operation != "" {
		members = append(members, operation)
	}
	all := []string{
		`"openapi":"3.0.3"`, `"info":{"title":"T","version":"1"}`,
		fmt.Sprintf(`"paths":{%q:{"post":{%s}}}`, path, strings.Join(members, ",")),
	}
	if root != "" {
		all = append(all, root)
	}
	return []byte("{" + strings.Join(all, ",") + "}")
}

var (
	errAbsent = errors.New("there is no such thing")
	testRules = Rules{
		Scopes: true, Cookie: "c", Absent: map[string]error{"thing_id": errAbsent, "part_id": errAbsent},
		Formats: map[string]func(string) string{"odd": func(s string) string {
			if len(s)%2 == 0 {
				return "It must have an odd length."
			}
			return ""
		}},
	}
)

// newPlan reads a contract and makes its plan.
func newPlan(text []byte, rules Rules) (*Plan, error) {
	doc, err := Read(text)
	if err != nil {
		return nil, err
	}
	return New(doc, rules)
}

// plan returns the one operation of a contract.
func plan(t *testing.T, doc []byte, rules Rules) (*Operation, error) {
	t.Helper()
	if !json.Valid(doc) {
		t.Fatalf("the test's contract is no JSON: %s", doc)
	}
	p, err := newPlan(doc, rules)
	if err != nil {
		return nil, err
	}
	if len(p.Operations) != 1 {
		t.Fatalf("%d operations", len(p.Operations))
	}
	for _, op := range p.Operations {
		return op, nil
	}
	return nil, nil
}

func mustPlan(t *testing.T, doc []byte, rules Rules) *Operation {
	t.Helper()
	op, err := plan(t, doc, rules)
	if err != nil {
		t.Fatalf("refused: %v\n%s", err, doc)
	}
	return op
}

const (
	schemes    = `"x-latchkey-roles":{"all":["read","write","run"],"reader":["read"],"guest":[]},` + components
	components = `"components":{"securitySchemes":{
		"OAuth":{"type":"oauth2","flows":{"password":{"tokenUrl":"/t","scopes":{"read":"R","write":"W"}},"clientCredentials":{"tokenUrl":"/t","scopes":{"run":"X"}}}},
		"Bearer":{"type":"http","scheme":"bearer"},"Basic":{"type":"http","scheme":"basic"},"Key":{"type":"apiKey","in":"header","name":"K"},
		"Cookie":{"type":"apiKey","in":"cookie","name":"c"},"Other":{"type":"apiKey","in":"cookie","name":"d"}}}`
	text = `{"type":"string"}`
)

func parameters(list ...string) string { return `"parameters":[` + strings.Join(list, ",") + `]` }

func parameter(in, name, schema string) string {
	return fmt.Sprintf(`{"in":%q,"name":%q,"required":%t,"schema":%s}`, in, name, in == "path", schema)
}

func body(media, schema string) string {
	return fmt.Sprintf(`"requestBody":{"required":true,"content":{%q:{"schema":%s}}}`, media, schema)
}

// Each rule has contracts that are planned, and contracts that are refused with words of the rule.
func TestNew(t *testing.T) {
	t.Parallel()
	type row struct{ path, operation, root string }
	for name, rule := range map[string]struct {
		planned []row
		refused map[string]row
		rules   Rules
	}{
		"bearer tokens": {
			planned: []row{{"", `"security":[{"Bearer":[]}]`, schemes}, {"", `"security":[{"OAuth":[]},{"Bearer":[]},{}]`, schemes}, {"", "", `"security":[{"Bearer":[]}],` + schemes}},
			refused: map[string]row{
				"only bearer tokens": {"", `"security":[{"Basic":[]}]`, schemes},
				`"Key": only`:        {"", "", `"security":[{"Key":[]}],` + schemes},
				`is not declared`:    {"", `"security":[{"None":[]}]`, schemes},
				`"Bearer" is not`:    {"", `"security":[{"Bearer":[]}]`, ""},
			},
		},
		"scopes": {
			planned: []row{
				{"", `"security":[{"OAuth":["write","read"]}]`, schemes}, {"", `"security":[{"OAuth":["run"]}]`, schemes},
				{"", `"security":[{"OAuth":["read","write"]},{"OAuth":["write","read"],"Bearer":[]}]`, schemes},
			},
			refused: map[string]row{
				"no flow declares the scope other": {"", `"security":[{"OAuth":["read","other"]}]`, schemes},
				"only an oauth2 scheme has scopes": {"", `"security":[{"Bearer":["read"]}]`, schemes},
				"demand different scopes":          {"", `"security":[{"OAuth":["read"]},{"Bearer":[]}]`, schemes},
				"security demand different":        {"", `"security":[{},{"OAuth":["read"]}]`, schemes},
			},
		},
		"roles": {
			planned: []row{{"", "", schemes}, {"", `"security":[{"OAuth":["run"]}]`, `"x-latchkey-roles":{"a":["run","read"],"b-2_c":["write","read"]},` + components}},
			refused: map[string]row{
				"the scope read is declared, and no role": {"", "", components},
				"the scope run is declared, and no role":  {"", "", `"x-latchkey-roles":{"a":["read","write"]},` + components},
				"the role a holds the scope other, which": {"", "", `"x-latchkey-roles":{"a":["read","write","run","other"]},` + components},
				"the role a holds the scope read, which":  {"", "", `"x-latchkey-roles":{"a":["read"]}`},
				"-roles has a value of another type":      {"", "", `"x-latchkey-roles":{"a":"read"}`},
				"roles has a value of another type":       {"", "", `"x-latchkey-roles":{"a":["read",1]}`},
				"has a value of another type":             {"", "", `"x-latchkey-roles":{"A b":[]}`},
				"value of another type":                   {"", "", `"x-latchkey-roles":["a"]`},
				"stands at a document and nowhere else":   {"", `"x-latchkey-roles":{}`, ""},
			},
		},
		"cookies": {
			planned: []row{{"", `"security":[{},{"Cookie":[]}]`, schemes}, {"", `"security":[{"Cookie":[]},{}]`, schemes}},
			refused: map[string]row{
				"reads the cookie":                 {"", `"security":[{},{"Other":[]}]`, schemes},
				`"Cookie": a cookie can only be`:   {"", `"security":[{"Cookie":[]}]`, schemes},
				"only be an alternative to":        {"", `"security":[{"Cookie":[]},{"Bearer":[]}]`, schemes},
				"an alternative to nothing":        {"", `"security":[{},{"Cookie":[],"Bearer":[]}]`, schemes},
				"can only be an alternative":       {"", `"security":[{},{"Bearer":[]},{"Cookie":[]}]`, schemes},
				"only an oauth2 scheme has scopes": {"", `"security":[{},{"Cookie":["read"]}]`, schemes},
			},
		},
		"cookies that nobody reads": {
			rules:   Rules{Absent: testRules.Absent},
			refused: map[string]row{"nothing here reads the cookie": {"", `"security":[{},{"Cookie":[]}]`, schemes}},
		},
		"scopes that nobody checks": {
			rules:   Rules{Absent: testRules.Absent},
			planned: []row{{"", `"security":[{"OAuth":[]}]`, schemes}},
			refused: map[string]row{"read is demanded, and nothing here checks it": {"", `"security":[{"OAuth":["read"]}]`, schemes}},
		},
		"parameters of the path": {
			planned: []row{
				{"/things/{thing_id}/", parameters(parameter("path", "thing_id", text)), ""},
				{"/things/{thing_id}/parts/{part_id}/", parameters(parameter("path", "thing_id", text), parameter("path", "part_id", `{"type":"string","format":"uuid"}`)), ""},
			},
			refused: map[string]row{
				"what is answered if it names nothing": {"/things/{other_id}/", parameters(parameter("path", "other_id", text)), ""},
				"which is not declared":                {"/things/{thing_id}/", "", ""},
				"the path has no place for it":         {"", parameters(parameter("path", "thing_id", text)), ""},
				"no text":                              {"/things/{thing_id}/", parameters(parameter("path", "thing_id", `{"type":"integer"}`)), ""},
			},
		},
		"parameters of the query string and headers": {
			planned: []row{
				{"", parameters(parameter("query", "limit", `{"type":"integer","format":"int32","maximum":100}`), parameter("query", "limit2", `{"type":"number"}`)), ""},
				{"", parameters(parameter("query", "all", `{"type":"boolean"}`), parameter("header", "If-Match", text)), ""},
				{"", parameters(`{"in":"query","name":"q","style":"form","schema":{"type":"string","format":"odd"}}`), ""},
				{"", parameters(parameter("query", "query", text)) + "," + body("application/json", `{"type":"object","properties":{"header":{"type":"object"}}}`), ""},
			},
			refused: map[string]row{
				"it is in the cookie":         {"", parameters(parameter("cookie", "c", text)), ""},
				"the parameter ids: it is no": {"", parameters(parameter("query", "ids", `{"type":"array","items":{"type":"string"}}`)), ""},
				"not of one primitive type":   {"", parameters(parameter("query", "any", `{}`)), ""},
				"primitive type, and nothing": {"", parameters(parameter("query", "q", `{"type":"string","nullable":true}`)), ""},
				"only the default style":      {"", parameters(`{"in":"query","name":"q","style":"pipeDelimited","schema":{"type":"string"}}`), ""},
				"default style is read here":  {"", parameters(`{"in":"query","name":"q","allowEmptyValue":true,"schema":{"type":"string"}}`), ""},
				"it has no schema":            {"", parameters(`{"in":"query","name":"q","content":{"application/json":{"schema":{"type":"string"}}}}`), ""},
				"judges its format date":      {"", parameters(parameter("query", "q", `{"type":"string","format":"date"}`)), ""},
				"a header that HTTP":          {"", parameters(parameter("header", "authorization", text)), ""},
				"security reads, and the":     {"", parameters(parameter("header", "Cookie", text)), ""},
				"takes no query string":       {"", `"tags":["tokens"],` + parameters(parameter("query", "q", text)), ""},
				"/query/q is that of a":       {"", parameters(parameter("query", "q", text)) + "," + body("application/json", `{"type":"object","properties":{"query":{"type":"object"}}}`), ""},
				"/header/H is that of a":      {"", parameters(parameter("header", "H", text)) + "," + body("application/json", `{"type":"object","properties":{"header":{"type":"string"}}}`), ""},
			},
		},
		"bodies": {
			planned: []row{
				{"", body("application/json", `{"type":"object"}`), ""},
				{"", body("application/merge-patch+json", `{"type":"object","additionalProperties":false}`), ""},
				{"", body("application/x-www-form-urlencoded", `{"type":"object","properties":{"a":{"type":"string"}}}`), ""},
			},
			refused: map[string]row{
				"media type text/plain is declared": {"", body("text/plain", text), ""},
				"2 media types":                     {"", `"requestBody":{"content":{"application/json":{"schema":{}},"text/plain":{"schema":{}}}}`, ""},
				"the body has no schema":            {"", `"requestBody":{"content":{"application/json":{}}}`, ""},
				"a merge patch must be an object":   {"", body("application/merge-patch+json", `{"type":"array","items":{"type":"string"}}`), ""},
				"additionalProperties: false":       {"", body("application/merge-patch+json", `{"type":"object"}`), ""},
				"the field a of a form is no text":  {"", body("application/x-www-form-urlencoded", `{"type":"object","properties":{"a":{"type":"integer"}}}`), ""},
			},
		},
		"extensions": {
			planned: []row{
				{"", `"x-latchkey-optional-token":true,"x-other":1`, `"x-latchkey-problems":{"a":{}}`},
				{"", "", `"components":{"headers":{"H":{"x-latchkey-every-answer":true,"schema":{"type":"string"}}}}`},
			},
			refused: map[string]row{
				"x-latchkey-optional-tokens is not known": {"", `"x-latchkey-optional-tokens":true`, ""},
				"x-latchkey-x is not known":               {"", "", `"x-latchkey-x":{}`},
				"/T: the extension x-latchkey-s is not":   {"", "", `"components":{"schemas":{"T":{"type":"string","x-latchkey-s":1}}}`},
				"stands at a operation and nowhere":       {"", "", `"x-latchkey-optional-token":true`},
				"stands at a document and nowhere":        {"", `"x-latchkey-problems":{}`, ""},
				"stands at a component header":            {"", body("application/json", `{"type":"string","x-latchkey-every-answer":true}`), ""},
				"has a value of another type":             {"", `"x-latchkey-optional-token":"true"`, ""},
				"/[]: the extension x-latchkey-s is not":  {"", body("application/json", `{"allOf":[{"x-latchkey-s":1}]}`), ""},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := testRules
			if rule.rules.Absent != nil {
				rules = rule.rules
			}
			for _, r := range rule.planned {
				mustPlan(t, document(r.path, r.operation, r.root), rules)
			}
			for want, r := range rule.refused {
				_, err := plan(t, document(r.path, r.operation, r.root), rules)
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
	if _, err := Read([]byte("{")); err == nil {
		t.Error("what is no contract passes")
	}
}

func TestOperation(t *testing.T) {
	t.Parallel()
	op := mustPlan(
		t,
		document(
			"",
			`"tags":["a","tokens"],"x-latchkey-optional-token":true,"security":[]`,
			`"security":[{"Bearer":[]}],`+schemes,
		),
		Rules{},
	)
	if op.ID != "DoIt" || op.Authenticated || !op.OptionalToken || !op.OAuth || op.Body != nil {
		t.Errorf("got %+v", op)
	}
	for security, want := range map[string]struct {
		authenticated bool
		scopes        []string
	}{
		`[{"Bearer":[]}]`:                          {true, nil},
		`[{"Bearer":[]},{}]`:                       {false, nil},
		`[{"OAuth":["write","read"],"Bearer":[]}]`: {true, []string{"read", "write"}},
	} {
		op := mustPlan(t, document("", `"security":`+security, schemes), testRules)
		if op.Authenticated != want.authenticated || !cmp.Equal(op.Scopes, want.scopes) || op.OAuth || op.OptionalToken {
			t.Errorf("%s: got %+v", security, op)
		}
	}
	p, err := newPlan(document("", "", `"x-latchkey-problems":{"a":"b"}`), Rules{})
	if err != nil || p.Operations[Route{http.MethodPost, "/things/"}] == nil {
		t.Fatalf("got %v, %v", p, err)
	}
	if got := p.Extensions["x-latchkey-problems"]; !cmp.Equal(got, any(map[string]any{"a": "b"})) {
		t.Errorf("got %v", got)
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	doc := document("", "", schemes)
	p, err := newPlan(doc, testRules)
	if err != nil {
		t.Fatal(err)
	}
	want := Roles{"all": {"read", "write", "run"}, "reader": {"read"}, "guest": nil}
	if diff := cmp.Diff(want, p.Roles); diff != "" {
		t.Error(diff)
	}
	read, err := ReadRoles(doc)
	if err != nil || !cmp.Equal(want, read, cmpopts.EquateEmpty()) {
		t.Errorf("got %v, %v", read, err)
	}
	if _, err := ReadRoles([]byte("[")); err == nil {
		t.Error("what is no contract has roles")
	}
}

// A parameter of the operation replaces the one of the path that has its name and place (OpenAPI
// 3.0.3, section 4.7.10).
func TestParameterOfTheItem(t *testing.T) {
	t.Parallel()
	doc := fmt.Sprintf(
		`{"openapi":"3.0.3","info":{"title":"T","version":"1"},"paths":{"/things/":{%s,"post":{%s,"responses":{}}}}}`,
		parameters(
			parameter("query", "a", `{"type":"integer"}`),
			parameter("query", "b", `{"type":"integer"}`),
		),
		parameters(parameter("query", "a", text)),
	)
	found := mustPlan(t, []byte(doc), testRules).CheckParameters(httptest.NewRequest("POST", "/things/?a=x&b=x", nil))
	if diff := cmp.Diff([][2]string{{"/query/b", "wrong_type"}}, codes(found)); diff != "" {
		t.Error(diff)
	}
}

func TestCheckPath(t *testing.T) {
	t.Parallel()
	op := mustPlan(t, document("/things/{thing_id}/parts/{part_id}/", parameters(
		parameter(
			"path",
			"thing_id",
			`{"type":"string","pattern":"^[a-z]+$"}`,
		),
		parameter("path", "part_id", `{"type":"string","maxLength":3}`),
	), ""), Rules{
		Absent: map[string]error{"thing_id": errAbsent, "part_id": http.ErrNoLocation},
	})
	for values, want := range map[[2]string]error{{"a", "b"}: nil, {"A", "b"}: errAbsent, {"", "b"}: errAbsent, {"a", "bbbb"}: http.ErrNoLocation} {
		got := op.CheckPath(
			func(name string) string { return map[string]string{"thing_id": values[0], "part_id": values[1]}[name] },
		)
		if !errors.Is(got, want) || want == nil && got != nil {
			t.Errorf("%v: got %v, want %v", values, got, want)
		}
	}
}

// codes returns pointer and code of each violation.
func codes(found Violations) [][2]string {
	var all [][2]string
	for _, v := range found.Sorted() {
		all = append(all, [2]string{v.Pointer, v.Code})
	}
	return all
}
