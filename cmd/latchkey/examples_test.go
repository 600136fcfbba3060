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

// How the errors that the contract shows come about, by the operation and the example's name. Those that need a broken
// server are held by the tests of impl.
var shown = map[string]func(server string) (answer, error){
	"RegisterUser email_taken": func(server string) (answer, error) {
		return postJSON(server, `{"email": "Ada@example.com", "username": "other", "password": "correct horse battery staple"}`)
	},
	"RegisterUser username_taken": func(server string) (answer, error) {
		return postJSON(server, `{"email": "other@example.com", "username": "Ada", "password": "correct horse battery staple"}`)
	},
	"RegisterUser body_too_large": func(server string) (answer, error) {
		return postJSON(server, strings.Repeat(" ", 65537))
	},
	"RegisterUser unsupported_media_type": func(server string) (answer, error) {
		return do("POST", server+impltest.RegisterPath, "text/plain", "", "ada")
	},
	"RegisterUser invalid_request": func(server string) (answer, error) {
		return postJSON(server, `{"email": "a@b", "password": "short", "is_superuser": true}`)
	},
	"Login invalid_credentials":    func(server string) (answer, error) { return login(server, "ada@example.com", "not this one") },
	"Login unsupported_grant_type": func(server string) (answer, error) { return postForm(server, "grant_type=client_credentials") },
	"Login body_too_large":         func(server string) (answer, error) { return postForm(server, strings.Repeat("a", 65537)) },
	"Login unsupported_media_type": func(server string) (answer, error) {
		return do("POST", server+impltest.LoginPath, "application/json", "", "{}")
	},
	"Login invalid_request": func(server string) (answer, error) {
		return postForm(server, "username=ada%40example.com&username=b&password=c")
	},
	"GetCurrentUser not_authenticated": func(server string) (answer, error) { return me(server, "") },
	"GetCurrentUser invalid_token":     func(server string) (answer, error) { return me(server, "e30.e30.e30") },
	"GetCurrentUser ambiguous_credentials": func(server string) (answer, error) {
		return do("GET", server+impltest.MePath+"?access_token=a", "", "b", "")
	},
}

func postJSON(server, body string) (answer, error) {
	return do("POST", server+impltest.RegisterPath, "application/json", "", body)
}

func postForm(server, body string) (answer, error) {
	return do("POST", server+impltest.LoginPath, "application/x-www-form-urlencoded", "", body)
}

// TestExamples sends each request that the contract shows to the binary, in the order of the paths, which is that of a first
// session; it must succeed. And it makes the binary give the errors that the contract shows.
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
		t.Errorf("%d errors were compared, and this test knows of %d", answers, len(shown))
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

// compareAnswers holds what is shown of an operation's errors to what the binary answers, and counts them.
func compareAnswers(t *testing.T, server string, op *openapi3.Operation) (n int) {
	t.Helper()
	for status, response := range op.Responses.Map() {
		for _, media := range response.Value.Content {
			for name, example := range media.Examples {
				ask := shown[op.OperationID+" "+name]
				if ask == nil {
					continue
				}
				n++
				got, err := ask(server)
				if err != nil {
					t.Errorf("%s %s: %v", op.OperationID, name, err)
					continue
				}
				var body any
				if err := json.Unmarshal([]byte(got.body), &body); err != nil {
					t.Errorf("%s %s: %v", op.OperationID, name, err)
				}
				if diff := cmp.Diff(example.Value.Value, body); diff != "" || fmt.Sprint(got.status) != status {
					t.Errorf("%s %s: answered %d (-shown +answered):\n%s", op.OperationID, name, got.status, diff)
				}
			}
		}
	}
	return n
}
