package impltest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/gen/api"
)

// writtenContract returns the contract as it is written, without the additions of [judgedContract].
func writtenContract(t *testing.T) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(api.ContractJSON, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// The headers of every response are declared once and named in the introduction. A response
// declares one only to replace it with another value.
func TestCommonHeadersAreDeclaredOnce(t *testing.T) {
	doc := writtenContract(t)
	common := commonHeaders(doc)
	want := []string{
		"Access-Control-Allow-Credentials", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers",
		"Cache-Control", "Content-Security-Policy", "Referrer-Policy", "Vary", "X-Content-Type-Options", "X-Request-Id",
	}
	if diff := cmp.Diff(want, common); diff != "" {
		t.Errorf("headers of every response (-want +got):\n%s", diff)
	}
	introduction := fmt.Sprint(object(doc, "info")["description"])
	for _, name := range common {
		if !strings.Contains(introduction, "`"+name) {
			t.Errorf("the introduction doesn't name %s", name)
		}
	}
	replaced := map[string]bool{}
	for place, response := range responses(doc) {
		for name, header := range object(response, "headers") {
			ref := fmt.Sprint(header.(map[string]any)["$ref"])
			if component := strings.TrimPrefix(ref, "#/components/headers/"); slices.Contains(common, component) {
				t.Errorf("%s declares %s, which every response carries", place, component)
			}
			if slices.Contains(common, name) {
				replaced[place+" "+name] = true
			}
		}
	}
	own := []string{
		"get /.well-known/jwks.json 200 Access-Control-Allow-Origin", "get /.well-known/jwks.json 200 Cache-Control",
		"get /.well-known/oauth-authorization-server 200 Access-Control-Allow-Origin",
		"get /.well-known/oauth-authorization-server 200 Cache-Control",
	}
	if diff := cmp.Diff(own, slices.Sorted(maps.Keys(replaced))); diff != "" {
		t.Errorf("headers that a response replaces (-want +got):\n%s", diff)
	}
}

// Each judge requires every common header in each response, and accepts no other value.
func TestJudgesOfCommonHeaders(t *testing.T) {
	for judged, judge := range judges {
		for _, name := range commonHeaders(writtenContract(t)) {
			required := Contract().Components.Headers[name].Value.Required
			res, body := honest()
			res.Header.Del(name)
			if err := judge(res, body); (err != nil) != required {
				t.Errorf("%s, %s is missing: got %v", judged, name, err)
			}
			res, body = honest()
			res.Header.Set(name, "of another kind")
			if judge(res, body) == nil {
				t.Errorf("%s passes another %s", judged, name)
			}
		}
	}
	for name, lie := range map[string]func(http.Header){
		"a missing header": func(h http.Header) { h.Del("Referrer-Policy") },
		"a repeated one":   func(h http.Header) { h.Add("Referrer-Policy", "no-referrer") },
		"another value":    func(h http.Header) { h.Set("Referrer-Policy", "origin") },
		"no own value":     func(h http.Header) { h.Del("Cache-Control") },
	} {
		res, _ := honest()
		if err := CheckCommonHeaders(res.Header, "Cache-Control"); err != nil {
			t.Errorf("an honest response: %v", err)
		}
		lie(res.Header)
		if CheckCommonHeaders(res.Header, "Cache-Control") == nil {
			t.Errorf("%s passes", name)
		}
	}
}
