package docs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const serverPolicy = "default-src 'none'; frame-ancestors 'none'"

var testContract = Contract{
	JSON: []byte(`{"openapi":"3.0.3","info":{"title":"Schlüssel","version":"1"},"paths":{}}`),
	YAML: []byte("openapi: 3.0.3 # a comment stays\ninfo: {title: Schlüssel, version: '1'}\npaths: {}\n"),
}

// docsServer serves the pages behind the headers that the server sets on every answer.
func docsServer(t *testing.T) *httptest.Server {
	t.Helper()
	pages := Pages(testContract, nil)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", serverPolicy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		pages[r.URL.Path].ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv
}

// getDocs sends a request with the given header fields and no others. The client neither asks for
// gzip nor decompresses.
func getDocs(t *testing.T, srv *httptest.Server, path string, fields ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

var docsTypes = map[string]string{
	"/docs":                      "text/html; charset=utf-8",
	"/docs/docs.css":             "text/css; charset=utf-8",
	"/docs/initializer.js":       "text/javascript; charset=utf-8",
	"/docs/latchkey.svg":         "image/svg+xml",
	"/docs/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
	"/docs/swagger-ui.css":       "text/css; charset=utf-8",
	"/openapi.json":              "application/json",
	"/openapi.yaml":              "application/yaml",
}

func TestDocs_EachPage(t *testing.T) {
	t.Parallel()
	srv := docsServer(t)
	for path, contentType := range docsTypes {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			plain, body := getDocs(t, srv, path)
			if plain.StatusCode != http.StatusOK || len(body) == 0 {
				t.Fatalf("got %d with %d bytes", plain.StatusCode, len(body))
			}
			sum := sha256.Sum256(body)
			for name, want := range map[string]string{
				"Content-Type":           contentType,
				"Cache-Control":          "no-cache",
				"ETag":                   `"` + hex.EncodeToString(sum[:]) + `"`,
				"Vary":                   "Accept-Encoding",
				"Content-Encoding":       "",
				"X-Content-Type-Options": "nosniff",
			} {
				if got := plain.Header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			policy := serverPolicy
			if path == "/docs" {
				policy = pagePolicy
			}
			if got := plain.Header.Values("Content-Security-Policy"); len(got) != 1 || got[0] != policy {
				t.Errorf("Content-Security-Policy is %q, want %q", got, policy)
			}

			zipped, packed := getDocs(t, srv, path, "Accept-Encoding", "br, gzip")
			if got := zipped.Header.Get("Content-Encoding"); got != "gzip" {
				t.Fatalf("Content-Encoding is %q", got)
			}
			if got := zipped.Header.Get("Content-Type"); got != contentType {
				t.Errorf("gzipped: Content-Type is %q", got)
			}
			if got := zipped.Header.Get("ETag"); got == plain.Header.Get("ETag") || got == "" {
				t.Errorf("gzipped: ETag is %q", got)
			}
			if got := gunzip(t, packed); !bytes.Equal(got, body) {
				t.Errorf("gzipped: other bytes, %d for %d", len(got), len(body))
			}

			for _, res := range []*http.Response{plain, zipped} {
				again, rest := getDocs(
					t,
					srv,
					path,
					"Accept-Encoding",
					res.Header.Get("Content-Encoding"),
					"If-None-Match",
					res.Header.Get("ETag"),
				)
				if again.StatusCode != http.StatusNotModified || len(rest) != 0 {
					t.Errorf("asked again: got %d with %d bytes", again.StatusCode, len(rest))
				}
				// A 304 refreshes these headers in a cache (RFC 9110 section 15.4.5).
				for _, name := range []string{"ETag", "Cache-Control", "Vary", "Content-Security-Policy"} {
					if again.Header.Get(name) != res.Header.Get(name) {
						t.Errorf("asked again: %s is %q", name, again.Header.Get(name))
					}
				}
				if got := again.Header.Get("Content-Encoding"); got != "" {
					t.Errorf("asked again: Content-Encoding is %q", got)
				}
			}
		})
	}
}

