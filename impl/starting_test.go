package impl_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// Until the service can serve, every operation but the liveness check is 503 `starting`, as it
// declares. After that none is.
func TestStarting(t *testing.T) {
	t.Parallel()
	h := impltest.New(t) // a service to begin with
	server, err := impl.New(impl.Options{Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path string) impltest.Answer {
		t.Helper()
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		a, err := impltest.ReadAnswer(method, path, w.Result())
		if err != nil {
			t.Errorf("%s %s: %v", method, path, err)
		}
		impltest.Record(t, method, path, a)
		return a
	}
	operations := 0
	for path, item := range impltest.Contract().Paths.Map() {
		path = strings.ReplaceAll(path, "{session_id}", "01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90")
		for method := range item.Operations() {
			operations++
			a, want := ask(method, path), http.StatusServiceUnavailable
			if path == "/healthz" {
				want = http.StatusOK
			}
			if a.Status != want ||
				want != http.StatusOK && (a.Text("code") != "starting" || a.Header.Get("Retry-After") != "1") {
				t.Errorf("%s %s: got %d %s", method, path, a.Status, a.Body)
			}
		}
	}
	if operations < 11 {
		t.Errorf("%d operations were asked", operations)
	}
	for _, path := range []string{"/nothing", "/docs", "/openapi.yaml", "/"} {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: got %d", path, w.Code)
		}
	}

	if err := server.Begin(nil, nil); err == nil {
		t.Error("it begins without a service")
	}
	if err := server.Begin(h.Auth, nil); err == nil {
		t.Error("it begins without a readiness check")
	}
	if err := server.Begin(h.Auth, func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/readyz": 200, "/api/users/me/": 401, "/.well-known/jwks.json": 200} {
		if a := ask(http.MethodGet, path); a.Status != want {
			t.Errorf("%s: got %d %s, want %d", path, a.Status, a.Body, want)
		}
	}
}
