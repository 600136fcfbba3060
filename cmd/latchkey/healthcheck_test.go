package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// healthcheck runs latchkey healthcheck on an address. It returns the status and what was printed.
func healthcheck(t *testing.T, addr string, flags ...string) (status int, text string) {
	t.Helper()
	cmd := exec.Command("latchkey", append([]string{"healthcheck"}, flags...)...)
	cmd.Env = append(testEnviron(), "LATCHKEY_ADDR="+addr)
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(output)
}

// A server that waits for its database is live and not ready. One that serves is both, at each
// form of its address.
func TestHealthcheck(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	waiting := append(onDatabase("postgres://ada@"+silent(t)+"/latchkey"), "LATCHKEY_ADDR="+addr, "LATCHKEY_DATABASE_WAIT=1h")
	p, err := launch("/", waiting, []string{"serve"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(t) })
	if err := eventually("the server is live", func() bool {
		status, _ := healthcheck(t, addr, "--live")
		return status == 0
	}); err != nil {
		t.Fatal(err, p.stderr)
	}
	status, text := healthcheck(t, addr)
	if want := "latchkey: http://" + addr + "/readyz: status 503, starting: "; status != 1 || !strings.HasPrefix(text, want) {
		t.Errorf("status %d, %q; want 1 and %q", status, text, want)
	}
	p.stop(t)
	status, text = healthcheck(t, addr, "--live")
	if status != 1 || !strings.Contains(text, "connection refused") || strings.Count(text, "\n") != 1 {
		t.Errorf("without a server: status %d, %q", status, text)
	}

	serve(t, "/", append(onDatabase(postgrestest.New(t)), "LATCHKEY_ADDR=[::]:"+port, "LATCHKEY_DRAIN_DELAY=0s"))
	for _, form := range []string{addr, "localhost:" + port, ":" + port, "0.0.0.0:" + port, "[::]:" + port} {
		if status, text := healthcheck(t, form); status != 0 || text != "" {
			t.Errorf("%s: status %d, %q", form, status, text)
		}
	}
}

// What answers on the port may be no server of ours.
func TestHealthcheckOfAStranger(t *testing.T) {
	t.Parallel()
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			http.Redirect(w, r, "/fine", http.StatusFound)
		}
		_, _ = fmt.Fprint(w, strings.Repeat("[", 1<<20)) // the reader may have gone
	}))
	t.Cleanup(stranger.Close)
	for _, test := range []struct{ addr, want string }{
		{stranger.Listener.Addr().String(), "status 302"},
		{silent(t), "deadline exceeded"},
	} {
		status, text := healthcheck(t, test.addr)
		if status != 1 || !strings.Contains(text, test.want) || strings.Count(text, "\n") != 1 {
			t.Errorf("%s: status %d, %q; want 1 and %q", test.addr, status, text, test.want)
		}
	}
	for _, test := range []struct{ addr, want string }{
		{"127.0.0.1:0", "port 0"},
		{"127.0.0.1", "must be host:port"},
	} {
		if status, text := healthcheck(t, test.addr); status != 2 || !strings.Contains(text, test.want) {
			t.Errorf("%s: status %d, %q; want 2 and %q", test.addr, status, text, test.want)
		}
	}
}
