package impl_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// changing are the operations that change something, as a page could send them.
func changing() map[string]string {
	all := map[string]string{}
	for path, item := range impltest.Contract().Paths.Map() {
		for method := range item.Operations() {
			if method != http.MethodGet {
				all[method+" "+strings.ReplaceAll(path, "{session_id}", "01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90")] = item.GetOperation(
					method,
				).OperationID
			}
		}
	}
	return all
}

// A request that a page of a foreign origin makes its visitor's browser send is refused at every
// operation that changes something, whichever header names the origin.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	h := letIn(t)
	refused := map[string][]string{
		"another site":              {"Sec-Fetch-Site", "cross-site", "Origin", otherOrigin},
		"another host of the site":  {"Sec-Fetch-Site", "same-site", "Origin", "http://other.localhost"},
		"another site, no origin":   {"Sec-Fetch-Site", "cross-site"},
		"an old browser":            {"Origin", otherOrigin},
		"a sandboxed frame":         {"Origin", "null"},
		"another port":              {"Origin", "http://127.0.0.1:1"},
		"an unknown word":           {"Sec-Fetch-Site", "elsewhere"},
		"an origin like one let in": {"Sec-Fetch-Site", "cross-site", "Origin", appOrigin + ".evil.example"},
		"a form's navigation": {
			"Sec-Fetch-Site",
			"cross-site",
			"Sec-Fetch-Mode",
			"navigate",
			"Origin",
			otherOrigin,
			"Content-Type",
			"text/plain",
		},
		"a form's navigation, no type": {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Origin", "null"},
	}
	operations := changing()
	if len(operations) < 6 {
		t.Fatalf("%d operations change something", len(operations))
	}
	for what, id := range operations {
		method, path, _ := strings.Cut(what, " ")
		for name, headers := range refused {
			a := h.Do(t, h.Request(method, path, "a=b", headers...))
			if a.Status != 403 || a.Text("code") != "cross_origin" || a.Header.Get("WWW-Authenticate") != "" {
				t.Errorf("%s from %s: got %d %s", id, name, a.Status, a.Body)
			}
		}
	}
	for name, headers := range map[string][]string{
		"no page":                {},
		"our own page":           {"Sec-Fetch-Site", "same-origin", "Origin", h.URL},
		"our own, an old one":    {"Origin", h.URL},
		"our own behind a proxy": {"Sec-Fetch-Site", "same-origin", "Origin", "https://auth.example.com"},
		"typed by the user":      {"Sec-Fetch-Site", "none"},
		"an origin let in":       {"Sec-Fetch-Site", "cross-site", "Origin", appOrigin},
		"let in, an old browser": {"Origin", appOrigin},
	} {
		for what, id := range operations {
			method, path, _ := strings.Cut(what, " ")
			if a := h.Do(t, h.Request(method, path, "", headers...)); a.Status == 403 {
				t.Errorf("%s from %s: got %d %s", id, name, a.Status, a.Body)
			}
		}
	}
	// Reading changes nothing, so it is let through: the page can't see the response.
	if a := h.Do(t, h.Request("GET", impltest.MePath, "", refused["another site"]...)); a.Status != 401 {
		t.Errorf("GET: got %d %s", a.Status, a.Body)
	}
}

// If a proxy rewrites Host, the public URL decides which pages are our own.
func TestCrossOriginOfThePublicURL(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{PublicURL: "https://auth.example.com/auth"})
	for origin, want := range map[string]int{"https://auth.example.com": 401, "http://auth.example.com": 403, "https://example.com": 403} {
		r := h.LoginRequest("username", "ada@example.com", "password", "x")
		r.Header.Set("Origin", origin)
		if a := h.Do(t, r); a.Status != want {
			t.Errorf("%s: got %d %s, want %d", origin, a.Status, a.Body, want)
		}
	}
}

// Ten posts of the login's form by a page cost nothing of the budget of the visitor's address.
func TestL5_CrossOriginIsNotCharged(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Limits: true})
	h.MustRegister(t, "ada")
	for i := range 120 {
		r := h.LoginRequest("username", "ada@example.com", "password", "wrong "+strconv.Itoa(i))
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		if a := h.Do(t, r); a.Status != 403 {
			t.Fatalf("got %d %s", a.Status, a.Body)
		}
	}
	for i := range 10 {
		if a := h.Login(t, "username", "ada@example.com", "password", "wrong "+strconv.Itoa(i)); a.Status != 401 {
			t.Fatalf("guess %d: got %d %s", i, a.Status, a.Body)
		}
	}
	if a := h.Login(t, "username", "ada@example.com", "password", "wrong"); a.Status != 429 {
		t.Errorf("the eleventh guess: got %d %s", a.Status, a.Body)
	}
}

