package impl_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

const form = "application/x-www-form-urlencoded"

// Every served route is in the contract, except the pages that show the contract itself.
func TestEveryRouteIsDeclared(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	declared := 0
	// The spellings of a parameter: the router's, and the contract's.
	parameter := regexp.MustCompile(`:([a-z_]+)`)
	for _, route := range h.Server.Routes() {
		method, path, _ := strings.Cut(route, " ")
		if item := impltest.Contract().Paths.Value(
			parameter.ReplaceAllString(path, "{$1}"),
		); item != nil &&
			item.GetOperation(method) != nil {
			declared++
			continue
		}
		if !impltest.IsContractPage(path) {
			t.Errorf("%s is served and not declared", route)
		}
	}
	want := 0
	for _, item := range impltest.Contract().Paths.Map() {
		want += len(item.Operations())
	}
	if declared != want {
		t.Errorf("%d declared operations are served, want %d", declared, want)
	}
}

// H-8: only the contract's own paths are served, with and without their last slash. Nothing is
// redirected.
func TestH8_Paths(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "ada", auth.RoleSuperuser, impltest.AllScopes)
	for path, want := range map[string]int{
		"/api/users/me/": 200, "/api/users/me": 200, "/healthz": 200, "/readyz": 200,
		"/": 302, "/docs/": 302, "/api": 404, "/api/": 404, "/nothing": 404, "/healthz/": 404, "//api/users/me/": 404,
		"/api//users/me/": 404, "/api/users/me//": 404, "/api/users/x/../me/": 404, "/api/users/%2e%2e/users/me/": 404,
		"/api/users/me;x/": 404, "/api/users/me%2f": 404, "/api/users/%00": 404, "/api/users/me%00": 404, "/API/users/me/": 404,
		"/api/users/me/x": 404, "/%ff": 404, "/api/users/me/sessions/": 200, "/api/users/me/sessions//": 404,
	} {
		// Over a plain connection, because http.Client would clean some of these paths.
		answers := rawAnswers(
			t,
			h,
			"GET "+path,
			"GET "+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+"\r\nConnection: close\r\n\r\n",
		)
		if len(answers) != 1 || answers[0].StatusCode != want {
			t.Errorf("%s: got %v, want %d", path, statuses(answers), want)
		}
	}
}

// Every response has the headers that the contract declares once for all, whether a handler, the
// router, the middleware or a page has written it. The harness checks the operations' responses.
func TestEveryAnswerCarriesTheCommonHeaders(t *testing.T) {
	t.Parallel()
	h := letIn(t)
	preflight := []string{"Origin", appOrigin, "Access-Control-Request-Method", "POST"}
	type row struct {
		method, path string
		status       int
		own          []string // the headers that this answer has with a value of its own
		headers      []string
	}
	rows := []row{
		{"GET", "/nothing", 404, nil, nil},
		{"DELETE", "/healthz", 405, nil, nil},
		{"OPTIONS", "/healthz", 405, nil, nil},
		{
			"HEAD",
			"/healthz",
			200,
			nil,
			nil,
		},
		{"HEAD", "/nothing", 404, nil, nil},
		{"GET", "/", 302, nil, nil},
		{"GET", "/docs/", 302, nil, nil},
		{"GET", impltest.MePath, 401, nil, []string{"Origin", appOrigin}},
		{"OPTIONS", impltest.LoginPath, 204, []string{"Vary"}, preflight},
		{"OPTIONS", impltest.KeysPath, 204, []string{"Access-Control-Allow-Origin", "Vary"}, preflight},
		{"GET", "/openapi.json", 304, []string{"Cache-Control", "Vary"}, []string{"If-None-Match", "*"}},
	}
	pages := 0
	for _, route := range h.Server.Routes() {
		method, path, _ := strings.Cut(route, " ")
		if !impltest.IsContractPage(path) || path == "/" || path == "/docs/" {
			continue
		}
		pages++
		own := []string{"Cache-Control", "Vary"}
		if path == "/docs" {
			own = append(own, "Content-Security-Policy")
		}
		rows = append(rows, row{method, path, 200, own, nil}, row{"POST", path, 405, nil, nil})
	}
	if pages < 7 {
		t.Errorf("%d pages", pages)
	}
	for _, row := range rows {
		res, err := http.DefaultTransport.RoundTrip(h.Request(row.method, row.path, "", row.headers...))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != row.status {
			t.Errorf("%s %s: got %d, want %d", row.method, row.path, res.StatusCode, row.status)
		}
		if err := impltest.CheckCommonHeaders(res.Header, row.own...); err != nil {
			t.Errorf("%s %s: %v", row.method, row.path, err)
		}
	}
}

