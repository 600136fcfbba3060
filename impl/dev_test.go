package impl_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/devmail"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/mail"
)

// withMails starts a server that shows the mails of a folder, which has one mail of the contract's
// example. It returns the name of that mail.
func withMails(t *testing.T, o impltest.Options) (h *impltest.Harness, send func(mail.Letter, mail.Content), name string) {
	t.Helper()
	folder := mail.NewFolder(filepath.Join(t.TempDir(), "mails"), slog.New(slog.DiscardHandler))
	o.Dev = devmail.New(folder).Serve
	h = impltest.New(t, o)
	from := netmail.Address{Name: "Latchkey", Address: "latchkey@localhost"}
	send = func(l mail.Letter, c mail.Content) {
		t.Helper()
		message, err := mail.NewMessage(from, l, c, l.At)
		if err != nil {
			t.Fatal(err)
		}
		if err := folder.Send(t.Context(), message); err != nil {
			t.Fatal(err)
		}
	}
	templates, err := mail.LoadTemplates("")
	if err != nil {
		t.Fatal(err)
	}
	data, err := mail.Example(mail.LoginCode)
	if err != nil {
		t.Fatal(err)
	}
	content, err := templates.Write(mail.LoginCode, "en", data)
	if err != nil {
		t.Fatal(err)
	}
	l := mailLetter(0)
	send(l, content)
	return h, send, "20260105T093000.000000Z-login_code-" + l.ID.String()
}

