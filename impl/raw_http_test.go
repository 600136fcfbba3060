package impl_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// H-4: there is only one reading of where a request ends.
func TestH4_NoRequestSmuggling(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	const head = "POST /api/users/login/token/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	const smuggled = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, request := range map[string]string{
		"two lengths":                head + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + smuggled,
		"a length that is no number": head + "Content-Length: +5\r\n\r\nabcde" + smuggled,
		"a negative length":          head + "Content-Length: -1\r\n\r\n" + smuggled,
		"an unknown coding":          head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled,
		"two codings":                head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"a space before the colon":   head + "Content-Length : 0\r\n\r\n" + smuggled,
		"a header without a name":    head + ": x\r\n\r\n" + smuggled,
		"no host":                    "GET /healthz HTTP/1.1\r\n\r\n" + smuggled,
		"two hosts":                  "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + smuggled,
		"a bad method":               "GE(T /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled,
		"a bad target":               "GET healthz HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled,
		"a bad escape":               "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled,
		"no version":                 "GET /healthz\r\nHost: x\r\n\r\n" + smuggled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers := rawAnswers(t, h, "", request)
			if len(answers) != 1 || answers[0].StatusCode < 400 || answers[0].StatusCode >= 502 {
				t.Errorf("got %v, want one refusal", statuses(answers))
			}
		})
	}
}

// The responses that net/http writes itself have the statuses of the contract's introduction, no
// more and no fewer.
func TestAnswersOfHTTPItself(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	const host = "Host: x\r\n"
	sent := map[int]bool{}
	for _, row := range []struct {
		name, request string
		want          int
	}{
		{"no request line", "hello\r\n\r\n", 400},
		{"TLS", "\x16\x03\x01\x00\x05hello\r\n\r\n", 400},
		{"no host", "GET /healthz HTTP/1.1\r\n\r\n", 400},
		{"two hosts", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		{"a host that is none", "GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
		{"a header without a colon", "GET /healthz HTTP/1.1\r\n" + host + "X\r\n\r\n", 400},
		{"a name that is none", "GET /healthz HTTP/1.1\r\n" + host + "X Y: 1\r\n\r\n", 400},
		{"a value that is none", "GET /healthz HTTP/1.1\r\n" + host + "X: \x00\r\n\r\n", 400},
		{"a length that is none", "POST /api/users/ HTTP/1.1\r\n" + host + "Content-Length: x\r\n\r\n", 400},
		{"an expectation", "GET /healthz HTTP/1.1\r\n" + host + "Expect: x\r\n\r\n", 417},
		{"a head of 30 kB", "GET /healthz HTTP/1.1\r\n" + host + "X: " + strings.Repeat("a", 30_000) + "\r\n\r\n", 431},
		{"a target of 30 kB", "GET /" + strings.Repeat("a", 30_000) + " HTTP/1.1\r\n" + host + "\r\n", 431},
		{"a transfer coding", "POST /api/users/ HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n", 501},
		{"two transfer codings", "POST /api/users/ HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
		{"HTTP/3", "GET /healthz HTTP/3.0\r\n" + host + "\r\n", 505},
	} {
		answers := rawAnswers(t, h, "", row.request)
		if len(answers) != 1 || answers[0].StatusCode != row.want {
			t.Errorf("%s: got %v, want %d", row.name, statuses(answers), row.want)
			continue
		}
		sent[row.want] = true
		for name := range answers[0].Header {
			if !slices.Contains([]string{"Content-Type", "Content-Length", "Connection", "Date"}, name) {
				t.Errorf("%s: header %s is sent", row.name, name)
			}
		}
		if !answers[0].Close || strings.HasPrefix(answers[0].Header.Get("Content-Type"), "application/") {
			t.Errorf("%s: got %v", row.name, answers[0].Header)
		}
	}
	told := map[int]bool{}
	_, paragraph, _ := strings.Cut(impltest.Contract().Info.Description, "well-formed HTTP")
	paragraph, _, _ = strings.Cut(paragraph, "\n\n")
	for _, status := range regexp.MustCompile(`\((\d{3})\)`).FindAllStringSubmatch(paragraph, -1) {
		n, err := strconv.Atoi(status[1])
		if err != nil {
			t.Fatal(err)
		}
		told[n] = true
	}
	if diff := cmp.Diff(told, sent); diff != "" {
		t.Errorf("(-told +sent):\n%s", diff)
	}
	// The limit of a head's length.
	fits := "GET /healthz HTTP/1.1\r\n" + host + "Connection: close\r\nX: "
	fits += strings.Repeat("a", 20<<10-len(fits)-len("\r\n\r\n")) + "\r\n\r\n"
	if got := statuses(rawAnswers(t, h, "GET /healthz", fits)); !slices.Equal(got, []int{200}) {
		t.Errorf("a head of 20 KiB: got %v", got)
	}
}

// The headers for caches are those of the contract's introduction.
func TestWhatMayBeKept(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	for path, want := range map[string]string{
		impltest.KeysPath: "public, max-age=300", impltest.MetadataPath: "public, max-age=300",
		"/healthz": "no-store", impltest.MePath: "no-store", "/nothing": "no-store",
	} {
		if got := h.Do(t, h.Request("GET", path, "")).Header.Get("Cache-Control"); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
		if want != "no-store" && !strings.Contains(impltest.Contract().Info.Description, "`"+want+"`") {
			t.Errorf("the introduction doesn't tell of %q", want)
		}
	}
}

func TestPipelining(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	one := "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	last := "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	if got := statuses(
		rawAnswers(t, h, "GET /healthz", strings.Repeat(one, 9)+last),
	); len(got) != 10 ||
		slices.ContainsFunc(got, func(s int) bool { return s != 200 }) {
		t.Errorf("got %v, want ten times 200", got)
	}
}

// rawAnswers sends a request over a plain connection, and returns all responses until the server
// closes it. If what names an operation, each response is checked against the contract.
func rawAnswers(t *testing.T, h *impltest.Harness, what, request string) []*http.Response {
	t.Helper()
	answers, err := sendRaw(t, h, what, request)
	if err != nil {
		t.Fatal(err)
	}
	return answers
}

// sendRaw is [rawAnswers] for a goroutine other than the test's.
func sendRaw(t *testing.T, h *impltest.Harness, what, request string) (answers []*http.Response, err error) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", h.Addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, err
	}
	for reader := bufio.NewReader(conn); ; {
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			return answers, nil // the server has closed the connection
		}
		if err := holdToContract(t, what, res); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		answers = append(answers, res)
	}
}

func holdToContract(t *testing.T, what string, res *http.Response) error {
	method, path, ok := strings.Cut(what, " ")
	if !ok {
		_, err := io.Copy(io.Discard, res.Body)
		return err
	}
	a, err := impltest.ReadAnswer(method, path, res)
	if err != nil {
		return fmt.Errorf("answer %d: %w", res.StatusCode, err)
	}
	impltest.Record(t, method, path, a)
	return nil
}
