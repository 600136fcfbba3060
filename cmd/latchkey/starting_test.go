package main

import (
	"net"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// silent returns an address on which something listens and never replies.
func silent(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln.Addr().String()
}

// While the server waits for its database it responds at once that it is starting.
func TestStarting(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	database := "postgres://ada@" + silent(t) + "/latchkey"
	environ := append(onDatabase(database), "LATCHKEY_ADDR="+addr, "LATCHKEY_DATABASE_WAIT=1h")
	p, err := launch("/", environ, []string{"serve"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(t) })
	if err := eventually("the server answers", func() bool {
		a, err := get("http://" + addr + "/healthz")
		return err == nil && a.status == 200
	}); err != nil {
		t.Fatal(err, p.stderr)
	}
	paths := []string{"/readyz", "/api/users/me/", "/.well-known/jwks.json", "/docs", "/openapi.json", "/nothing"}
	for _, path := range paths {
		a, err := get("http://" + addr + path)
		if err != nil || a.status != 503 || !strings.Contains(a.body, `"code":"starting"`) {
			t.Errorf("%s: answered %d %s, %v", path, a.status, a.body, err)
		}
	}
	a, err := login("http://"+addr, "ada@example.com", "correct-horse-battery")
	if err != nil || a.status != 503 || !strings.Contains(a.body, `"error":"temporarily_unavailable"`) {
		t.Errorf("a login: answered %d %s, %v", a.status, a.body, err)
	}
	for range 3 {
		if a, err := get("http://" + addr + "/readyz"); err != nil || a.status != 503 {
			t.Errorf("/readyz: answered %d, %v", a.status, err)
		}
	}
	p.stop(t)
	checkProbeLog(t, p, "starting")
}

// checkProbeLog checks that an ordinary start or stop logs its probes at info, and only once.
func checkProbeLog(t *testing.T, p *process, code string) {
	t.Helper()
	log := p.stderr.String()
	if strings.Contains(log, "level=ERROR") {
		t.Errorf("the log has an error:\n%s", log)
	}
	probe := regexp.MustCompile(`level=INFO msg=request .* path=/readyz status=503 .* code=` + code)
	if n := len(probe.FindAllString(log, -1)); n != 1 {
		t.Errorf("%d probes are logged at info, want 1:\n%s", n, log)
	}
}

// F-8: after SIGTERM the server isn't ready, but serves requests as before until the delay is over.
func TestF8_DrainDelay(t *testing.T) {
	t.Parallel()
	p, server := serve(t, "/", onDatabase(postgrestest.New(t), "LATCHKEY_DRAIN_DELAY=2s"))
	if a, err := get(server + "/readyz"); a.status != 200 || err != nil {
		t.Fatalf("answered %d, %v", a.status, err)
	}
	if err := p.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	seen := false
	if err := eventually("the server ends", func() bool {
		a, err := get(server + "/readyz") // a new connection each time
		if err == nil && a.status == 503 {
			seen = strings.Contains(a.body, `"code":"shutting_down"`)
			if a, err := get(server + "/.well-known/jwks.json"); err == nil && a.status != 200 {
				t.Errorf("answered %d while it drains", a.status)
			}
		}
		return !p.running()
	}); err != nil {
		t.Fatal(err)
	}
	if !seen {
		t.Error("/readyz never said that the server is shutting down")
	}
	if status, err := p.wait(); status != 0 || err != nil {
		t.Errorf("exit status %d, %v", status, err)
	}
	checkProbeLog(t, p, "shutting_down")
}

func TestDrainDelayOfAnAddress(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"127.0.0.1:8000": true, "[::1]:8000": true, "localhost:0": true, "127.8.8.8:1": true,
		"0.0.0.0:8000": false, ":8000": false, "[::]:8000": false, "10.0.0.1:80": false, "app.example.com:80": false,
	} {
		if got := isLoopback(addr); got != want {
			t.Errorf("%s: got %v, want %v", addr, got, want)
		}
		s, err := loadSettings([]string{"LATCHKEY_ADDR=" + addr})
		if err != nil || (s.DrainDelay == 0) != want {
			t.Errorf("%s: the delay is %s, %v", addr, s.DrainDelay, err)
		}
	}
	s, err := loadSettings([]string{"LATCHKEY_ADDR=:8000", "LATCHKEY_DRAIN_DELAY=0s"})
	if err != nil || s.DrainDelay != 0 {
		t.Errorf("set to nothing: %s, %v", s.DrainDelay, err)
	}
}

func TestInjectedVariables(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{
		"LATCHKEY_SERVICE_HOST=10.96.0.7", "LATCHKEY_SERVICE_PORT=8000", "LATCHKEY_SERVICE_PORT_HTTP=8000",
		"LATCHKEY_PORT=tcp://10.96.0.7:8000",
		"LATCHKEY_PORT_8000_TCP=tcp://10.96.0.7:8000", "LATCHKEY_PORT_8000_TCP_PROTO=tcp", "LATCHKEY_PORT_8000_TCP_PORT=8000",
		"LATCHKEY_PORT_8000_TCP_ADDR=10.96.0.7", "LATCHKEY_METRICS_SERVICE_HOST=10.96.0.8",
		"LATCHKEY_METRICS_PORT=udp://10.96.0.8:53",
		"LATCHKEY_METRICS_PORT_9100_TCP_ADDR=10.96.0.8", "LATCHKEY_METRICS_SERVICE_PORT_WEB=9100",
	} {
		if _, problems := readEnvironment([]string{entry}, known()); len(problems) > 0 {
			t.Errorf("%s: %v", entry, problems)
		}
	}
	for _, entry := range []string{
		"LATCHKEY_PORT=8000", "LATCHKEY_HOST=0.0.0.0", "LATCHKEY_SERVICE=latchkey", "LATCHKEY_ADRR=:80",
		"LATCHKEY_METRICS_PORT=9100",
		"LATCHKEY_PORT_8000=tcp", "LATCHKEY_SERVICE_HOSTS=x", "LATCHKEY_DATABASE_PORT=5432",
	} {
		if _, problems := readEnvironment([]string{entry}, known()); len(problems) != 1 {
			t.Errorf("%s is accepted", entry)
		}
	}
}

func TestPublicURLs(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "https://auth.example.com", "https://example.com/auth", "https://example.com/auth/",
		"http://127.0.0.1:8000", "https://example.com/a/b",
	} {
		if problem := checkPublicURL(text); problem != "" {
			t.Errorf("%s %s", text, problem)
		}
	}
	for _, text := range []string{
		"example.com", "/auth", "ftp://example.com", "https://", "https://u@example.com", "https://example.com?a",
		"https://example.com#a", "https://example.com//a", "https://example.com/a/../b", "https://Example.com",
		"https://example.com:443", "https:example.com", "https://exa mple.com",
	} {
		if checkPublicURL(text) == "" {
			t.Errorf("%s is accepted", text)
		}
	}
}
