// Package impltest is the harness of every test over HTTP. It checks each response against the
// contract: status, headers and body. It also records which statuses of which operations the tests
// have produced.
package impltest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
)

// Contract returns the document that responses are checked against. In it each response also
// declares the common headers.
var Contract = sync.OnceValue(func() *openapi3.T {
	doc, err := openapi3.NewLoader().LoadFromData(judgedContract())
	if err != nil {
		panic(err)
	}
	return doc
})

// transport are the headers that HTTP itself adds to responses (RFC 9110, RFC 9112). A contract
// can't declare Content-Type, because it is the key of the content (OpenAPI 3.0.3, "Response
// Object").
var transport = []string{"Connection", "Content-Length", "Content-Type", "Date"}

// secrets must not occur in any response (SECURITY G-6), and leaks in no error (H-1). A successful
// response may contain one of the leaks by chance: it repeats the client's values and has a token.
var (
	secrets = regexp.MustCompile(`\$argon2|\$2[aby]\$|password_hash`)
	leaks   = regexp.MustCompile(`SQLSTATE|pgx|pgconn|goroutine|\.go:|127\.0\.0\.1|panic|salt`)
)

// The names of the contract's responses to requests outside its operations.
const (
	responseNotFound         = "NotFound"
	responseMethodNotAllowed = "MethodNotAllowed"
	responseStarting         = "Unavailable"
)

// CheckAnswer checks a response against the contract, and returns what is wrong with it. The method
// and path are those of the request. Unknown paths must return 404 and unknown methods 405.
func CheckAnswer(method, path string, res *http.Response, body []byte) error {
	if err := checkEverywhere(path, res, body); err != nil {
		return err
	}
	item := pathItem(path)
	if item == nil && (path == "/" || path == "/docs/") {
		return checkWayToPage(method, res, body)
	}
	if item == nil {
		return checkUndeclared(res, body, http.StatusNotFound, responseNotFound)
	}
	op := item.GetOperation(method)
	if op == nil {
		return checkUndeclared(res, body, http.StatusMethodNotAllowed, responseMethodNotAllowed)
	}
	if err := errors.Join(checkDeclared(op, res, body), judgeAnswer(method, path, res, body)); err != nil {
		return fmt.Errorf("%s %d: %w", op.OperationID, res.StatusCode, err)
	}
	return nil
}

// checkWayToPage checks the response of a path that redirects to the documentation page. The path
// redirects a GET, and has no other method.
func checkWayToPage(method string, res *http.Response, body []byte) error {
	if method != http.MethodGet && method != http.MethodHead {
		return checkUndeclared(res, body, http.StatusMethodNotAllowed, responseMethodNotAllowed)
	}
	location := res.Header.Get("Location")
	if res.StatusCode != http.StatusFound || strings.HasPrefix(location, "/") || len(body) > 0 {
		return fmt.Errorf("status %d to %q with %d bytes, want 302 to a relative address",
			res.StatusCode, location, len(body))
	}
	return nil
}

// checkDeclared is the first judge. It checks a response against the declaration of its operation.
func checkDeclared(op *openapi3.Operation, res *http.Response, body []byte) error {
	declared := op.Responses.Status(res.StatusCode)
	if declared == nil {
		return errors.New("the status is not declared")
	}
	if err := checkHeaders(res, declared.Value.Headers); err != nil {
		return err
	}
	return checkContent(res, body, declared.Value.Content)
}

// IsContractPage reports whether a path shows the contract itself or one of its problems. These
// paths are the only ones that the contract doesn't declare.
func IsContractPage(path string) bool {
	switch path {
	case "/", "/openapi.json", "/openapi.yaml", "/docs":
		return true
	}
	return strings.HasPrefix(path, "/problems/") || strings.HasPrefix(path, "/docs/")
}

