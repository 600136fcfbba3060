package impl_test

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

const (
	appOrigin   = "https://app.example.com"
	otherOrigin = "https://app.example.com.evil.example"
)

// letIn is a server that pages of two origins may call.
func letIn(t *testing.T) *impltest.Harness {
	t.Helper()
	return impltest.New(t, impltest.Options{Origins: []string{"http://localhost:5173", appOrigin}})
}

// accessControl returns the headers of the CORS protocol, and those that caches need to know of it.
func accessControl(h http.Header) map[string]string {
	found := map[string]string{}
	for name, values := range h {
		if strings.HasPrefix(name, "Access-Control-") || name == "Vary" {
			found[name] = strings.Join(values, ", ")
		}
	}
	return found
}

// Every response to an allowed origin says so, errors too. Otherwise the page couldn't read why it
// failed.
func TestCORS_Answers(t *testing.T) {
	t.Parallel()
	h := letIn(t)
	token := h.MustRegister(t, "ada")
	want := map[string]string{
		"Vary": "Origin", "Access-Control-Allow-Origin": appOrigin,
		"Access-Control-Expose-Headers": "ETag,Link,Location,RateLimit,RateLimit-Policy,Retry-After,WWW-Authenticate,X-Request-Id",
	}
	for name, r := range map[string]*http.Request{
		"200": h.Request("GET", impltest.MePath, "", "Origin", appOrigin, "Authorization", "Bearer "+token),
		"401": h.Request("GET", impltest.MePath, "", "Origin", appOrigin),
		"404": h.Request("GET", "/api/nothing/", "", "Origin", appOrigin),
		"405": h.Request("DELETE", impltest.MePath, "", "Origin", appOrigin),
		"413": h.Request("POST", impltest.LoginPath, strings.Repeat("a", 1<<20), "Origin", appOrigin, "Content-Type", "application/x-www-form-urlencoded"),
		"422": h.Request("POST", impltest.RegisterPath, "{}", "Origin", appOrigin, "Content-Type", "application/json"),
	} {
		a := h.Do(t, r)
		if diff := cmp.Diff(want, accessControl(a.Header)); diff != "" {
			t.Errorf("%s, answered %d (-want +got):\n%s", name, a.Status, diff)
		}
	}
}

// H-6: an origin that isn't listed exactly gets the same response as a request without an origin,
// except for Vary.
func TestH6_OtherOrigins(t *testing.T) {
	t.Parallel()
	h := letIn(t)
	token := h.MustRegister(t, "ada")
	for _, origin := range []string{
		otherOrigin, "http://app.example.com", "https://app.example.com:8443", "https://APP.example.com", "https://app.example.com/",
		"null", "*", "", "https://app.example.com https://evil.example", "https://evil.example#https://app.example.com",
	} {
		for _, method := range []string{"GET", "OPTIONS"} {
			r := h.Request(
				method,
				impltest.MePath,
				"",
				"Origin",
				origin,
				"Authorization",
				"Bearer "+token,
				"Access-Control-Request-Method",
				"GET",
			)
			a := h.Do(t, r)
			if diff := cmp.Diff(map[string]string{"Vary": "Origin"}, accessControl(a.Header)); diff != "" {
				t.Errorf("%s from %q (-want +got):\n%s", method, origin, diff)
			}
		}
	}
	twice := h.Request("GET", impltest.MePath, "", "Origin", appOrigin)
	twice.Header.Add("Origin", otherOrigin)
	if got := accessControl(h.Do(t, twice).Header); len(got) != 1 {
		t.Errorf("two origins: got %v", got)
	}
	elsewhere := h.Do(t, h.Request("GET", "/healthz", "", "Origin", appOrigin))
	if got := accessControl(elsewhere.Header); len(got) != 0 {
		t.Errorf("outside the API: got %v", got)
	}
}

