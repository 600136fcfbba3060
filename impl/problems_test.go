package impl_test

import (
	"html"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// Each code of the contract has a page, made from the text about it. No other code has one.
func TestProblemPages(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	texts, _ := impltest.Contract().Extensions["x-latchkey-problems"].(map[string]any)
	if diff := cmp.Diff(impltest.Codes(), slices.Sorted(maps.Keys(texts))); diff != "" {
		t.Errorf("codes with a text (-codes of the contract +texts):\n%s", diff)
	}
	for code, text := range texts {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			res, page := raw(t, h.Request(method, "/problems/"+code, "", "Accept-Encoding", "identity"))
			if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("%s %s: got %d %q", method, code, res.StatusCode, res.Header.Get("Content-Type"))
			}
			// The page has no script and no style, and can't be framed.
			if got := res.Header.Get("Content-Security-Policy"); got != "default-src 'none'; frame-ancestors 'none'" {
				t.Errorf("%s %s: Content-Security-Policy %q", method, code, got)
			}
			if method == http.MethodHead {
				continue
			}
			for member, words := range text.(map[string]any) {
				if !strings.Contains(html.UnescapeString(page), words.(string)) {
					t.Errorf("%s: its page doesn't have the %s", code, member)
				}
			}
			if !strings.Contains(page, "<code>"+code+"</code>") {
				t.Errorf("%s: its page doesn't name it", code)
			}
		}
	}
	for path, want := range map[string]string{
		"/problems/nothing": "not_found", "/problems/": "not_found", "/problems": "not_found", "/problems/email_taken/": "not_found",
		"/problems/Email_taken": "not_found", "/problems/%3Cscript%3E": "not_found",
	} {
		a := h.Do(t, h.Request("GET", path, ""))
		if a.Status != http.StatusNotFound || a.Text("code") != want {
			t.Errorf("%s: got %d %s", path, a.Status, a.Body)
		}
	}
	if res, _ := raw(
		t,
		h.Request("POST", "/problems/email_taken", ""),
	); res.StatusCode != http.StatusMethodNotAllowed ||
		res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: got %d, Allow %q", res.StatusCode, res.Header.Get("Allow"))
	}
}

// The type of an error leads to its page, also under the prefix of a proxy (RFC 9457 section 3.1.1,
// RFC 3986 section 5).
func TestProblemTypeLeadsToItsPage(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	for name, row := range map[string]struct {
		options impltest.Options
		headers []string
		want    string
	}{
		"no prefix":              {impltest.Options{}, nil, ""},
		"of a proxy":             {impltest.Options{Proxies: proxies}, []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-Prefix", "/auth"}, "/auth"},
		"of a stranger":          {impltest.Options{}, []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-Prefix", "/auth"}, ""},
		"of the public address":  {impltest.Options{PublicURL: "https://public.example/auth/"}, nil, "/auth"},
		"a public address alone": {impltest.Options{PublicURL: "https://public.example", Proxies: proxies}, []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-Prefix", "/x"}, ""},
	} {
		h := impltest.New(t, row.options)
		a := h.Do(t, h.Request("GET", impltest.MePath, "", row.headers...))
		path, ok := strings.CutPrefix(a.Text("type"), row.want)
		if !ok || path != "/problems/not_authenticated" {
			t.Errorf("%s: type %q, want %q before its path", name, a.Text("type"), row.want)
			continue
		}
		if res, page := raw(
			t,
			h.Request("GET", path, ""),
		); res.StatusCode != http.StatusOK ||
			!strings.Contains(page, a.Text("title")) {
			t.Errorf("%s: %s: got %d", name, path, res.StatusCode)
		}
	}
}

// raw sends a request without the judges, which don't know pages, and returns the response with its
// body.
func raw(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
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