// canonicalPath returns the path as the contract writes it. Paths below /api also work without
// their last slash.
func canonicalPath(path string) string {
	path, _, _ = strings.Cut(path, "?")
	if strings.HasPrefix(path, "/api/") && !strings.HasSuffix(path, "/") {
		path += "/"
	}
	return path
}

// pathItem finds a path in the contract, either exactly or with a segment for each parameter. It
// returns nil for an unknown path.
func pathItem(path string) *openapi3.PathItem {
	path = canonicalPath(path)
	if item := Contract().Paths.Value(path); item != nil && !strings.Contains(path, "{") {
		return item
	}
	for template, item := range Contract().Paths.Map() {
		if matchesTemplate(template, path) {
			return item
		}
	}
	return nil
}

func matchesTemplate(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if !strings.Contains(template, "{") || len(want) != len(got) {
		return false
	}
	for i := range want {
		if isParameter := strings.HasPrefix(want[i], "{"); isParameter && got[i] == "" || !isParameter && got[i] != want[i] {
			return false
		}
	}
	return true
}

func checkEverywhere(path string, res *http.Response, body []byte) error {
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff",
		"Referrer-Policy":        "no-referrer",
		"Server":                 "",
	} {
		if got := res.Header.Get(name); got != want {
			return fmt.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
	// A response that isn't public must have no-store, whatever the contract allows.
	isPublic := res.StatusCode == http.StatusOK && strings.HasPrefix(path, "/.well-known/")
	if got := res.Header.Get("Cache-Control"); got != "no-store" && !isPublic {
		return fmt.Errorf("header Cache-Control is %q, want no-store", got)
	}
	if _, err := uuid.Parse(res.Header.Get("X-Request-Id")); err != nil {
		return fmt.Errorf("X-Request-Id %q: %w", res.Header.Get("X-Request-Id"), err)
	}
	found := secrets.Find(body)
	if res.StatusCode >= http.StatusBadRequest && found == nil {
		found = leaks.Find(body)
	}
	if found != nil {
		return fmt.Errorf("the body shows %q", found)
	}
	return nil
}

// checkUndeclared checks a response to a request outside the declared operations. It must equal one
// of the contract's named responses.
func checkUndeclared(res *http.Response, body []byte, status int, response string) error {
	if res.StatusCode == http.StatusServiceUnavailable && bytes.Contains(body, []byte(`"code":"starting"`)) {
		status, response = res.StatusCode, responseStarting // every path returns it
	}
	if res.StatusCode != status {
		return fmt.Errorf("status %d, want %d", res.StatusCode, status)
	}
	declared := Contract().Components.Responses[response].Value
	if err := checkHeaders(res, declared.Headers); err != nil {
		return err
	}
	if res.Request != nil && res.Request.Method == http.MethodHead {
		return nil // it has only headers (RFC 9110 section 9.3.2), and net/http removes a body
	}
	return checkContent(res, body, declared.Content)
}

func checkHeaders(res *http.Response, declared openapi3.Headers) error {
	for name, ref := range declared {
		values := res.Header.Values(name)
		if len(values) == 0 && ref.Value.Required {
			return fmt.Errorf("header %s is missing", name)
		}
		if len(values) > 1 {
			return fmt.Errorf("header %s stands %d times", name, len(values))
		}
		for _, v := range values {
			if err := checkHeaderValue(ref.Value.Schema.Value, v); err != nil {
				return fmt.Errorf("header %s: %w", name, err)
			}
		}
	}
	for name := range res.Header {
		isSame := func(d string) bool { return strings.EqualFold(d, name) }
		isDeclared := slices.ContainsFunc(slices.Collect(maps.Keys(declared)), isSame)
		if !isDeclared && !slices.Contains(transport, name) {
			return fmt.Errorf("header %s is not declared", name)
		}
	}
	return nil
}

func checkHeaderValue(schema *openapi3.Schema, text string) error {
	var value any = text
	if schema.Type.Is(openapi3.TypeInteger) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		value = float64(n)
	}
	return visit(schema, value)
}