func gunzip(t *testing.T, packed []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestDocs_NoOtherPath(t *testing.T) {
	t.Parallel()
	leading := map[string]string{"/": "docs", "/docs/": "../docs"} // they lead to the page
	pages := Pages(testContract, map[string]Problem{"a_code": {"A", "B", "C"}})
	if want := len(docsTypes) + len(leading) + 1; len(pages) != want || pages["/problems/a_code"] == nil {
		t.Errorf("%d paths, want %d", len(pages), want)
	}
	for path := range docsTypes {
		if pages[path] == nil {
			t.Errorf("%s is not served", path)
		}
	}
	for path, want := range leading {
		w := httptest.NewRecorder()
		pages[path].ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if got := w.Header().Get("Location"); w.Code != http.StatusFound || got != want {
			t.Errorf("%s: got %d to %q, want 302 to %q", path, w.Code, got, want)
		}
	}
}

func TestDocs_ContractIsServedAsGiven(t *testing.T) {
	t.Parallel()
	srv := docsServer(t)
	for path, want := range map[string][]byte{"/openapi.json": testContract.JSON, "/openapi.yaml": testContract.YAML} {
		if _, got := getDocs(t, srv, path); !bytes.Equal(got, want) {
			t.Errorf("%s: got %q", path, got)
		}
	}
}

func TestDocs_IfNoneMatch(t *testing.T) {
	t.Parallel()
	srv := docsServer(t)
	first, _ := getDocs(t, srv, "/openapi.json")
	tag := first.Header.Get("ETag")
	for _, test := range []struct {
		fields []string
		want   int
	}{
		{[]string{tag}, 304},
		{[]string{"W/" + tag}, 304},
		{[]string{`"x", ` + tag}, 304},
		{[]string{`"x",W/` + tag + ` ,"y"`}, 304},
		{[]string{`"x"`, tag}, 304},
		{[]string{"*"}, 304},
		{[]string{`"x"`}, 200},
		{[]string{""}, 200},
		{[]string{`"*"`}, 200},
		{[]string{strings.Trim(tag, `"`)}, 200},
		{[]string{strings.TrimSuffix(tag, `"`) + `-gzip"`}, 200}, // other bytes
	} {
		var fields []string
		for _, value := range test.fields {
			fields = append(fields, "If-None-Match", value)
		}
		if res, _ := getDocs(t, srv, "/openapi.json", fields...); res.StatusCode != test.want {
			t.Errorf("If-None-Match %q: got %d, want %d", test.fields, res.StatusCode, test.want)
		}
	}
}

// A range belongs to the uncompressed page, also if the client accepts gzip, because a part of a
// compressed page can't be read by itself.
func TestDocs_Range(t *testing.T) {
	t.Parallel()
	srv := docsServer(t)
	whole, body := getDocs(t, srv, "/openapi.json")
	zipped, _ := getDocs(t, srv, "/openapi.json", "Accept-Encoding", "gzip")
	tag, size := whole.Header.Get("ETag"), strconv.Itoa(len(body))
	for name, test := range map[string]struct {
		fields []string
		status int
		body   []byte
		extent string
	}{
		"a range":                    {[]string{"Range", "bytes=2-8"}, 206, body[2:9], "bytes 2-8/" + size},
		"the end":                    {[]string{"Range", "bytes=-3"}, 206, body[len(body)-3:], "bytes " + strconv.Itoa(len(body)-3) + "-" + strconv.Itoa(len(body)-1) + "/" + size},
		"a range, and gzip is taken": {[]string{"Range", "bytes=2-8", "Accept-Encoding", "gzip"}, 206, body[2:9], "bytes 2-8/" + size},
		"of the same bytes":          {[]string{"Range", "bytes=2-8", "If-Range", tag}, 206, body[2:9], "bytes 2-8/" + size},
		"of other bytes":             {[]string{"Range", "bytes=2-8", "If-Range", `"x"`}, 200, body, ""},
		"of the compressed bytes":    {[]string{"Range", "bytes=2-8", "If-Range", zipped.Header.Get("ETag"), "Accept-Encoding", "gzip"}, 200, body, ""},
		"behind the end":             {[]string{"Range", "bytes=99999-"}, 416, nil, "bytes */" + size},
		"of a page that is kept":     {[]string{"Range", "bytes=2-8", "If-None-Match", tag}, 304, []byte{}, ""},
		"of a page that has changed": {[]string{"Range", "bytes=2-8", "If-Match", `"x"`}, 412, nil, ""},
	} {
		res, got := getDocs(t, srv, "/openapi.json", test.fields...)
		if res.StatusCode != test.status || test.body != nil && !bytes.Equal(got, test.body) ||
			res.Header.Get("Content-Range") != test.extent {
			t.Errorf("%s: got %d %q %q", name, res.StatusCode, res.Header.Get("Content-Range"), got)
		}
		if got := res.Header.Get("Content-Encoding"); got != "" {
			t.Errorf("%s: Content-Encoding is %q", name, got)
		}
		want := map[bool]string{true: "no-cache", false: "no-store"}[test.status < 400]
		if got := res.Header.Get("Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control is %q, want %q", name, got, want)
		}
	}
}