// Each refused origin is reported once an hour, so that an operator learns of a missing setting. No
// client can make the reports endless.
func TestCORS_RefusedOriginsAreReportedOnceAnHour(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var reported []string
	h := impltest.New(t, impltest.Options{
		Origins: []string{appOrigin}, PublicURL: "https://auth.example.com",
		OriginRefused: func(origin string) {
			mu.Lock()
			defer mu.Unlock()
			reported = append(reported, origin)
		},
	})
	send := func(method, path string, headers ...string) {
		h.Do(t, h.Request(method, path, "", headers...))
	}
	for range 2 {
		send("GET", impltest.MePath, "Origin", otherOrigin)
		send("OPTIONS", impltest.MePath, "Origin", "http://localhost:5173", "Access-Control-Request-Method", "GET")
		send("POST", impltest.LoginPath, "Origin", "null", "Sec-Fetch-Site", "cross-site")
	}
	// None of these is refused because of its origin.
	send("GET", impltest.MePath)
	send("GET", impltest.MePath, "Origin", "")
	send("GET", impltest.MePath, "Origin", appOrigin)
	send("GET", impltest.MePath, "Origin", "https://auth.example.com")
	send("GET", impltest.MePath, "Origin", h.URL)
	send("GET", impltest.MePath, "Origin", "https://rewritten.example", "Sec-Fetch-Site", "same-origin")
	send("GET", "/.well-known/jwks.json", "Origin", "https://reader.example")
	// No browser sends this one.
	send("GET", impltest.MePath, "Origin", "https://"+strings.Repeat("a", 300))
	want := []string{otherOrigin, "http://localhost:5173", "null"}
	if diff := cmp.Diff(want, reported); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
	for i := range 100 {
		send("GET", impltest.MePath, "Origin", "https://"+strconv.Itoa(i)+".example")
	}
	if len(reported) != 32 {
		t.Errorf("%d origins were reported, want 32", len(reported))
	}
	h.Clock.Advance(time.Hour - time.Second)
	send("GET", impltest.MePath, "Origin", "https://late.example")
	if len(reported) != 32 {
		t.Errorf("%d origins were reported in an hour, want 32", len(reported))
	}
	h.Clock.Advance(time.Second)
	for range 2 {
		send("GET", impltest.MePath, "Origin", "https://late.example")
		send("GET", impltest.MePath, "Origin", otherOrigin)
	}
	if diff := cmp.Diff([]string{"https://late.example", otherOrigin}, reported[32:]); diff != "" {
		t.Errorf("reported an hour later (-want +got):\n%s", diff)
	}
}

func TestCORS_Preflight(t *testing.T) {
	t.Parallel()
	h := letIn(t)
	for path, methods := range map[string]string{impltest.MePath: "DELETE, GET, HEAD, PATCH", impltest.LoginPath: "POST", "/api/users": "GET, HEAD, POST"} {
		r := h.Request(
			"OPTIONS",
			path,
			"",
			"Origin",
			appOrigin,
			"Access-Control-Request-Method",
			"GET",
			"Access-Control-Request-Headers",
			"authorization,traceparent, sentry-trace",
		)
		// Not through Harness.Do: a preflight is not an operation of the contract.
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		want := map[string]string{
			"Vary":                         "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
			"Access-Control-Allow-Origin":  appOrigin,
			"Access-Control-Allow-Methods": methods,
			"Access-Control-Allow-Headers": "authorization,traceparent,sentry-trace",
			"Access-Control-Max-Age":       "600",
		}
		if diff := cmp.Diff(want, accessControl(res.Header)); diff != "" || res.StatusCode != http.StatusNoContent {
			t.Errorf("%s: status %d (-want +got):\n%s", path, res.StatusCode, diff)
		}
		other := []string{
			"Access-Control",
			"Vary",
			"Allow",
			"Cache-Control",
			"Content-Security-Policy",
			"Date",
			"Referrer-Policy",
			"X-Content-Type-Options",
			"X-Request-Id",
		}
		for _, name := range slices.Sorted(maps.Keys(res.Header)) {
			if !slices.ContainsFunc(other, func(known string) bool { return strings.HasPrefix(name, known) }) {
				t.Errorf("%s: header %s is sent", path, name)
			}
		}
	}
	for name, r := range map[string]*http.Request{
		"no such path":      h.Request("OPTIONS", "/api/nothing/", "", "Origin", appOrigin, "Access-Control-Request-Method", "GET"),
		"not a preflight":   h.Request("OPTIONS", impltest.MePath, "", "Origin", appOrigin),
		"outside the API":   h.Request("OPTIONS", "/healthz", "", "Origin", appOrigin, "Access-Control-Request-Method", "GET"),
		"of another origin": h.Request("OPTIONS", impltest.MePath, "", "Origin", otherOrigin, "Access-Control-Request-Method", "GET"),
	} {
		if a := h.Do(t, r); a.Status != 404 && a.Status != 405 {
			t.Errorf("%s: got %d", name, a.Status)
		}
	}
}