// net/http would respond to it itself, without the common headers.
func TestOptionsOfTheServerItself(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	answers := rawAnswers(t, h, "OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if len(answers) != 1 || answers[0].StatusCode != 404 {
		t.Errorf("got %v, want 404", statuses(answers))
	}
}

func TestMethodNotAllowed(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	for path, want := range map[string]string{
		"/api/users/": "GET, HEAD, POST", "/api/users": "GET, HEAD, POST", "/api/users/me/sessions/x/": "DELETE", "/healthz": "GET, HEAD",
		"/readyz": "GET, HEAD", "/api/users/complete/": "POST", "/api/users/password-resets": "POST", "/api/users/me/password/": "PUT",
	} {
		for _, method := range []string{"PATCH", "OPTIONS", "TRACE", "DELETE"} {
			if strings.Contains(want, method) {
				continue
			}
			a := h.Do(t, h.Request(method, path, ""))
			if a.Status != 405 || a.Header.Get("Allow") != want {
				t.Errorf("%s %s: got %d, Allow %q", method, path, a.Status, a.Header.Get("Allow"))
			}
		}
	}
}

func statuses(answers []*http.Response) []int {
	var all []int
	for _, a := range answers {
		all = append(all, a.StatusCode)
	}
	return all
}

// H-6: no origin is allowed by default, and none is echoed.
func TestH6_NoOriginIsLetIn(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	for _, origin := range []string{"https://evil.example", "null", h.URL} {
		for _, method := range []string{"GET", "OPTIONS"} {
			r := h.Request(method, impltest.MePath, "", "Origin", origin, "Authorization", "Bearer "+token,
				"Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization")
			for name := range h.Do(t, r).Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s from %s: %s is sent", method, origin, name)
				}
			}
		}
	}
}

// H-3: only the socket decides where a request comes from.
func TestH3_ForwardingHeadersAreNotTrusted(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.Do(t, h.Request("GET", impltest.MePath, "", "X-Forwarded-For", "203.0.113.7", "X-Real-Ip", "203.0.113.7",
		"Forwarded", "for=203.0.113.7", "X-Forwarded-Host", "evil.example", "X-Request-Id", "203.0.113.7"))
	if log := h.Log.String(); !strings.Contains(log, "remote=127.0.0.1 ") || strings.Contains(log, "203.0.113.7") ||
		strings.Contains(log, "evil") {
		t.Error(log)
	}
}

// withBody returns the media types of the operations that take a body, by method and path. The user
// in a path doesn't exist.
func withBody() map[string]string {
	all := map[string]string{}
	for path, item := range impltest.Contract().Paths.Map() {
		for method, op := range item.Operations() {
			if op.RequestBody == nil {
				continue
			}
			for media := range op.RequestBody.Value.Content {
				all[method+" "+strings.ReplaceAll(path, "{user_id}", "01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90")] = media
			}
		}
	}
	return all
}

// H-5: a body is bounded, with and without a Content-Length.
func TestH5_BodyTooLarge(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "ada", auth.RoleSuperuser, impltest.AllScopes)
	large := strings.Repeat("a", 1<<20)
	for operation, mediaType := range withBody() {
		method, path, _ := strings.Cut(operation, " ")
		for _, chunked := range []bool{false, true} {
			r := h.Request(method, path, large, "Content-Type", mediaType, "Authorization", "Bearer "+token)
			if chunked {
				r.ContentLength = -1
			}
			if a := h.Do(t, r); a.Status != 413 {
				t.Errorf("%s chunked %v: got %d %s", path, chunked, a.Status, a.Body)
			}
		}
	}
	fits := `{"email":"` + strings.Repeat("a", 64<<10-12) + `"}`
	if a := h.Do(t, h.Request("POST", impltest.RegisterPath, fits, "Content-Type", "application/json")); a.Status != 422 {
		t.Errorf("exactly 64 KiB: got %d", a.Status)
	}
	if a := h.Do(
		t,
		h.Request("POST", impltest.RegisterPath, fits+" ", "Content-Type", "application/json"),
	); a.Status != 413 {
		t.Errorf("64 KiB and one byte: got %d", a.Status)
	}
}

// A body that stalls gets a 408 after the configured time.
func TestStalledBody(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Timeouts: impl.Timeouts{Header: time.Second, Read: 200 * time.Millisecond}})
	token := h.MustOperator(t, "ada", auth.RoleSuperuser, impltest.AllScopes)
	var wg sync.WaitGroup // the server reads on for two seconds after each response
	for operation, mediaType := range withBody() {
		wg.Go(func() {
			answers, err := sendRaw(t, h, operation, operation+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+
				"\r\nContent-Type: "+mediaType+"\r\nContent-Length: 10\r\n\r\nabc")
			if got := statuses(answers); err != nil || !slices.Equal(got, []int{408}) {
				t.Errorf("%s: got %v, %v", operation, got, err)
			}
		})
	}
	wg.Wait()
}