func TestDocs_AcceptEncoding(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]bool{
		"": false, "identity": false, "br": false, "gzipped": false,
		"gzip": true, "GZIP": true, "x-gzip": true, "deflate, gzip;q=1.0, *;q=0.5": true, "gzip ; q = 0.001": true,
		"gzip;q=0": false, "gzip;q=0.000": false, "gzip;q=0, *": false, "*, gzip;q=0": false, "*": true, "*;q=0": false, "*;q=0, gzip": true,
		"gzip;q=": false, "gzip;q=x": false, "gzip;level=9": false,
	} {
		if got := acceptsGzip([]string{field}); got != want {
			t.Errorf("Accept-Encoding %q: got %t, want %t", field, got, want)
		}
	}
	if !acceptsGzip([]string{"br", "gzip"}) {
		t.Error("the second of two Accept-Encoding fields is not read")
	}
}

// The policy would block all of these in the browser. This test finds them earlier. A reference to
// another host would also reveal the readers of the page to that host.
func TestDocs_OwnFilesKeepToThePolicy(t *testing.T) {
	t.Parallel()
	srv := docsServer(t)
	_, html := getDocs(t, srv, "/docs")
	for what, pattern := range map[string]string{
		"an inline script":          `(?i)<script(?:\s+[^>]*)?>\s*[^<\s]`,
		"a script without a source": `(?i)<script\s*>`,
		"a style element":           `(?i)<style`,
		"a style attribute":         `(?i)\sstyle\s*=`,
		"an event handler":          `(?i)\son[a-z]+\s*=`,
		"a javascript: reference":   `(?i)javascript:`,
	} {
		if found := regexp.MustCompile(pattern).Find(html); found != nil {
			t.Errorf("/docs has %s: %s", what, found)
		}
	}
	for _, path := range []string{"/docs", "/docs/initializer.js", "/docs/docs.css"} {
		_, body := getDocs(t, srv, path)
		// The namespace is a name that no browser requests, and the icon needs it.
		body = bytes.ReplaceAll(body, []byte("http://www.w3.org/2000/svg"), nil)
		if found := regexp.MustCompile(`(?i)https?:|["'(=]//`).Find(body); found != nil {
			t.Errorf("%s refers to another host: %s", path, found)
		}
	}
	for _, match := range regexp.MustCompile(`(?:src|href)="(/[^"]*)"`).FindAllSubmatch(html, -1) {
		if path := string(match[1]); docsTypes[path] == "" {
			t.Errorf("/docs refers to %s, which is not served", path)
		}
	}
}

// The demo and this page show the same key.
func TestDocs_Key(t *testing.T) {
	t.Parallel()
	_, own := getDocs(t, docsServer(t), "/docs/latchkey.svg")
	demo, err := os.ReadFile("../../web/demo/public/latchkey.svg")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(own, demo) {
		t.Error("the demo's key is another one")
	}
}

// The source maps are not served.
func TestDocs_NoSourceMaps(t *testing.T) {
	t.Parallel()
	for path, p := range interactive {
		if bytes.Contains(p.plain().body, []byte("sourceMappingURL=")) {
			t.Errorf("%s refers to a source map", path)
		}
	}
}

// A text that is missing would be an empty page.
func TestProblemTexts(t *testing.T) {
	t.Parallel()
	whole := map[string]any{"title": "A", "meaning": "B", "remedy": "C"}
	texts, err := ReadProblems(map[string]any{"a": whole})
	if err != nil || texts["a"] != (Problem{"A", "B", "C"}) {
		t.Errorf("got %v, %v", texts, err)
	}
	for name, text := range map[string]any{
		"no meaning":      map[string]any{"title": "A", "remedy": "C"},
		"an empty title":  map[string]any{"title": "", "meaning": "B", "remedy": "C"},
		"another member":  map[string]any{"title": "A", "meaning": "B", "remedy": "C", "detail": "D"},
		"no text":         "A",
		"no texts at all": nil,
	} {
		var problems any
		if text != nil {
			problems = map[string]any{"a": whole, "b": text}
		}
		if _, err := ReadProblems(problems); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}