// A page of an allowed origin may send any header that its libraries use. Any page may read what is
// public.
func TestCORS_AskedHeaders(t *testing.T) {
	t.Parallel()
	h := letIn(t)
	for name, row := range map[string]struct {
		path, origin, asked string
		allowedOrigin, want string
		status              int
	}{
		"tracing":             {impltest.LoginPath, appOrigin, "traceparent,tracestate,sentry-trace,baggage", appOrigin, "traceparent,tracestate,sentry-trace,baggage", 204},
		"none":                {impltest.LoginPath, appOrigin, "", appOrigin, "", 204},
		"no names":            {impltest.LoginPath, appOrigin, "a b,c", appOrigin, "", 204},
		"a line feed":         {impltest.LoginPath, appOrigin, "a\tb", appOrigin, "", 204},
		"too many":            {impltest.LoginPath, appOrigin, strings.Repeat("a,", 64) + "a", appOrigin, "", 204},
		"another origin":      {impltest.LoginPath, otherOrigin, "traceparent", "", "", 405},
		"the keys":            {impltest.KeysPath, otherOrigin, "traceparent", "*", "traceparent", 204},
		"the metadata":        {impltest.MetadataPath, "null", "x-a", "*", "x-a", 204},
		"nothing":             {"/.well-known/nothing", otherOrigin, "x-a", "", "", 404},
		"outside of the API":  {"/healthz", appOrigin, "x-a", "", "", 405},
		"a path with an id":   {impltest.SessionsPath + "x/", appOrigin, "authorization", appOrigin, "authorization", 204},
		"a path with no such": {"/api/nothing/", appOrigin, "authorization", "", "", 404},
	} {
		r := h.Request("OPTIONS", row.path, "", "Origin", row.origin, "Access-Control-Request-Method", "GET")
		if row.asked != "" {
			r.Header.Set("Access-Control-Request-Headers", row.asked)
		}
		// Not through Harness.Do: a preflight is not an operation of the contract.
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		got := res.Header
		if res.StatusCode != row.status || got.Get("Access-Control-Allow-Origin") != row.allowedOrigin ||
			got.Get("Access-Control-Allow-Headers") != row.want {
			t.Errorf("%s: got %d %v", name, res.StatusCode, accessControl(got))
		}
	}
}

// RFC 9110 section 9.3.2: every GET has a HEAD with the same status and headers and without a body.
func TestHead(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	for _, path := range []string{
		impltest.MePath, "/api/users/me", impltest.SessionsPath, impltest.KeysPath, impltest.MetadataPath, "/healthz", "/readyz", "/docs", "/openapi.json",
		"/openapi.yaml", "/docs/swagger-ui.css", "/nothing", "/api/nothing/", "/", "/docs/", impltest.LoginPath, impltest.RegisterPath,
	} {
		var answers [2]*http.Response
		for i, method := range []string{http.MethodGet, http.MethodHead} {
			res, err := http.DefaultTransport.RoundTrip(
				h.Request(method, path, "", "Authorization", "Bearer "+token, "Accept-Encoding", "identity"),
			)
			if err != nil {
				t.Fatal(err)
			}
			if err := res.Body.Close(); err != nil {
				t.Fatal(err)
			}
			answers[i] = res
		}
		get, head := answers[0], answers[1]
		if head.StatusCode != get.StatusCode {
			t.Errorf("%s: HEAD got %d, GET %d", path, head.StatusCode, get.StatusCode)
		}
		for name := range get.Header {
			if name != "X-Request-Id" && name != "Date" && name != "Content-Length" &&
				head.Header.Get(name) != get.Header.Get(name) {
				t.Errorf("%s: HEAD has %s %q, GET %q", path, name, head.Header.Get(name), get.Header.Get(name))
			}
		}
		if head.ContentLength > 0 && head.ContentLength != get.ContentLength {
			t.Errorf("%s: HEAD has %d bytes, GET %d", path, head.ContentLength, get.ContentLength)
		}
	}
	for path, want := range map[string]string{"/": "docs", "/docs/": "../docs"} {
		res, err := http.DefaultTransport.RoundTrip(h.Request("GET", path, ""))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != 302 || res.Header.Get("Location") != want {
			t.Errorf("%s: got %d to %q", path, res.StatusCode, res.Header.Get("Location"))
		}
	}
	if log := h.Log.String(); !strings.Contains(log, "method=HEAD path=/api/users/me/ status=200") {
		t.Error("the log has no HEAD")
	}
}
