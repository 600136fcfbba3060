package impl_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// A response that is written before the body was read reaches its client, even if the client reads
// nothing until it has sent the whole body.
func TestEarlyAnswersArrive(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	large, small := bytes.Repeat([]byte("a"), 10<<20), bytes.Repeat([]byte("a"), 60<<10)
	const json, form = "Content-Type: application/json\r\n", "Content-Type: application/x-www-form-urlencoded\r\n"
	for name, row := range map[string]struct {
		request, head string
		body          []byte
		isChunked     bool
		want          int
	}{
		"413 by length":            {"POST /api/users/", json, large, false, 413},
		"413 when read":            {"POST /api/users/", json, large, true, 413},
		"413 of a form":            {"POST /api/users/login/token/", form, large, false, 413},
		"413 of another type":      {"POST /api/users/", "Content-Type: text/plain\r\n", large, false, 413},
		"415":                      {"POST /api/users/", "Content-Type: text/plain\r\n", small, false, 415},
		"415 in chunks":            {"POST /api/users/", "Content-Type: text/plain\r\n", large, true, 415},
		"403":                      {"POST /api/users/", json + "Sec-Fetch-Site: cross-site\r\n", large, false, 403},
		"404":                      {"POST /nothing", "", large, false, 404},
		"405":                      {"PUT /api/users/", json, large, false, 405},
		"401 of a body unasked":    {"POST /api/users/logout/", json, large, false, 401},
		"401, in chunks":           {"GET /api/users/me/", json, large, true, 401},
		"200 of a body unasked":    {"GET /healthz", json, large, false, 200},
		"422, read in full":        {"POST /api/users/", json, small, false, 422},
		"422 of a query, unread":   {"POST /api/oauth/revoke/?a=b", form, small, false, 422},
		"422, read in full chunks": {"POST /api/users/", json, small, true, 422},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 5 {
				conn := dial(t, h)
				var b bytes.Buffer
				fmt.Fprintf(&b, "%s HTTP/1.1\r\nHost: x\r\n%s", row.request, row.head)
				if row.isChunked {
					fmt.Fprintf(&b, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(row.body), row.body)
				} else {
					fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(row.body), row.body)
				}
				if _, err := conn.Write(b.Bytes()); err != nil {
					t.Fatalf("the body can't be sent: %v", err)
				}
				res, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatalf("no answer: %v", err)
				}
				if err := holdToContract(t, row.request, res); err != nil || res.StatusCode != row.want {
					t.Errorf("got %d, want %d (%v)", res.StatusCode, row.want, err)
				}
			}
		})
	}
}

// A body that is late or truncated gets a response too, and no client holds a connection by sending
// for ever.
func TestEarlyAnswersOfSlowAndCutBodies(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Timeouts: impl.Timeouts{Read: 300 * time.Millisecond}})
	head := "POST /api/users/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
	for name, row := range map[string]struct {
		send func(*net.TCPConn) error
		want int
	}{
		"late": {func(conn *net.TCPConn) error { _, err := io.WriteString(conn, head+"{"); return err }, 408},
		"cut": {func(conn *net.TCPConn) error {
			if _, err := io.WriteString(conn, head+"{"); err != nil {
				return err
			}
			return conn.CloseWrite()
		}, 422},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, h)
			if err := row.send(conn); err != nil {
				t.Fatal(err)
			}
			reader := bufio.NewReader(conn)
			res, err := http.ReadResponse(reader, nil)
			if err != nil || res.StatusCode != row.want {
				t.Fatalf("got %v, %v; want %d", res, err, row.want)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				t.Fatal(err)
			}
			if _, err := reader.ReadByte(); err == nil {
				t.Error("there is a second answer")
			}
		})
	}
	t.Run("endless", func(t *testing.T) {
		t.Parallel()
		conn := dial(t, h)
		if _, err := io.WriteString(
			conn,
			"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1099511627776\r\n\r\n",
		); err != nil {
			t.Fatal(err)
		}
		for sent := 0; ; sent += 1 << 20 { // until the server has had enough
			if _, err := conn.Write(make([]byte, 1<<20)); err != nil {
				break
			}
			if sent > 1<<30 {
				t.Fatal("the server reads without end")
			}
		}
	})
}

// H-4: the connection ends after an early response, so that nothing after it is taken for a
// request: neither the rest of the body, sent late, nor a request after a body that the client was
// asked not to send.
func TestH4_EarlyAnswersEndTheConnection(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	const form, next = "Content-Type: application/x-www-form-urlencoded\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, row := range map[string]struct {
		request, head string
		want          int
	}{
		"404": {"POST /nothing", "", 404},
		"405": {"PUT /api/users/", "", 405},
		"415": {"POST /api/users/", "Content-Type: text/plain\r\n", 415},
		"401": {"POST /api/users/logout/", "", 401},
		"403": {"POST /api/users/login/token/", form + "Sec-Fetch-Site: cross-site\r\n", 403},
		"200": {"GET /healthz", "", 200},
		"302": {"GET /", "", 302},
	} {
		for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
			t.Run(name+" "+expect, func(t *testing.T) {
				t.Parallel()
				conn := dial(t, h)
				fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\n%s%sContent-Length: 400\r\n\r\n", row.request, row.head, expect)
				if expect == "" {
					if _, err := io.WriteString(conn, "0123456789"); err != nil {
						t.Fatal(err)
					}
				}
				reader := bufio.NewReader(conn)
				res, err := http.ReadResponse(reader, nil)
				if err != nil || res.StatusCode != row.want || !res.Close {
					t.Fatalf("got %v, %v; want %d and the end", res, err, row.want)
				}
				if _, err := io.Copy(io.Discard, res.Body); err != nil {
					t.Fatal(err)
				}
				// The server continues to read, and then closes. It discards what comes meanwhile
				// as part of the body.
				_, _ = io.WriteString(conn, next) // it may have ended already
				if res, err := http.ReadResponse(reader, nil); err == nil {
					t.Errorf("there is a second answer: %d", res.StatusCode)
				}
			})
		}
	}
}

// H-4: RFC 9112 section 6.1. After a chunked body the connection ends, whatever Content-Length was
// sent with it.
func TestH4_ChunksEndTheConnection(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	const next = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	body := "2\r\n{}\r\n0\r\n\r\n"
	for name, head := range map[string]string{
		"alone":               "Transfer-Encoding: chunked\r\n",
		"length first":        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
		"length last":         "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
		"length of the whole": fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n", len(body)+len(next)),
		"in capitals":         "content-length: 0\r\nTRANSFER-ENCODING: CHUNKED\r\n",
	} {
		request := "POST /api/users/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + head + "\r\n" + body + next
		answers := rawAnswers(t, h, "", request)
		if len(answers) != 1 || answers[0].StatusCode != 422 || !answers[0].Close {
			t.Errorf("%s: got %v", name, statuses(answers))
		}
	}
	// After a body with a Content-Length the connection stays open.
	answers := rawAnswers(
		t,
		h,
		"",
		"POST /api/users/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"+
			strings.Replace(next, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1),
	)
	if len(answers) != 2 {
		t.Errorf("got %v", statuses(answers))
	}
}

func dial(t *testing.T, h *impltest.Harness) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", h.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}
