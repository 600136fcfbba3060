package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// onDatabase returns the environment of a server on this database.
func onDatabase(databaseURL string, more ...string) []string {
	return append(testEnviron(), append(more, "LATCHKEY_DATABASE_URL="+databaseURL, "LATCHKEY_SECRET_KEY="+testKey)...)
}

// slowRequest is a request whose body is still to be sent.
type slowRequest struct {
	conn   net.Conn
	reader *bufio.Reader
}

// beginRegistration sends a registration without its body, and returns when the server waits for
// the body.
func beginRegistration(tb testing.TB, server, body string) slowRequest {
	tb.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(server, "http://"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	r := slowRequest{conn, bufio.NewReader(conn)}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		tb.Fatal(err)
	}
	_, err = fmt.Fprintf(r.conn, "POST /api/users/ HTTP/1.1\r\nHost: latchkey\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(body))
	if err != nil {
		tb.Fatal(err)
	}
	line, err := r.reader.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		tb.Fatalf("got %q, want 100 Continue (%v)", line, err)
	}
	if _, err = r.reader.ReadString('\n'); err != nil { // the empty line
		tb.Fatal(err)
	}
	return r
}

// finish sends the rest of the request and returns the response's status.
func (r slowRequest) finish(tb testing.TB, rest string) int {
	tb.Helper()
	if _, err := r.conn.Write([]byte(rest)); err != nil {
		tb.Fatal(err)
	}
	res, err := http.ReadResponse(r.reader, nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode
}

func isRefused(server string) bool {
	conn, err := net.Dial("tcp", strings.TrimPrefix(server, "http://"))
	if err != nil {
		return true
	}
	_ = conn.Close()
	return false
}

// F-8: after SIGTERM the requests in flight are completed, new connections are refused, and the
// status is 0.
func TestDrain(t *testing.T) {
	t.Parallel()
	dir := openFolder(t)
	database := postgrestest.New(t)
	for name, environ := range map[string][]string{
		"embedded": append(testEnviron(), "LATCHKEY_DATA_DIR="+dataFolderIn(t, dir)),
		"external": onDatabase(database),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, server := serve(t, dir, environ)
			body := registration("ada@example.com", "ada", "correct-horse-battery")
			registering := beginRegistration(t, server, body)
			if err := p.signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := eventually("new connections are refused", func() bool { return isRefused(server) }); err != nil {
				t.Fatal(err)
			}
			if got := registering.finish(t, body); got != 201 {
				t.Errorf("registration answered %d, want 201", got)
			}
			if status, err := p.wait(); status != 0 || err != nil {
				t.Errorf("exit status %d, %v; want 0\n%s", status, err, p.stderr)
			}

			// The user was also stored.
			again, server := serve(t, dir, environ)
			if a, err := login(server, "ada@example.com", "correct-horse-battery"); a.status != 200 || err != nil {
				t.Errorf("login answered %d, %v; want 200", a.status, err)
			}
			again.stop(t)
		})
	}
}