func checkContent(res *http.Response, body []byte, declared openapi3.Content) error {
	if len(declared) == 0 {
		if len(body) > 0 || res.Header.Get("Content-Type") != "" {
			return errors.New("there is a body, but none is declared")
		}
		return nil
	}
	got, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("content type %q: %w", res.Header.Get("Content-Type"), err)
	}
	media := declared[got]
	if media == nil {
		return fmt.Errorf("content type %s is not declared", got)
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	if err := visit(media.Schema.Value, value); err != nil {
		return err
	}
	if err := checkMembers(media.Schema.Value, value, ""); err != nil {
		return err
	}
	return checkProblem(res, media, value)
}

// checkProblem checks the rules for errors that a schema can't express. The type, the title and the
// code of RFC 6749 must equal those of the contract's example for the error's code.
func checkProblem(res *http.Response, media *openapi3.MediaType, value any) error {
	problem, _ := value.(map[string]any)
	if res.StatusCode < http.StatusBadRequest {
		return nil
	}
	if got := problem["status"]; got != float64(res.StatusCode) {
		return fmt.Errorf("problem's status %v, the response's status %d", got, res.StatusCode)
	}
	code, _ := problem["code"].(string)
	example := media.Examples[code]
	if example == nil {
		return fmt.Errorf("the code %q has no example", code)
	}
	shown, _ := example.Value.Value.(map[string]any)
	// The server's own path may come first.
	got := fmt.Sprint(problem["type"])
	if !strings.HasSuffix(got, fmt.Sprint(shown["type"])) || shown["type"] != "/problems/"+code {
		return fmt.Errorf("problem's type %s, want %v", got, shown["type"])
	}
	for _, name := range []string{"title", "error"} {
		if problem[name] != shown[name] {
			return fmt.Errorf("problem's %s %v, want %v", name, problem[name], shown[name])
		}
	}
	if got, is := problem["request_id"]; is && got != res.Header.Get("X-Request-Id") {
		return fmt.Errorf("problem's request_id %v is not the header's", got)
	}
	return nil
}

func visit(schema *openapi3.Schema, value any) error {
	return schema.VisitJSON(value,
		openapi3.VisitAsResponse(),
		openapi3.EnableFormatValidation(),
		openapi3.WithStringFormatValidator("uuid", uuidFormat{}),
	)
}

// uuidFormat accepts version 7, which kin-openapi's own pattern refuses.
type uuidFormat struct{}

func (uuidFormat) Validate(s string) error {
	id, err := uuid.Parse(s)
	if err == nil && (id.Version() != 7 || id.String() != s) {
		return fmt.Errorf("not a UUID of version 7 in its usual form")
	}
	return err
}

// checkMembers refuses a member that the contract doesn't name. The schemas of responses allow more
// members, so that the contract may grow, but the server must not send any.
func checkMembers(schema *openapi3.Schema, value any, at string) error {
	switch value := value.(type) {
	case []any:
		for i, v := range value {
			if err := checkMembers(schema.Items.Value, v, fmt.Sprintf("%s/%d", at, i)); err != nil {
				return err
			}
		}
	case map[string]any:
		if free := schema.AdditionalProperties.Has; free != nil && *free {
			return nil // the application's own members
		}
		for name, v := range value {
			member := findProperty(schema, name)
			if member == nil {
				return fmt.Errorf("member %s/%s is not declared", at, name)
			}
			if err := checkMembers(member, v, at+"/"+name); err != nil {
				return err
			}
		}
	}
	return nil
}

func findProperty(schema *openapi3.Schema, name string) *openapi3.Schema {
	if p := schema.Properties[name]; p != nil {
		return p.Value
	}
	for _, part := range schema.AllOf {
		if p := findProperty(part.Value, name); p != nil {
			return p
		}
	}
	return nil
}