// mailLetter returns the nth letter.
func mailLetter(n int) mail.Letter {
	at := time.Date(2026, 1, 5, 9, 30, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
	return mail.Letter{Kind: mail.LoginCode, ID: uuid.Must(uuid.NewV7()), To: fmt.Sprintf("user%d@example.com", n), At: at}
}

// see returns a response as a browser gets it, with its body.
func see(t *testing.T, h *impltest.Harness, method, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	r := h.Request(method, path, "", headers...)
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// Each page has the mail's code and link, and headers that keep caches and other pages away from
// it.
func TestDevMails(t *testing.T) {
	t.Parallel()
	h, _, name := withMails(t, impltest.Options{Origins: []string{"https://app.example.com"}})
	const code, link = "90210347", "#login_code=lkl_AZgfbj9KfMCPHl19TBsuk"
	for path, want := range map[string]struct {
		contentType, policy string
		texts               []string
	}{
		"/dev/mails/": {"text/html; charset=utf-8", "style-src 'self'", []string{code, `href="` + name + `"`, "user0@example.com"}},
		"/dev/mails.json": {"application/json", "default-src 'none'; frame-ancestors 'none'",
			[]string{`"code": "` + code + `"`, link, `"to": "user0@example.com"`, `"at": "2026-01-05T09:30:00Z"`, `"kind": "login_code"`}},
		"/dev/mails/" + name: {"text/html; charset=utf-8", "frame-src 'self'",
			[]string{`<code id="code">` + code, `<a id="link" href="http`, link, `<iframe sandbox title="The mail's HTML" src="` + name + `.html">`}},
		"/dev/mails/" + name + ".html":  {"text/html; charset=utf-8", "sandbox; default-src 'none'", []string{code, link}},
		"/dev/mails/" + name + ".eml":   {"text/plain; charset=utf-8", "default-src 'none'; frame-ancestors 'none'", []string{"Message-ID: <login_code."}},
		"/dev/mails/devmail.css":        {"text/css; charset=utf-8", "default-src 'none'; frame-ancestors 'none'", []string{"iframe"}},
		"/dev/mails/?format=everything": {"text/html; charset=utf-8", "style-src 'self'", nil},
	} {
		res, body := see(t, h, "GET", path, "Origin", "https://app.example.com", "Sec-Fetch-Site", "cross-site")
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != want.contentType {
			t.Errorf("%s: got %d of %s", path, res.StatusCode, res.Header.Get("Content-Type"))
		}
		for _, text := range want.texts {
			if !strings.Contains(body, text) {
				t.Errorf("%s: no %q in %s", path, text, body)
			}
		}
		policy := res.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, want.policy) || !strings.Contains(policy, "default-src 'none'") ||
			!strings.Contains(policy, "frame-ancestors '") || strings.Contains(policy, "script-src") {
			t.Errorf("%s: the policy is %s", path, policy)
		}
		if got := res.Header.Get("Access-Control-Allow-Origin"); got != "" || res.Header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%s: another origin may read it: %v", path, res.Header)
		}
		if err := impltest.CheckCommonHeaders(res.Header, "Content-Security-Policy"); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if head, rest := see(t, h, "HEAD", path); head.StatusCode != 200 || rest != "" {
			t.Errorf("HEAD %s: got %d %q", path, head.StatusCode, rest)
		}
		if post, _ := see(t, h, "POST", path); post.StatusCode != 405 {
			t.Errorf("POST %s: got %d", path, post.StatusCode)
		}
		preflight, _ := see(t, h, "OPTIONS", path, "Origin", "https://app.example.com", "Access-Control-Request-Method", "GET")
		if preflight.StatusCode != 405 || preflight.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("OPTIONS %s: got %d", path, preflight.StatusCode)
		}
	}
	if res, _ := see(t, h, "GET", "/dev/mails"); res.StatusCode != 302 || res.Header.Get("Location") != "mails/" {
		t.Errorf("without the slash: got %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
}

// Nothing but mails of the folder is served.
func TestDevMails_NoOtherPath(t *testing.T) {
	t.Parallel()
	h, _, name := withMails(t, impltest.Options{})
	for _, path := range []string{
		"/dev", "/dev/", "/dev/x", "/dev/mails.html", "/dev/mails/x", "/dev/mails/x.eml", "/dev/mails/" + name + "/", "/dev/mails/" + name + ".txt",
		"/dev/mails/" + name + ".html.html", "/dev/mails/..%2fmails%2f" + name, "/dev/mails/../mails/" + name, "/dev/mails/%2e%2e/mails/" + name,
		"/dev/mails//" + name, "/dev/mails/" + name + "%00", "/dev/mails/" + strings.Replace(name, "login", "Login", 1), "/dev/mails/..%5c" + name,
	} {
		if res, body := see(t, h, "GET", path); res.StatusCode != 404 || !strings.Contains(body, `"code":"not_found"`) {
			t.Errorf("%s: got %d %s", path, res.StatusCode, body)
		}
	}
	without := impltest.New(t)
	for _, path := range []string{"/dev/mails/", "/dev/mails.json", "/dev/mails/" + name} {
		if res, _ := see(t, without, "GET", path); res.StatusCode != 404 {
			t.Errorf("%s without --dev: got %d", path, res.StatusCode)
		}
	}
}

// Only this machine sees mails: no other address does, no proxy, and no request for another name,
// which a stranger's DNS may have led here.
func TestDevMails_ThisMachineOnly(t *testing.T) {
	t.Parallel()
	h, _, name := withMails(t, impltest.Options{})
	for _, path := range []string{"/dev/mails/", "/dev/mails.json", "/dev/mails/" + name, "/dev/mails/" + name + ".html", "/dev/mails"} {
		for what, row := range map[string]struct {
			peer, host, header string
			want               int
		}{
			"IPv4":                   {"127.0.0.1:4711", "127.0.0.1:8000", "", 200},
			"another of IPv4":        {"127.9.9.9:4711", "127.9.9.9", "", 200},
			"IPv6":                   {"[::1]:4711", "[::1]:8000", "", 200},
			"IPv6 without a port":    {"[::1]:4711", "[::1]", "", 200},
			"IPv4 in IPv6":           {"[::ffff:127.0.0.1]:4711", "[::ffff:127.0.0.1]:8000", "", 200},
			"by name":                {"127.0.0.1:4711", "localhost:8000", "", 200},
			"by name, without port":  {"127.0.0.1:4711", "localhost", "", 200},
			"another machine":        {"192.0.2.1:4711", "127.0.0.1:8000", "", 404},
			"another, of IPv6":       {"[2001:db8::1]:4711", "localhost", "", 404},
			"no peer":                {"@", "localhost", "", 404},
			"rebound":                {"127.0.0.1:4711", "evil.example:8000", "", 404},
			"rebound, a longer name": {"127.0.0.1:4711", "localhost.evil.example", "", 404},
			"rebound, an address":    {"127.0.0.1:4711", "127.0.0.1.evil.example", "", 404},
			"rebound, any address":   {"127.0.0.1:4711", "0.0.0.0:8000", "", 404},
			"no host":                {"127.0.0.1:4711", "", "", 404},
			"odd host":               {"127.0.0.1:4711", "[", "", 404},
			"nginx":                  {"127.0.0.1:4711", "127.0.0.1:8000", "X-Forwarded-For", 404},
			"nginx, by name alone":   {"127.0.0.1:4711", "127.0.0.1:8000", "X-Real-IP", 404},
			"by the standard":        {"127.0.0.1:4711", "127.0.0.1:8000", "Forwarded", 404},
			"a proxy that says so":   {"127.0.0.1:4711", "127.0.0.1:8000", "Via", 404},
		} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.RemoteAddr, r.Host = row.peer, row.host
			if row.header != "" {
				r.Header.Set(row.header, "127.0.0.1")
			}
			w := httptest.NewRecorder()
			h.Server.ServeHTTP(w, r)
			got := w.Code
			if got == 302 {
				got = 200
			}
			if got != row.want || got != 200 && strings.Contains(w.Body.String(), "90210347") {
				t.Errorf("%s, %s: got %d, want %d", path, what, w.Code, row.want)
			}
		}
	}
	if log := h.Log.String(); !strings.Contains(log, "refused=") || strings.Contains(log, "90210347") {
		t.Errorf("the log is %s", log)
	}
}

// The list has at most a hundred mails, and the content of a mail is text in the page.
func TestDevMails_List(t *testing.T) {
	t.Parallel()
	h, send, _ := withMails(t, impltest.Options{})
	for n := 1; n <= 100; n++ {
		send(mailLetter(n), mail.Content{
			Subject: "<script>alert(1)</script>", Text: `<img src=x> 12345678 http://x/#a="><script>`, HTML: "<script>alert(1)</script>",
		})
	}
	_, body := see(t, h, "GET", "/dev/mails.json")
	var list struct{ Mails []struct{ Name, To string } }
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatal(err)
	}
	if n := len(list.Mails); n != 100 || list.Mails[0].To != "user100@example.com" || list.Mails[99].To != "user1@example.com" {
		t.Fatalf("%d mails, from %s to %s", n, list.Mails[0].To, list.Mails[n-1].To)
	}
	for _, path := range []string{"/dev/mails/", "/dev/mails/" + list.Mails[0].Name} {
		if _, body := see(t, h, "GET", path); strings.Contains(body, "<script") || strings.Contains(body, "<img") || !strings.Contains(body, "12345678") {
			t.Errorf("%s: %s", path, body)
		}
	}
}
