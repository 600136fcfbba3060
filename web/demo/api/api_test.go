package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/authn"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

const page = "http://127.0.0.1:5173"

// api is the API over HTTP, for the tokens of a real server.
type api struct {
	url    string
	server *impltest.Harness
}

func newAPI(t *testing.T, change ...func(*authn.Options)) api {
	t.Helper()
	h := impltest.New(t)
	o := authn.Options{URL: h.URL, Issuer: "latchkey", Audience: "latchkey:auth", Now: h.Clock.Now}
	for _, f := range change {
		f(&o)
	}
	verifier, err := authn.NewVerifier(o)
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(newHandler(verifier, page, h.Clock.Now))
	t.Cleanup(listener.Close)
	return api{listener.URL, h}
}

// answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// send sends a request. Headers are pairs of name and value.
func send(t *testing.T, method, url, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(data)}
}

func (a api) as(t *testing.T, token, method, path, body string) answer {
	t.Helper()
	return send(t, method, a.url+path, body, "Authorization", "Bearer "+token)
}

// add adds a note and returns its id.
func (a api) add(t *testing.T, token, text string) string {
	t.Helper()
	added := a.as(t, token, "POST", "/notes", fmt.Sprintf(`{"text":%q}`, text))
	var got note
	if err := json.Unmarshal([]byte(added.body), &got); err != nil || added.status != http.StatusCreated || got.ID == "" {
		t.Fatalf("got %d %s, %v", added.status, added.body, err)
	}
	return got.ID
}

// texts returns the notes that the holder of a token sees.
func (a api) texts(t *testing.T, token string) string {
	t.Helper()
	listed := a.as(t, token, "GET", "/notes", "")
	var got struct{ Notes []note }
	if err := json.Unmarshal([]byte(listed.body), &got); err != nil || listed.status != http.StatusOK {
		t.Fatalf("got %d %s, %v", listed.status, listed.body, err)
	}
	var texts []string
	for _, one := range got.Notes {
		texts = append(texts, one.Text)
	}
	return strings.Join(texts, ", ")
}

// wantProblem checks the whole form of a refused request.
func wantProblem(t *testing.T, got answer, status int, code string) {
	t.Helper()
	var p struct {
		Status              int
		Title, Detail, Code string
	}
	err := json.Unmarshal([]byte(got.body), &p)
	if err != nil || got.status != status || p.Status != status || p.Code != code || p.Title == "" || p.Detail == "" ||
		got.header.Get("Content-Type") != "application/problem+json" || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %v %s, want %d %s", got.status, got.header, got.body, status, code)
	}
}

