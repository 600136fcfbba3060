package impl_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/timetest"
)

// costly is a request that is refused, or does nothing, before it is charged to a budget. Its
// content has size bytes.
type costly struct {
	method, path, contentType string
	make                      func(size int) (path, body string, head http.Header)
}

const (
	mediaJSON = "application/json"
	mediaForm = "application/x-www-form-urlencoded"
)

// inBody makes bodies: a prefix, pieces until there are size bytes, and a suffix.
func inBody(prefix string, piece func(i int) string, suffix string) func(int) (string, string, http.Header) {
	return func(size int) (string, string, http.Header) {
		var b strings.Builder
		b.WriteString(prefix)
		for i := 0; ; i++ {
			p := piece(i)
			if b.Len()+len(p)+len(suffix) > size {
				break
			}
			b.WriteString(p)
		}
		b.WriteString(suffix)
		return "", b.String(), nil
	}
}

func same(piece string) func(int) string { return func(int) string { return piece } }

// costlyRequests are the most expensive requests that we know, by operation and kind.
func costlyRequests() map[string]costly {
	all := map[string]costly{}
	const valid = `"email":"ada@example.com","username":"ada"`
	for kind, make := range map[string]func(int) (string, string, http.Header){
		"unknown members":           inBody("{", func(i int) string { return fmt.Sprintf(`"%x":1,`, i) }, `"":1}`),
		"unknown members, no value": inBody(`{`, func(i int) string { return fmt.Sprintf(`"%x":"",`, i) }, `"password":"aaaaaaaaaa"}`),
		"duplicate names":           inBody("{", same(`"a":1,`), `"a":1}`),
		"duplicate name at the end": inBody("{", func(i int) string { return fmt.Sprintf(`"%x":1,`, i) }, `"1":1}`),
		"deep arrays":               inBody("", same("["), ""),
		"deep objects":              inBody("", same(`{"a":`), ""),
		"deep member":               inBody(`{"email":`, same(`[`), ""),
		"long array":                inBody("[", same("0,"), "0]"),
		"long array as a member":    inBody(`{"email":[`, same("{},"), "{}]}"),
		"objects as a member":       inBody(`{"email":{`, func(i int) string { return fmt.Sprintf(`"%x":1,`, i) }, `"":1}}`),
		"long email":                inBody(`{"email":"`, same("a."), `@example.com","username":"ada","password":"x"}`),
		"long domain":               inBody(`{"email":"a@`, same("é."), `com","username":"ada","password":"x"}`),
		"many @":                    inBody(`{"email":"`, same("a@"), `","username":"ada","password":"x"}`),
		"long username":             inBody(`{"email":"ada@example.com","username":"`, same("a"), `","password":"x"}`),
		"long password":             inBody(`{`+valid+`,"password":"`, same("a"), `"}`),
		"wide password":             inBody(`{`+valid+`,"password":"`, same(`e\u0301`), `"}`),
		"long email and password":   inBody(`{"username":"ada","password":"`+strings.Repeat("a", 1000)+`","email":"`, same("ab."), `"}`),
		"escapes":                   inBody(`{"email":"`, same(`\u0061`), `"}`),
		"long name":                 inBody(`{"`, same("a"), `":1}`),
		"long number":               inBody(`{"email":`, same("1"), `}`),
		"spaces":                    inBody("", same(" "), "{}"),
		"not JSON":                  inBody("", same("x"), ""),
	} {
		all["RegisterUser: "+kind] = costly{http.MethodPost, "/api/users/", mediaJSON, make}
	}
	for path, operation := range map[string]string{"/api/users/login/token/": "Login", "/api/oauth/revoke/": "RevokeToken"} {
		for kind, make := range map[string]func(int) (string, string, http.Header){
			"unknown fields":      inBody("", func(i int) string { return fmt.Sprintf("%x&", i) }, "a"),
			"one field repeated":  inBody("", same("a&"), "a"),
			"fields repeated":     inBody("", func(i int) string { return fmt.Sprintf("%x&", i/2) }, "a"),
			"escaped fields":      inBody("", func(i int) string { return fmt.Sprintf("%%%02x%%%02x&", i%256, i/256%256) }, "a"),
			"not UTF-8":           inBody("", func(i int) string { return fmt.Sprintf("%%ff%x&", i) }, "a"),
			"long escaped token":  inBody("token=", same("%41"), ""),
			"long token":          inBody("token=lkr_", same("a"), ""),
			"dots":                inBody("token=", same("."), ""),
			"long username":       inBody("password=x&username=", same("é."), ""),
			"long refresh token":  inBody("grant_type=refresh_token&refresh_token=lkr_", same("a"), ""),
			"long grant type":     inBody("grant_type=", same("a"), ""),
			"broken escapes":      inBody("", same("%zz&"), ""),
			"long name":           inBody("", same("a"), ""),
			"semicolons":          inBody("", same("a;"), ""),
			"every field is long": inBody("username=@&password=", same("+"), "&scope=x"),
		} {
			all[operation+": "+kind] = costly{http.MethodPost, path, mediaForm, make}
		}
	}
	// A head has at most 16 KiB. The test compares an eighth of it with the whole.
	inHead := func(name string, value func(size int) string) func(int) (string, string, http.Header) {
		return func(size int) (string, string, http.Header) {
			return "", "", http.Header{name: {value(size / 5)}}
		}
	}
	repeat := func(piece string) func(int) string {
		return func(size int) string { return strings.Repeat(piece, size/len(piece)) }
	}
	for _, path := range []string{"/api/users/me/", "/api/users/me/sessions/"} {
		all["GET "+path+": long token"] = costly{
			http.MethodGet,
			path,
			"",
			inHead("Authorization", func(n int) string { return "Bearer " + strings.Repeat("a", n) }),
		}
		all["GET "+path+": dots"] = costly{
			http.MethodGet,
			path,
			"",
			inHead("Authorization", func(n int) string { return "Bearer " + strings.Repeat(".", n) }),
		}
		all["GET "+path+": objects"] = costly{
			http.MethodGet,
			path,
			"",
			inHead("Authorization", func(n int) string { return "Bearer " + strings.Repeat("eyJhIjox", n/8) + ".e30.AA" }),
		}
		all["GET "+path+": forwarded"] = costly{http.MethodGet, path, "", inHead("X-Forwarded-For", repeat("10.0.0.1,"))}
		all["GET "+path+": Forwarded"] = costly{http.MethodGet, path, "", inHead("Forwarded", repeat(`for=1.1.1.1;a="b",`))}
		all["GET "+path+": cookies"] = costly{http.MethodGet, path, "", inHead("Cookie", repeat("a=b;"))}
	}
	all["GET /openapi.json: encodings"] = costly{
		http.MethodGet,
		"/openapi.json",
		"",
		inHead("Accept-Encoding", repeat("br;q=0.1,")),
	}
	all["GET /openapi.json: tags"] = costly{http.MethodGet, "/openapi.json", "", inHead("If-None-Match", repeat(`"a",`))}
	all["GET /openapi.json: ranges"] = costly{
		http.MethodGet,
		"/openapi.json",
		"",
		inHead("Range", func(n int) string { return "bytes=" + strings.Repeat("0-1,", n/4) + "0-1" }),
	}
	for kind, piece := range map[string]string{"segments": "a/", "slashes": "/", "escapes": "%2f", "one segment": "a"} {
		all["DELETE: long path of "+kind] = costly{http.MethodDelete, "", "", func(size int) (string, string, http.Header) {
			return "/api/users/me/sessions/" + strings.Repeat(piece, size/5/len(piece)), "", nil
		}}
	}
	all["GET: long query"] = costly{http.MethodGet, "/api/users/me/", "", func(size int) (string, string, http.Header) {
		return "/api/users/me/?" + strings.Repeat("a&", size/10), "", http.Header{"Authorization": {"Bearer x"}}
	}}
	return all
}

