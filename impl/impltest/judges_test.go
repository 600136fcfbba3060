package impltest

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// honest returns a response that both judges accept.
func honest() (*http.Response, string) {
	header := http.Header{}
	for name, value := range map[string]string{
		"Content-Type":            "application/problem+json",
		"X-Request-Id":            "01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90",
		"Cache-Control":           "no-store",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		"Referrer-Policy":         "no-referrer",
		"X-Content-Type-Options":  "nosniff",
		"WWW-Authenticate":        `Bearer`,
	} {
		header.Set(name, value)
	}
	return &http.Response{StatusCode: http.StatusUnauthorized, Header: header}, `{"type": "/problems/not_authenticated",
		"title": "A token is missing", "status": 401, "detail": "Not authenticated", "code": "not_authenticated"}`
}

// lies are the ways in which a response of GetCurrentUser can break the contract.
var lies = map[string]func(res *http.Response, body string) string{
	"an undeclared status": func(res *http.Response, body string) string {
		res.StatusCode = http.StatusForbidden
		return body
	},
	"an undeclared header": func(res *http.Response, body string) string {
		res.Header.Set("X-Powered-By", "latchkey")
		return body
	},
	"a missing header": func(res *http.Response, body string) string {
		res.Header.Del("X-Request-Id")
		return body
	},
	"a header's value": func(res *http.Response, body string) string {
		res.Header.Set("X-Content-Type-Options", "sniff")
		return body
	},
	"another content type": func(res *http.Response, body string) string {
		res.Header.Set("Content-Type", "text/plain")
		return body
	},
	"an undeclared member": func(_ *http.Response, body string) string {
		return strings.Replace(body, `"detail"`, `"hint": "x", "detail"`, 1)
	},
	"a missing member": func(_ *http.Response, body string) string {
		return strings.Replace(body, `"title": "A token is missing",`, "", 1)
	},
	"a code that isn't in the list": func(_ *http.Response, body string) string {
		return strings.ReplaceAll(body, "not_authenticated", "email_taken")
	},
	"a type": func(_ *http.Response, body string) string {
		return strings.Replace(body, `401`, `"401"`, 1)
	},
	"a format": func(_ *http.Response, body string) string {
		return strings.Replace(body, `"detail"`, `"request_id": "not a UUID, but of 36 characters...", "detail"`, 1)
	},
	"no JSON": func(_ *http.Response, body string) string { return body[1:] },
}

// judges are the two judges, each by itself.
var judges = map[string]func(*http.Response, string) error{
	"the first": func(res *http.Response, body string) error {
		return checkDeclared(Contract().Paths.Value(MePath).Get, res, []byte(body))
	},
	"the second": func(res *http.Response, body string) error {
		res.Body = io.NopCloser(bytes.NewBufferString(body))
		return judgeAnswer(http.MethodGet, MePath, res, []byte(body))
	},
}

// TestJudges checks each judge by itself, because a judge that accepts everything would go
// unnoticed beside the other.
func TestJudges(t *testing.T) {
	for name, judge := range judges {
		res, body := honest()
		if err := judge(res, body); err != nil {
			t.Errorf("%s refuses an honest response: %v", name, err)
		}
		for lie, tell := range lies {
			res, body := honest()
			if judge(res, tell(res, body)) == nil {
				t.Errorf("%s passes %s", name, lie)
			}
		}
	}
}

// TestMatrix breaks a correct page in every way that it can be wrong.
func TestMatrix(t *testing.T) {
	c := coverage{tests: map[outcome]map[string]bool{}}
	for _, o := range declared() {
		c.add(o, "TestEverything")
		c.add(o, "FuzzEverything")
	}
	ok, gone := outcome{"Login", "200", ""}, outcome{"EndAllSessions", "401", "user_not_found"}
	c.add(ok, "TestLogin")
	truth := c.matrix("")
	if err := c.checkMatrix(truth); err != nil {
		t.Fatal(err)
	}
	if got := readMatrix(truth)[ok]; got != "TestLogin" {
		t.Errorf("Login 200 is shown by %s, want the test that is about it alone", got)
	}
	const overloaded = "| 503 Service Unavailable | `overloaded` | `TestEverything` |\n"
	for what, page := range map[string]string{
		"a test that doesn't produce it": strings.Replace(truth, "TestEverything", "TestLogin", 1),
		"a missing line":                 strings.Replace(truth, "| 200 OK |  | `TestLogin` |\n", "", 1),
		"a missing code":                 strings.Replace(truth, overloaded, "", 1),
		"a line too much":                truth + "| 418 I'm a teapot |  | `TestLogin` |\n",
		"other words":                    strings.Replace(truth, "# What", "# This", 1),
	} {
		if page == truth || c.checkMatrix(page) == nil {
			t.Errorf("the matrix passes with %s", what)
		}
	}
	delete(c.tests, ok)
	delete(c.tests, gone) // the same code of another operation doesn't count
	got := c.missing()
	if want := []outcome{gone, ok}; !slices.Equal(got, want) {
		t.Errorf("missing: %v", got)
	}
}

// An example counts as proved only at the operation that returned it.
func TestExamplesByOperation(t *testing.T) {
	example := &openapi3.ExampleRef{Value: openapi3.NewExample(map[string]any{
		"code": "user_not_found", "detail": "Shown by this test alone.",
	})}
	remember(placeOf(http.MethodGet, MePath),
		[]byte(`{"detail": "Shown by this test alone.", "code": "user_not_found", "request_id": "1"}`))
	if err := checkExample("GetCurrentUser", example, "user_not_found"); err != nil {
		t.Error(err)
	}
	for where, code := range map[string]string{"EndAllSessions": "user_not_found", "GetCurrentUser": "user_inactive"} {
		if checkExample(where, example, code) == nil {
			t.Errorf("%s passes with the response of another operation or code", where)
		}
	}
	for path, want := range map[string]string{MePath: responseMethodNotAllowed, "/nothing": responseNotFound} {
		if got := placeOf(http.MethodPut, path); got != want {
			t.Errorf("PUT %s: got %s, want %s", path, got, want)
		}
	}
}

// A value of a closed list counts as sent only at its own place, in a header or deep in a body.
func TestUnsentValues(t *testing.T) {
	isUnsent := func(value string) bool {
		return slices.ContainsFunc(unsentValues(), func(line string) bool { return strings.HasSuffix(line, " "+value) })
	}
	for _, value := range []string{
		"WWW-Authenticate Bearer", `Bearer error="invalid_request"`, "/errors/*/code unknown", "/errors/*/code malformed",
	} {
		if !isUnsent(value) {
			t.Errorf("%s counts as sent before anything was", value)
		}
	}
	res, body := honest()
	rememberValues(http.MethodGet, MePath, res, []byte(body))
	res.StatusCode = http.StatusUnprocessableEntity
	body = `{"code": "invalid_request", "errors": [{"code": "unknown"}]}`
	rememberValues(http.MethodPost, RegisterPath, res, []byte(body))
	for value, want := range map[string]bool{
		"WWW-Authenticate Bearer": false, `Bearer error="invalid_request"`: true,
		"/errors/*/code unknown": false, "/errors/*/code malformed": true,
	} {
		if got := isUnsent(value); got != want {
			t.Errorf("%s: unsent is %v, want %v", value, got, want)
		}
	}
}