func TestNotesBelongToTheUserOfTheToken(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	ada, bob := a.server.MustRegister(t, "ada"), a.server.MustRegister(t, "bob")
	if got := a.as(t, ada, "GET", "/notes", ""); got.body != "{\"notes\":[]}\n" {
		t.Errorf("got %s", got.body)
	}
	first := a.add(t, ada, " milk ")
	a.add(t, ada, "bread")
	theirs := a.add(t, bob, "tea")
	for token, want := range map[string]string{ada: "bread, milk", bob: "tea"} {
		if got := a.texts(t, token); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	wantProblem(t, a.as(t, ada, "DELETE", "/notes/"+theirs, ""), 404, "note_not_found")
	if got := a.texts(t, bob); got != "tea" {
		t.Errorf("got %s", got)
	}
	if got := a.as(t, ada, "DELETE", "/notes/"+first, ""); got.status != 204 || got.body != "" {
		t.Errorf("got %d %s", got.status, got.body)
	}
	wantProblem(t, a.as(t, ada, "DELETE", "/notes/"+first, ""), 404, "note_not_found")
	if got := a.texts(t, ada); got != "bread" {
		t.Errorf("got %s", got)
	}
	// The user is renamed, and another one gets the name. The notes stay with the user.
	renamed := a.server.Do(t, a.server.Request("PATCH", impltest.MePath, `{"username":"augusta"}`,
		"Content-Type", "application/merge-patch+json", "Authorization", "Bearer "+ada))
	again := a.server.Login(t, "username", "ada@example.com", "password", impltest.Password)
	if got := a.texts(t, again.Text("access_token")); renamed.Status != 200 || got != "bread" {
		t.Errorf("got %d %s and %s", renamed.Status, renamed.Body, got)
	}
	namesake := a.server.Register(t, "other@example.com", "ada", impltest.Password)
	if got := a.texts(t, namesake.Text("token.access_token")); got != "" {
		t.Errorf("got %s", got)
	}
}

func TestNotesNeedAValidToken(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	token := a.server.MustRegister(t, "ada")
	for _, path := range []string{"GET /notes", "POST /notes", "DELETE /notes/1"} {
		method, path, _ := strings.Cut(path, " ")
		missing := send(t, method, a.url+path, "")
		wantProblem(t, missing, 401, "not_authenticated")
		if got := missing.header.Get("WWW-Authenticate"); got != "Bearer" {
			t.Errorf("got %s", got)
		}
		wantProblem(t, a.as(t, token+"x", method, path, ""), 401, "invalid_token")
	}
	a.server.Clock.Advance(16 * time.Minute) // beyond the token's life and the leeway
	wantProblem(t, a.as(t, token, "GET", "/notes", ""), 401, "invalid_token")

	for name, other := range map[string]func(*authn.Options){
		"issuer":   func(o *authn.Options) { o.Issuer = "https://other.example.com" },
		"audience": func(o *authn.Options) { o.Audience = "another:api" },
	} {
		b := newAPI(t, other)
		got := b.as(t, b.server.MustRegister(t, "ada"), "GET", "/notes", "")
		if got.status == http.StatusOK {
			t.Errorf("a token for another %s: got %d %s", name, got.status, got.body)
		}
	}
}

func TestNotesRefuse(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	ada, bob := a.server.MustRegister(t, "ada"), a.server.MustRegister(t, "bob")
	long := strings.Repeat("ö", maxText)
	for name, row := range map[string]struct {
		body, code string
		status     int
	}{
		"no text":      {`{}`, "invalid_text", 422},
		"blanks":       {`{"text":" \n "}`, "invalid_text", 422},
		"too long":     {`{"text":"` + long + `x"}`, "invalid_text", 422},
		"a number":     {`{"text":1}`, "invalid_body", 400},
		"no JSON":      {`text`, "invalid_body", 400},
		"more":         {`{"text":"a"}{"text":"b"}`, "invalid_body", 400},
		"a large body": {`{"text":"` + strings.Repeat(" ", maxBody) + `"}`, "body_too_large", 413},
	} {
		t.Log(name)
		wantProblem(t, a.as(t, ada, "POST", "/notes", row.body), row.status, row.code)
	}
	wantProblem(t, a.as(t, ada, "PUT", "/notes", ""), 404, "not_found")
	wantProblem(t, a.as(t, ada, "GET", "/elsewhere", ""), 404, "not_found")

	for range maxNotes {
		a.add(t, ada, long)
	}
	wantProblem(t, a.as(t, ada, "POST", "/notes", `{"text":"one more"}`), 409, "too_many_notes")
	a.add(t, bob, "of another user")
}

func TestNotesAreBoundedOverAllUsers(t *testing.T) {
	t.Parallel()
	n := &notes{byUser: map[string][]note{}}
	for i := range maxUsers {
		if refused := n.keep(fmt.Sprint(i), note{}); refused != nil {
			t.Fatal(refused)
		}
	}
	if refused := n.keep("one more", note{}); refused != &errFull {
		t.Errorf("got %v", refused)
	}
	if refused := n.keep("0", note{}); refused != nil {
		t.Errorf("a user with notes: got %v", refused)
	}
}

func TestOnlyThePageMayReadTheNotes(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	preflight := []string{"Access-Control-Request-Method", "DELETE", "Access-Control-Request-Headers", "authorization"}
	allowed := send(t, "OPTIONS", a.url+"/notes/1", "", append(preflight, "Origin", page)...)
	if allowed.status != 204 || allowed.header.Get("Access-Control-Allow-Origin") != page ||
		allowed.header.Get("Access-Control-Allow-Methods") != "GET, POST, DELETE" ||
		allowed.header.Get("Access-Control-Allow-Headers") != "Authorization, Content-Type" {
		t.Errorf("got %d %v", allowed.status, allowed.header)
	}
	// The page reads the challenge of a refused token.
	refused := send(t, "GET", a.url+"/notes", "", "Origin", page)
	if refused.status != 401 || refused.header.Get("Access-Control-Allow-Origin") != page ||
		!strings.Contains(refused.header.Get("Access-Control-Expose-Headers"), "WWW-Authenticate") {
		t.Errorf("got %d %v", refused.status, refused.header)
	}
	for _, other := range []string{"http://127.0.0.1:5174", "http://localhost:5173", "https://127.0.0.1:5173", "null"} {
		for _, got := range []answer{
			send(t, "OPTIONS", a.url+"/notes/1", "", append(preflight, "Origin", other)...),
			send(t, "GET", a.url+"/notes", "", "Origin", other),
		} {
			if got.status < 400 || got.header.Get("Access-Control-Allow-Origin") != "" || got.header.Get("Vary") != "Origin" {
				t.Errorf("%s: got %d %v", other, got.status, got.header)
			}
		}
		if got := send(t, "GET", a.url+"/livez", "", "Origin", other); got.status != 200 ||
			got.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: got %d %v", other, got.status, got.header)
		}
	}
}

func TestRunServesUntilItIsStopped(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	environment := map[string]string{"NOTES_ADDR": "127.0.0.1:0", "NOTES_LATCHKEY_URL": "http://127.0.0.1:1"}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, said := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		args := []string{"-latchkey", h.URL} // before the variable
		ended <- run(ctx, args, func(name string) string { return environment[name] }, said, io.Discard)
		_ = said.Close()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err, <-ended)
	}
	url := strings.TrimSuffix(strings.Fields(line)[4], ",")
	if got := send(t, "GET", url+"/notes", "", "Authorization", "Bearer "+token); got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	var stdout, stderr strings.Builder
	taken := []string{"-addr", strings.TrimPrefix(url, "http://")}
	if err := run(ctx, taken, func(string) string { return "" }, &stdout, &stderr); err == nil || stdout.Len() > 0 {
		t.Errorf("on a port in use: got %v %s", err, &stdout)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRunRefusesWrongSettings(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-latchkey", "example.com"}, {"-audience", ""}, {"-addr", "nowhere"}, {"-none"}, {"more"},
	} {
		var stderr strings.Builder
		err := run(t.Context(), args, func(string) string { return "" }, io.Discard, &stderr)
		if err == nil || errors.Is(err, flag.ErrHelp) {
			t.Errorf("%q: got %v", args, err)
		}
	}
	var stderr strings.Builder
	err := run(t.Context(), []string{"--help"}, func(string) string { return "" }, io.Discard, &stderr)
	for _, name := range []string{"NOTES_ADDR", "NOTES_ORIGIN", "NOTES_LATCHKEY_URL", "NOTES_ISSUER", "NOTES_AUDIENCE"} {
		if !errors.Is(err, flag.ErrHelp) || !strings.Contains(stderr.String(), name) {
			t.Errorf("%s: got %v %s", name, err, &stderr)
		}
	}
}
