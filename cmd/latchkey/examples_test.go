package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// TestExamples sends each example request of the contract to the binary. The order is that of the
// paths, and each request must succeed. Then it provokes each example error of the contract, except
// for those in excused.
func TestExamples(t *testing.T) {
	t.Parallel()
	s := startShown(t)
	paths := impltest.Contract().Paths.Map()
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		for method, op := range paths[path].Operations() {
			if op.RequestBody != nil {
				sendExamples(t, s, method, path, op)
			}
		}
	}
	a, err := login(s.url, "ada@example.com", impltest.Password)
	if err != nil {
		t.Fatal(err)
	}
	s.ada = grantOf(a)

	shown := shownErrors(impltest.Contract())
	if err := complete(shown, asked()); err != nil {
		t.Error(err)
	}
	for _, stage := range stages {
		stage.prepare(t, s)
		t.Run(stage.name, func(t *testing.T) {
			for name, ask := range stage.asks {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					compareAnswer(t, shown[name], ask, s)
				})
			}
		})
	}
}

// sendExamples sends each example of one request body. If the schema has an example of its own, it
// must be one of them. A refresh token in an example isn't from this server, so a fresh one
// replaces it. A code in an example was never mailed, so the response says that. An operation that
// requires a token gets that of a new user, or of the superuser for a new user.
func sendExamples(t *testing.T, s *shownServer, method, path string, op *openapi3.Operation) {
	t.Helper()
	for mediaType, media := range op.RequestBody.Value.Content {
		if len(media.Examples) == 0 {
			t.Errorf("%s %s: no example", method, path)
		}
		var values []any
		for name, example := range media.Examples {
			values = append(values, example.Value.Value)
			sent := maps.Clone(example.Value.Value.(map[string]any))
			if _, is := sent["refresh_token"]; is {
				fresh, err := login(s.url, "eve@example.com", impltest.Password)
				if err != nil {
					t.Fatal(err)
				}
				sent["refresh_token"] = grantOf(fresh).refresh
			}
			send := operatorOperation{method: method, path: path, mediaType: mediaType, body: encode(mediaType, sent)}
			token := ""
			switch {
			case slices.Contains(op.Tags, "operators"):
				send.path, send.ifMatch = strings.ReplaceAll(path, "{user_id}", idOf(t, s, newUser(t, s))), "*"
				token = s.root.access
			case impltest.AsksForToken(op):
				token = newUser(t, s)
			}
			a, err := send.by(func(*shownServer) string { return token })(s)
			isCode := (sent["code"] != nil || sent["token"] != nil) && strings.Contains(a.body, `"code":"invalid_code"`)
			if err != nil || a.status >= http.StatusBadRequest && !isCode {
				t.Errorf("%s %s: example %s: %v %v", method, path, name, a, err)
			}
		}
		alone := media.Schema.Value.Example
		if alone != nil && !slices.ContainsFunc(values, func(v any) bool { return cmp.Equal(v, alone) }) {
			t.Errorf("%s %s: the schema's example is no request's", method, path)
		}
	}
}

// newUser registers a user, and returns its access token.
func newUser(t *testing.T, s *shownServer) string {
	t.Helper()
	name := "example-" + strings.ToLower(rand.Text())
	a, err := register(s.url, name+"@example.com", name, impltest.Password)
	if err != nil || a.status != http.StatusCreated {
		t.Fatalf("%v %v", a, err)
	}
	return grantOf(a).access
}

// idOf returns the id of the user of a token.
func idOf(t *testing.T, s *shownServer, token string) string {
	t.Helper()
	a, err := me(s.url, token)
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("%v %v", a, err)
	}
	return impltest.Answer{Body: []byte(a.body)}.Text("id")
}

func encode(mediaType string, value map[string]any) string {
	if mediaType != formType {
		text, err := json.Marshal(value)
		if err != nil {
			panic(err) // it came from JSON
		}
		return string(text)
	}
	form := url.Values{}
	for name, v := range value {
		form.Set(name, fmt.Sprint(v))
	}
	return form.Encode()
}

// shownError is an example of an error.
type shownError struct {
	status string
	body   any
}

