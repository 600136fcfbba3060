package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// How each answer that the contract shows comes about, by the operation, the status and the example's name.
var shown = map[string]func(server string) (answer, error){
	"Login 401 wrong": func(server string) (answer, error) { return login(server, "ada@example.com", "not this one") },
	"Login 422 twice": func(server string) (answer, error) {
		return do("POST", server+impltest.LoginPath, "application/x-www-form-urlencoded", "", "username=ada%40example.com&username=b&password=c")
	},
	"GetCurrentUser 401 none": func(server string) (answer, error) { return me(server, "") },
	"GetCurrentUser 401 bad":  func(server string) (answer, error) { return me(server, "e30.e30.e30") },
}

// TestExamples sends each request that the contract shows to the binary, in the order of the paths, which is that of a first
// session; it must succeed. And it makes the binary give each answer that the contract shows.
func TestExamples(t *testing.T) {
	t.Parallel()
	dir := openFolder(t)
	_, server := serve(t, dir, append(testEnviron(), "LATCHKEY_DATA_DIR="+filepath.Join(dir, "data")))
	paths, answers := impltest.Contract().Paths.Map(), 0
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		for method, op := range paths[path].Operations() {
			if op.RequestBody != nil {
				sendExamples(t, method, server+path, op.RequestBody.Value.Content)
			}
			answers += compareAnswers(t, server, op)
		}
	}
	if answers != len(shown) {
		t.Errorf("the contract shows %d answers, and this test knows of %d", answers, len(shown))
	}
}

// sendExamples sends what is shown of one body. What a schema shows by itself must be among it.
func sendExamples(t *testing.T, method, target string, content openapi3.Content) {
	t.Helper()
	for mediaType, media := range content {
		if len(media.Examples) == 0 {
			t.Errorf("%s %s: no example", method, target)
		}
		var values []any
		for name, example := range media.Examples {
			values = append(values, example.Value.Value)
			a, err := do(method, target, mediaType, "", encode(mediaType, example.Value.Value))
			if err != nil || a.status >= http.StatusBadRequest {
				t.Errorf("%s %s: example %s: %v %v", method, target, name, a, err)
			}
		}
		if alone := media.Schema.Value.Example; alone != nil && !slices.ContainsFunc(values, func(v any) bool { return cmp.Equal(v, alone) }) {
			t.Errorf("%s %s: the schema's example is no request's", method, target)
		}
	}
}

func encode(mediaType string, value any) string {
	if mediaType != "application/x-www-form-urlencoded" {
		text, err := json.Marshal(value)
		if err != nil {
			panic(err) // it came from JSON
		}
		return string(text)
	}
	form := url.Values{}
	for name, v := range value.(map[string]any) {
		form.Set(name, fmt.Sprint(v))
	}
	return form.Encode()
}

// compareAnswers holds what is shown of an operation's answers to what the binary answers, and counts them.
func compareAnswers(t *testing.T, server string, op *openapi3.Operation) (n int) {
	t.Helper()
	for status, response := range op.Responses.Map() {
		for _, media := range response.Value.Content {
			for name, example := range media.Examples {
				n++
				key := strings.Join([]string{op.OperationID, status, name}, " ")
				ask := shown[key]
				if ask == nil {
					t.Errorf("nothing here leads to the answer shown as %s", key)
					continue
				}
				got, err := ask(server)
				if err != nil {
					t.Errorf("%s: %v", key, err)
					continue
				}
				var body any
				if err := json.Unmarshal([]byte(got.body), &body); err != nil {
					t.Errorf("%s: %v", key, err)
				}
				if diff := cmp.Diff(example.Value.Value, body); diff != "" || fmt.Sprint(got.status) != status {
					t.Errorf("%s: answered %d (-shown +answered):\n%s", key, got.status, diff)
				}
			}
		}
	}
	return n
}
