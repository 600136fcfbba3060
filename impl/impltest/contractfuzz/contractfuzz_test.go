package contractfuzz_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"pgregory.net/rapid"

	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/impltest/contractfuzz"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	kinds, err := contractfuzz.Kinds(impltest.Contract(), 64<<10)
	if err != nil {
		t.Fatal(err)
	}
	const missing, common = `{"pointer":"/email","code":"required"}`, `{"pointer":"/password","code":"common_password"}`
	answers := map[string]map[string]bool{ // whether they are right
		"RegisterUser/valid/any": {
			`201 {}`:                          true,
			`201 {"email":"@"}`:               false,
			`500 {}`:                          false,
			`409 {"code":"email_taken"}`:      true,
			`415 {"code":"x"}`:                false,
			`422 {"errors":[` + common + `]}`: true,
			`422 {"errors":[` + missing + `,` + common + `]}`: false,
			`201 x`: false,
		},
		"RegisterUser/broken/missing email": {
			`422 {"errors":[` + missing + `,` + common + `]}`: true,
			`422 {"errors":[` + common + `]}`:                 false,
			`201 {}`:                                          false,
			`400 {}`:                                          false,
			`422 {"errors":[` + strings.Replace(missing, "required", "x", 1) + `]}`: false,
			`422 {}`: false,
		},
		"Login/valid/any": {
			`401 {"code":"invalid_credentials"}`:    true,
			`400 {"code":"unsupported_grant_type"}`: false,
		},
		"Login/valid/example 0 ": {`401 {"code":"invalid_credentials"}`: false, `200 {}`: true},
		"Login/broken/query":     {`422 {"errors":[{"pointer":"","code":"query_not_allowed"}]}`: true, `401 {}`: false},
	}
	rapid.Check(t, func(rt *rapid.T) {
		for _, kind := range kinds {
			for answer, want := range answers[kind.Name] {
				c := kind.Draw(rt, "http://latchkey.example", nil)
				code, body, _ := strings.Cut(answer, " ")
				status, _ := strconv.Atoi(code)
				if err := c.Judge(status, []byte(body)); (err == nil) != want {
					rt.Fatalf("%s: %s: %v", kind.Name, answer, err)
				}
			}
		}
	})
}

func TestUnknownIsRefused(t *testing.T) {
	t.Parallel()
	for schema, named := range map[string]string{"type: integer": "type", "type: string, not: {}": "not", "type: string, format: ipv6": "ipv6"} {
		const head = `paths: {/a: {post: {operationId: Make, responses: {}, requestBody: {content: {application/json: {schema: `
		doc, err := openapi3.NewLoader().LoadFromData(
			[]byte(head + `{type: object, properties: {a: {` + schema + `}}}}}}}}}`),
		)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := contractfuzz.Kinds(doc, 1); err == nil || !strings.Contains(err.Error(), named) {
			t.Errorf("%s: got %v", schema, err)
		}
	}
}