// shownErrors returns the example errors of the contract. The key is the operation and the
// example's name, which is its code.
func shownErrors(contract *openapi3.T) map[string]shownError {
	all := map[string]shownError{}
	for _, item := range contract.Paths.Map() {
		for _, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				for _, media := range response.Value.Content {
					for name, example := range media.Examples {
						all[op.OperationID+" "+name] = shownError{status, example.Value.Value}
					}
				}
			}
		}
	}
	return all
}

// asked returns the errors that some stage provokes.
func asked() map[string]bool {
	names := map[string]bool{}
	for _, stage := range stages {
		for name := range stage.asks {
			names[name] = true
		}
	}
	return names
}

// complete fails if an example error is neither provoked nor excused, or is both. It also fails if
// an error that is provoked or excused isn't in the contract.
func complete(shown map[string]shownError, asked map[string]bool) error {
	var wrong []string
	for name := range shown {
		isExcused := isExcused(name)
		switch {
		case !asked[name] && !isExcused:
			wrong = append(wrong, name+" is shown, but neither asked for nor excused")
		case asked[name] && isExcused:
			wrong = append(wrong, name+" is asked for, but also excused")
		}
	}
	for _, name := range append(slices.Collect(maps.Keys(asked)), slices.Collect(maps.Keys(excused))...) {
		if _, is := shown[name]; !is {
			wrong = append(wrong, name+" is not shown")
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return fmt.Errorf("%s", strings.Join(wrong, "\n"))
}

// An example that no stage provokes, or that is gone, fails the run.
func TestExamplesAreComplete(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(shown map[string]shownError){
		"a new example":         func(shown map[string]shownError) { shown["Login out_of_tea"] = shownError{} },
		"one that is gone":      func(shown map[string]shownError) { delete(shown, "Login rate_limited") },
		"an excuse for nothing": func(shown map[string]shownError) { delete(shown, "Login overloaded") },
	} {
		shown := shownErrors(impltest.Contract())
		if change(shown); complete(shown, asked()) == nil {
			t.Errorf("%s passes", what)
		}
	}
}

// compareAnswer compares the example of an error with the binary's response. The request id and the
// request for a code differ each time.
func compareAnswer(t *testing.T, shown shownError, ask ask, s *shownServer) {
	t.Helper()
	got, err := ask(s)
	if err != nil {
		t.Fatalf("%v: %v", got, err)
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Fatalf("%v: %v", got, err)
	}
	want, _ := shown.body.(map[string]any)
	want = maps.Clone(want)
	for _, name := range []string{"request_id", "request"} {
		if _, is := want[name]; is {
			want[name] = body[name]
		}
	}
	if diff := cmp.Diff(want, body); diff != "" || fmt.Sprint(got.status) != shown.status {
		t.Errorf("answered %d, want %s (-shown +answered):\n%s", got.status, shown.status, diff)
	}
}

// The durations in the contract's introduction are the defaults of the settings.
func TestIntroductionTellsTheDefaults(t *testing.T) {
	t.Parallel()
	defaults := map[string]string{}
	for _, k := range known() {
		defaults[strings.TrimPrefix(k.name, prefix)] = k.standard
	}
	introduction := strings.Join(strings.Fields(impltest.Contract().Info.Description), " ")
	for name, phrase := range map[string]string{
		"ACCESS_TOKEN_TTL":     "short-lived (%s by default)",
		"REFRESH_TOKEN_TTL":    "is good for %s since the last time",
		"SESSION_TTL":          "a session for %s in all",
		"REFRESH_REUSE_WINDOW": "again within %s gets the same successor",
	} {
		d, err := time.ParseDuration(defaults[name])
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(phrase, inWords(d)); !strings.Contains(introduction, want) {
			t.Errorf("%s is %s, but the introduction doesn't say %q", name, d, want)
		}
	}
}

// inWords writes a duration in the largest unit of which it is a whole number.
func inWords(d time.Duration) string {
	for _, unit := range []struct {
		name string
		long time.Duration
	}{{"days", 24 * time.Hour}, {"hours", time.Hour}, {"minutes", time.Minute}} {
		if d >= unit.long && d%unit.long == 0 {
			return fmt.Sprintf("%d %s", d/unit.long, unit.name)
		}
	}
	return fmt.Sprintf("%d seconds", d/time.Second)
}
