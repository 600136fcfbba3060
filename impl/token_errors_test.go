package impl_test

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// oauthCodes are the values of `error` by status: those of RFC 6749 section 5.2 and, for a server
// that can't serve, those of section 4.1.2.1.
var oauthCodes = map[int][]string{
	400: {"invalid_grant", "unsupported_grant_type"},
	401: {"invalid_grant"},
	403: {"invalid_request"},
	408: {"invalid_request"},
	413: {"invalid_request"},
	415: {"invalid_request"},
	422: {"invalid_request"},
	429: {"temporarily_unavailable"},
	500: {"server_error"},
	503: {"temporarily_unavailable"},
}

// descriptions matches the characters that RFC 6749 section 5.2 allows.
var descriptions = regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]+$`)

// wantOAuthError demands the form of RFC 6749 section 5.2 together with that of RFC 9457.
func wantOAuthError(t *testing.T, a impltest.Answer) {
	t.Helper()
	if got := a.Header.Values("Content-Type"); !slices.Equal(got, []string{"application/json"}) {
		t.Errorf("%d: Content-Type %q", a.Status, got)
	}
	if !slices.Contains(oauthCodes[a.Status], a.Text("error")) {
		t.Errorf("%d: error %q, want one of %q", a.Status, a.Text("error"), oauthCodes[a.Status])
	}
	description := a.Text("error_description")
	if !descriptions.MatchString(description) || description != a.Text("detail") {
		t.Errorf("%d: error_description %q beside detail %q", a.Status, description, a.Text("detail"))
	}
	if a.JSON("status") != float64(a.Status) || a.Text("title") == "" ||
		a.Text("type") != "/problems/"+a.Text("code") {
		t.Errorf("%d: no problem document: %s", a.Status, a.Body)
	}
	var want []string
	if a.Status == 401 {
		want = []string{"Bearer"}
	}
	if got := a.Header.Values("WWW-Authenticate"); !slices.Equal(got, want) {
		t.Errorf("%d: WWW-Authenticate %q, want %q", a.Status, got, want)
	}
}

// L-2: every error status of the token and the revocation endpoint has the form of RFC 6749 section
// 5.2.
func TestL2_EveryErrorOfTheTokenEndpoints(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Limits: true})
	h.Server.AddFault()
	h.MustRegister(t, "ada")
	_, token := login(t, h, "ada")
	impatient := h.With(t, impltest.Options{Timeouts: impl.Timeouts{Header: time.Second, Read: 200 * time.Millisecond}})
	withoutDatabase := h.On(t, impltest.NewPool(t))
	withoutDatabase.Pool.Close()
	bodies := map[string]string{
		impltest.LoginPath:  "username=ada%40example.com&password=" + url.QueryEscape(impltest.Password),
		impltest.RevokePath: "token=" + token,
	}
	for path, good := range bodies {
		send := func(h *impltest.Harness, body string, headers ...string) impltest.Answer {
			t.Helper()
			return h.Do(t, h.Request("POST", path, body, append([]string{"Content-Type", form}, headers...)...))
		}
		other := h.Request("POST", path, good, "Content-Type", "application/json")
		unfinished := impatient.Request("POST", path, "", "Content-Type", form)
		unfinished.Body, unfinished.ContentLength = unfinishedBody(t), 10
		answers := []impltest.Answer{
			send(h, good, "Sec-Fetch-Site", "cross-site", "Origin", "https://elsewhere.example"),
			impatient.Do(t, unfinished),
			send(h, strings.Repeat("a", 64<<10+1)),
			h.Do(t, other),
			send(h, "foo=1&foo=2"),
			send(h, good, impl.FaultHeader, "x"),
			send(withoutDatabase, good),
			starting(t, path, good),
		}
		if path == impltest.LoginPath {
			answers = append(answers, refusedGrants(t, h)...)
		}
		var got []int
		for _, a := range answers {
			wantOAuthError(t, a)
			got = append(got, a.Status)
		}
		slices.Sort(got)
		if diff := cmp.Diff(declaredErrors(t, path), slices.Compact(got)); diff != "" {
			t.Errorf("%s: the statuses (-declared +sent):\n%s", path, diff)
		}
	}
}

// refusedGrants returns errors that only the token endpoint has.
func refusedGrants(t *testing.T, h *impltest.Harness) []impltest.Answer {
	t.Helper()
	_, first := login(t, h, "ada")
	_, second := wantRefreshed(t, refresh(t, h, first))
	wantRefreshed(t, refresh(t, h, second))
	answers := []impltest.Answer{
		refresh(t, h, first),
		refresh(t, h, second),
		refresh(t, h, "nothing"),
		h.Login(t, "grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
		h.Login(t, "username", "ada@example.com", "password", "wrong"),
		h.Login(t),
	}
	for range 11 {
		answers = append(answers, h.Login(t, "username", "nobody@example.com", "password", "wrong"))
	}
	return answers
}

// starting returns the response of a server before its service can serve.
func starting(t *testing.T, path, body string) impltest.Answer {
	t.Helper()
	handler, err := impl.New(impl.Options{Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	res, err := server.Client().Post(server.URL+path, form, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	a, err := impltest.ReadAnswer("POST", path, res)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// unfinishedBody returns a body that doesn't end while the test runs.
func unfinishedBody(t *testing.T) io.ReadCloser {
	t.Helper()
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() })
	return r
}

// declaredErrors returns the statuses of errors that the contract declares for a POST.
func declaredErrors(t *testing.T, path string) []int {
	t.Helper()
	var all []int
	for _, text := range slices.Sorted(maps.Keys(impltest.Contract().Paths.Value(path).Post.Responses.Map())) {
		status, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		if status >= 400 {
			all = append(all, status)
		}
	}
	return all
}

// Requests that aren't operations of the contract get a problem document here too, as the
// introduction says.
func TestOtherMethodsOfTheTokenEndpoints(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	for _, path := range []string{impltest.LoginPath, impltest.RevokePath} {
		for _, method := range []string{"GET", "PUT", "DELETE", "OPTIONS"} {
			a := h.Do(t, h.Request(method, path, ""))
			if a.Status != 405 || a.Header.Get("Content-Type") != "application/problem+json" || a.JSON("error") != nil {
				t.Errorf("%s %s: got %d %v %s", method, path, a.Status, a.Header, a.Body)
			}
		}
		if a := h.Do(
			t,
			h.Request("POST", path+"x/", ""),
		); a.Status != 404 ||
			a.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%sx/: got %d %v", path, a.Status, a.Header)
		}
	}
}

// L-1: a form with fields of two grants is refused before anything is charged, used up or looked
// up. The error isn't invalid_grant, because a client would then drop its session.
func TestL1_FieldsOfAnotherGrant(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Limits: true})
	h.MustRegister(t, "ada")
	_, token := login(t, h, "ada")
	const refreshing, email = "grant_type=refresh_token&", "ada%40example.com"
	good := "refresh_token=" + token
	for name, row := range map[string]struct{ body, want string }{
		"a refresh with a username":        {refreshing + good + "&username=" + email, "/username not_allowed"},
		"a refresh with a password":        {refreshing + good + "&password=x", "/password not_allowed"},
		"a refresh with both":              {refreshing + good + "&username=a&password=x", "/password not_allowed /username not_allowed"},
		"a refresh with no token":          {refreshing, "/refresh_token required"},
		"a refresh with an empty token":    {refreshing + "refresh_token=", "/refresh_token required"},
		"a refresh with two tokens":        {refreshing + good + "&" + good, "/refresh_token duplicate"},
		"a refresh with a username alone":  {refreshing + "username=a", "/refresh_token required /username not_allowed"},
		"a login with a refresh token":     {"grant_type=password&username=" + email + "&password=x&" + good, "/refresh_token not_allowed"},
		"the same with an absent grant":    {"username=" + email + "&password=x&" + good, "/refresh_token not_allowed"},
		"a refresh token without a grant":  {good, "/refresh_token not_allowed"},
		"a refresh token and an empty one": {"grant_type=&" + good, "/refresh_token not_allowed"},
		"another fault beside":             {good + "&username=a%00b", "/refresh_token not_allowed /username invalid_character"},
		"a scope that is too long beside": {
			refreshing + "username=a&scope=" + strings.Repeat("a", 1025), "/refresh_token required /scope too_long /username not_allowed",
		},
	} {
		for range 11 { // more than a budget has at once
			a := h.Do(t, h.Request("POST", impltest.LoginPath, row.body, "Content-Type", form))
			got := strings.NewReplacer("[", "", "]", "").Replace(fmt.Sprint(violations(a)))
			if got != row.want || a.Status != 422 || a.Text("code") != "invalid_request" {
				t.Fatalf("%s: got %d %s, want %s", name, a.Status, a.Body, row.want)
			}
		}
	}
	if a := h.Login(t, "username", "ada@example.com", "password", impltest.Password); a.Status != 200 {
		t.Errorf("a login afterwards: got %d %s", a.Status, a.Body)
	}
	wantRefreshed(t, refresh(t, h, token))
}

// L-4: RFC 6749 section 3.2. A field that is empty or unknown makes no difference.
func TestL4_EmptyAndUnknownFieldsOfEachGrant(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	access, token := login(t, h, "ada")
	for _, more := range [][]string{
		{"username", "", "password", ""},
		{"foo", "bar", "audience", "x", "resource", "https://api.example.com"},
		{"scope", "", "client_id", "a", "client_secret", "b"},
	} {
		_, token = wantRefreshed(t, refresh(t, h, token, more...))
	}
	for _, more := range [][]string{{"refresh_token", ""}, {"foo", "bar"}, {"scope", " ", "client_id", "a", "client_secret", ""}} {
		a := h.Login(t, append([]string{"username", "ada@example.com", "password", impltest.Password}, more...)...)
		if a.Status != 200 {
			t.Errorf("%q: got %d %s", more, a.Status, a.Body)
		}
	}
	for _, body := range []string{
		"token=" + token + "&token_type_hint=&client_id=&client_secret=", "token=" + token + "&foo=bar", "token=" + access + "&client_id=a&client_secret=b",
	} {
		a := h.Do(t, h.Request("POST", impltest.RevokePath, body, "Content-Type", form, "Authorization", "Basic YTpi"))
		if a.Status != 200 {
			t.Errorf("%q: got %d %s", body, a.Status, a.Body)
		}
	}
}

// the revocation refuses these forms with the contract's codes, and revokes nothing.
func TestR4_BrokenForms(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	_, token := login(t, h, "ada")
	for name, row := range map[string]struct {
		query, body   string
		pointer, code string
	}{
		"no token":                              {"", "x=y", "/token", "required"},
		"no fields":                             {"", "", "/token", "required"},
		"a token without a value":               {"", "token=", "/token", "required"},
		"a token twice":                         {"", "token=" + token + "&token=" + token, "/token", "duplicate"},
		"a hint twice":                          {"", "token=" + token + "&token_type_hint=a&token_type_hint=a", "/token_type_hint", "duplicate"},
		"an unlisted field twice":               {"", "token=" + token + "&foo=1&foo=2", "/foo", "duplicate"},
		"an unlisted field that isn't in UTF-8": {"", "token=" + token + "&foo=%ff", "/foo", "malformed"},
		"a query string beside":                 {"?x=y", "token=" + token, "", "query_not_allowed"},
		"a token in the query as well":          {"?token=" + token, "token=" + token, "", "query_not_allowed"},
		"a hint that is too long":               {"", "token=" + token + "&token_type_hint=" + strings.Repeat("a", 65), "/token_type_hint", "too_long"},
		"more than 1,000 fields":                {"", "token=" + token + strings.Repeat("&", 1000), "", "malformed"},
	} {
		a := h.Do(t, h.Request("POST", impltest.RevokePath+row.query, row.body, "Content-Type", form))
		if diff := cmp.Diff([][2]string{{row.pointer, row.code}}, violations(a)); diff != "" || a.Status != 422 {
			t.Errorf("%s: got %d %s", name, a.Status, a.Body)
		}
	}
	wantRefreshed(t, refresh(t, h, token))
}