// on returns a function that sends the request, with size bytes, to a server in this process.
func (c costly) on(tb testing.TB, h *impltest.Harness, size int) func() {
	tb.Helper()
	path, body, head := c.make(size)
	if path == "" {
		path = c.path
	}
	return func() {
		r := httptest.NewRequest(c.method, path, io.NopCloser(strings.NewReader(body)))
		r.ContentLength = int64(len(body))
		if body == "" {
			r.Body, r.ContentLength = http.NoBody, 0
		}
		if c.contentType != "" {
			r.Header.Set("Content-Type", c.contentType)
		}
		for name, values := range head {
			r.Header[name] = values
		}
		w := httptest.NewRecorder()
		h.Server.ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError {
			tb.Errorf("%s %.60s: status %d", c.method, path, w.Code)
		}
	}
}

// H-5: the work on a request that is refused grows no faster than its bytes.
func TestH5_CostOfRefusedRequests(t *testing.T) {
	h := impltest.New(t, impltest.Options{Limits: true})
	for name, c := range costlyRequests() {
		if growth := timetest.Growth(c.on(t, h, 8<<10), c.on(t, h, 64<<10)); growth > timetest.Bound {
			t.Errorf("%s: eight times the bytes cost %.1f times as much", name, growth)
		}
	}
}

// The limit is 5 ms for each.
func BenchmarkCostOfRefusedRequests(b *testing.B) {
	h := impltest.New(b, impltest.Options{Limits: true})
	for name, c := range costlyRequests() {
		send := c.on(b, h, 64<<10)
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			for b.Loop() {
				send()
			}
		})
	}
}

// A body with more values or levels than any operation needs is refused before it is parsed into
// values.
func TestH5_ManyValuesAndDeepBodies(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	members := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"m%d":1,`, i)
		}
		return "{" + b.String() + `"z":"\"}]"}`
	}
	for name, row := range map[string]struct {
		path, contentType, body string
		entries                 int
		pointer                 string
	}{
		"999 unknown members":   {"/api/users/", mediaJSON, members(998), 100, "/m"},
		"4,000 unknown members": {"/api/users/", mediaJSON, members(4000), 1, ""},
		"32 levels":             {"/api/users/", mediaJSON, `{"a":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + "}", 4, "/"},
		"33 levels":             {"/api/users/", mediaJSON, `{"a":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + "}", 1, ""},
		"1,001 fields":          {"/api/oauth/revoke/", mediaForm, strings.Repeat("a&", 1000) + "token=x", 1, ""},
		"quotes in a text":      {"/api/users/", mediaJSON, `{"email":"` + strings.Repeat(`\"[{,`, 2000) + `"}`, 3, "/"},
	} {
		r := h.Do(t, h.Request(http.MethodPost, row.path, row.body, "Content-Type", row.contentType))
		entries, _ := r.JSON("errors").([]any)
		first := ""
		if len(entries) > 0 {
			entry, _ := entries[0].(map[string]any)
			first, _ = entry["pointer"].(string)
		}
		if r.Status != http.StatusUnprocessableEntity || len(entries) != row.entries ||
			!strings.HasPrefix(first, row.pointer) {
			t.Errorf("%s: status %d with %d entries: %.300s", name, r.Status, len(entries), r.Body)
		}
	}
}