// Signals that follow the first one at once count as the same: npm passes on a Ctrl-C that the
// terminal has sent already.
func TestRepeatedSignal(t *testing.T) {
	t.Parallel()
	p, server := serve(t, "/", onDatabase(postgrestest.New(t)))
	body := registration("ada@example.com", "ada", "correct-horse-battery")
	registering := beginRegistration(t, server, body)
	for range 5000 { // takes some milliseconds
		if err := p.signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	if err := eventually("new connections are refused", func() bool { return isRefused(server) || !p.running() }); err != nil {
		t.Fatal(err)
	}
	if got := registering.finish(t, body); got != 201 {
		t.Errorf("registration answered %d, want 201", got)
	}
	if status, err := p.wait(); status != 0 || err != nil {
		t.Errorf("exit status %d, %v; want 0\n%s", status, err, p.stderr)
	}
}

// A second signal ends the server without waiting for the requests in flight.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	p, server := serve(t, "/", onDatabase(postgrestest.New(t)))
	body := registration("ada@example.com", "ada", "correct-horse-battery")
	beginRegistration(t, server, body)
	if err := p.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := eventually("new connections are refused", func() bool { return isRefused(server) }); err != nil {
		t.Fatal(err)
	}
	if err := eventually("another signal ends it", func() bool {
		return p.signal(syscall.SIGTERM) != nil || !p.running()
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.wait(); err != nil {
		t.Fatal(err)
	}
	if state := p.cmd.ProcessState.Sys().(syscall.WaitStatus); state.Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v, want by the signal", p.cmd.ProcessState)
	}
}

// Several servers can start at once on an empty database.
func TestServersStartAtOnce(t *testing.T) {
	t.Parallel()
	environ := onDatabase(postgrestest.NewEmpty(t))
	var servers []*process
	for range 4 {
		p, err := launch("/", environ, []string{"serve"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.kill)
		servers = append(servers, p)
	}
	for i, p := range servers {
		server, err := p.awaitURL()
		if err != nil {
			t.Fatal(err)
		}
		if a, err := get(server + "/readyz"); a.status != 200 || err != nil {
			t.Errorf("readiness answered %d, %v; want 200", a.status, err)
		}
		name := fmt.Sprintf("user%d", i)
		if a, err := register(server, name+"@example.com", name, "correct-horse-battery"); a.status != 201 || err != nil {
			t.Errorf("registration answered %d, %v; want 201", a.status, err)
		}
	}
	for _, p := range servers {
		p.stop(t)
	}
}

// The server waits for a database that starts late.
func TestDatabaseStartsLate(t *testing.T) {
	t.Parallel()
	direct, err := url.Parse(postgrestest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	// The folder of another socket, on which nothing listens at first.
	dir := openFolder(t)
	query := direct.Query()
	socket := query.Get("host") + "/.s.PGSQL." + query.Get("port")
	query.Set("host", dir)
	late := *direct
	late.RawQuery = query.Encode()

	p, err := launch("/", onDatabase(late.String(), "LATCHKEY_DATABASE_WAIT="+patience.String()), []string{"serve"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	if err := eventually("it waits", func() bool { return p.stderr.contains("waiting for the database") }); err != nil {
		t.Fatal(err)
	}
	forward(t, dir+"/.s.PGSQL."+query.Get("port"), socket)
	if _, err := p.awaitURL(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(p.stderr.String(), "waiting"); n != 1 {
		t.Errorf("the log says %d times that it waits, want once", n)
	}
	p.stop(t)
}

// L-10, L-11: in a JSON log every line is JSON. The log has one line for each request, and no
// secret.
func TestJSONLog(t *testing.T) {
	t.Parallel()
	const canary = "CANARY-pw-0f3b61c2"
	p, server := serve(t, "/", onDatabase(postgrestest.New(t), "LATCHKEY_LOG_FORMAT=json"))
	asked := 0
	ask := func(want int, a answer, err error) answer {
		t.Helper()
		asked++
		if err != nil || a.status != want {
			t.Errorf("status %d, %v; want %d: %s", a.status, err, want, a.body)
		}
		return a
	}
	a, err := register(server, "ada@example.com", "ada", canary)
	token := ask(201, a, err).token()
	a, err = me(server, token)
	ask(200, a, err)
	a, err = login(server, "ada@example.com", canary+"\r\n{\"level\":\"ERROR\"}")
	ask(401, a, err)
	a, err = login(server, "ada@example.com\r\n{\"level\":\"ERROR\"}\x1b[31m", canary)
	ask(401, a, err)
	a, err = me(server, token+canary)
	ask(401, a, err)
	a, err = get(server + "/%0d%0a%7B%22level%22:%22ERROR%22%7D")
	ask(404, a, err)
	p.stop(t)

	if out := p.stdout.String(); out != "" {
		t.Errorf("stdout has %q, want nothing", out)
	}
	lines := 0
	for line := range strings.Lines(p.stderr.String()) {
		var record struct{ Msg, Level string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Errorf("%v: %q", err, line)
		}
		if record.Msg == "request" {
			lines++
		}
	}
	if lines != asked {
		t.Errorf("%d lines for %d requests:\n%s", lines, asked, p.stderr)
	}
	for _, secret := range []string{canary, token, testKey, "$argon2id$"} {
		if p.stderr.contains(secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
}
