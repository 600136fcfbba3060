package contract

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckParameters(t *testing.T) {
	t.Parallel()
	op := mustPlan(t, document("", parameters(
		parameter("query", "limit", `{"type":"integer","format":"int32","minimum":1,"maximum":100}`),
		parameter("query", "big", `{"type":"integer"}`),
		parameter("query", "ratio", `{"type":"number"}`),
		parameter("query", "all", `{"type":"boolean"}`),
		parameter("query", "sort", `{"type":"string","enum":["up","down"],"maxLength":4}`),
		parameter("query", "a/b", `{"type":"string","format":"odd"}`),
		`{"in":"header","name":"If-Match","required":true,"schema":{"type":"string","pattern":"^\"[0-9]+\"$"}}`,
	), ""), testRules)
	one := func(pointer, code string) [][2]string { return [][2]string{{pointer, code}} }
	for query, want := range map[string][][2]string{
		"": nil, "limit=1": nil, "limit=100": nil, "other=x&other=y": nil, "all=true": nil, "all=false": nil, "ratio=-0.5e3": nil, "sort=down": nil, "a/b=odd": nil,
		"big=9223372036854775807": nil,
		"limit=0":                 one("/query/limit", "invalid_format"),
		"limit=101":               one("/query/limit", "invalid_format"),
		"limit=2147483648":        one("/query/limit", "wrong_type"),
		"big=9223372036854775808": one("/query/big", "wrong_type"),
		"limit=":                  one("/query/limit", "wrong_type"),
		"limit=1.0":               one("/query/limit", "wrong_type"),
		"limit=%2B1":              one("/query/limit", "wrong_type"),
		"limit=01":                one("/query/limit", "wrong_type"),
		"limit=1_0":               one("/query/limit", "wrong_type"),
		"limit=1&limit=1":         one("/query/limit", "duplicate"),
		"ratio=NaN":               one("/query/ratio", "wrong_type"),
		"ratio=0x1p4":             one("/query/ratio", "wrong_type"),
		"ratio=1e999":             one("/query/ratio", "wrong_type"),
		"all=1":                   one("/query/all", "wrong_type"),
		"all=TRUE":                one("/query/all", "wrong_type"),
		"sort=left":               one("/query/sort", "invalid_format"),
		"sort=%ff":                one("/query/sort", "malformed"),
		"a/b=even":                one("/query/a~1b", "invalid_format"),
		"limit=%zz":               one("/query", "malformed"),
		"limit=1;all=1":           one("/query", "malformed"),
		"limit=x&all=x":           {{"/query/all", "wrong_type"}, {"/query/limit", "wrong_type"}},
	} {
		r := httptest.NewRequest("POST", "/things/", nil)
		r.URL.RawQuery = query
		r.Header.Set("If-Match", `"1"`)
		found := op.CheckParameters(r)
		if diff := cmp.Diff(want, codes(found)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
		for _, v := range found {
			if v.Detail == "" || strings.Contains(v.Detail, "left") {
				t.Errorf("%s: detail %q", query, v.Detail)
			}
		}
	}
	for sent, want := range map[string][][2]string{
		"": one("/header/If-Match", "required"), `"1"`: nil, "1": one("/header/If-Match", "invalid_format"),
		`"1"|"2"`: one("/header/If-Match", "duplicate"), "\xff": one("/header/If-Match", "malformed"),
	} {
		r := httptest.NewRequest("POST", "/things/", nil)
		for field := range strings.SplitSeq(sent, "|") {
			if field != "" {
				r.Header.Add("if-match", field)
			}
		}
		if diff := cmp.Diff(want, codes(op.CheckParameters(r))); diff != "" {
			t.Errorf("If-Match %s (-want +got):\n%s", sent, diff)
		}
	}
}

// The detail of a value outside an enum names the allowed values, ten at most.
func TestCheckParameters_NamesTheValues(t *testing.T) {
	t.Parallel()
	for enum, want := range map[string]string{
		`["up"]`:                "It must be up.",
		`["up","down"]`:         "It must be up or down.",
		`["up","down","aside"]`: "It must be up, down or aside.",
		`["a","b","c","d","e","f","g","h","i","j"]`: "It must be a, b, c, d, e, f, g, h, i or j.",
		`["a","b","c","d","e","f","g","h","i","j","k"]`: "It must be one of the 11 values that the contract lists, " +
			"such as a, b, c, d, e, f, g, h, i or j.",
	} {
		op := mustPlan(t, document("", parameters(
			parameter("query", "sort", `{"type":"string","enum":`+enum+`}`)), ""), testRules)
		found := op.CheckParameters(httptest.NewRequest("POST", "/things/?sort=left", nil))
		if diff := cmp.Diff(Violations{{"/query/sort", "invalid_format", want}}, found); diff != "" {
			t.Errorf("%s (-want +got):\n%s", enum, diff)
		}
	}
}

// Many parameters are refused together, and not looked at one by one.
func TestCheckParameters_Many(t *testing.T) {
	t.Parallel()
	op := mustPlan(t, document("", parameters(parameter("query", "q", text)), ""), Rules{})
	for n, want := range map[int]int{maxValues: 0, maxValues + 1: 1} {
		r := httptest.NewRequest("POST", "/things/?q=1"+strings.Repeat("&x", n-1), nil)
		if found := op.CheckParameters(r); len(found) != want {
			t.Errorf("%d: got %v", n, found)
		}
	}
}

func TestCheckParameters_OAuth(t *testing.T) {
	t.Parallel()
	op := mustPlan(t, document("", `"tags":["tokens"]`, ""), Rules{})
	for query, want := range map[string][][2]string{"": nil, "a=b": {{"", "query_not_allowed"}}} {
		r := httptest.NewRequest("POST", "/things/?"+query, nil)
		if diff := cmp.Diff(want, codes(op.CheckParameters(r))); diff != "" {
			t.Errorf("%q: %s", query, diff)
		}
	}
}

const patchSchema = `{"type":"object","additionalProperties":false,"properties":{
	"name":{"type":"string","maxLength":3},"note":{"type":"string","nullable":true},
	"place":{"type":"object","additionalProperties":false,"properties":{"city":{"type":"string","format":"odd"}}}}}`

// A merge patch is read as strictly as any JSON, and null removes a member that may be absent (RFC
// 7396 section 1).
func TestBind_MergePatch(t *testing.T) {
	t.Parallel()
	op := mustPlan(t, document("", body("application/merge-patch+json", patchSchema), ""), testRules)
	for sent, want := range map[string][][2]string{
		`{}`: nil, `{"note":null}`: nil, `{"name":"ada","place":{"city":"odd"}}`: nil,
		`{"name":null}`:              {{"/name", "wrong_type"}},
		`{"name":"adas","x":1}`:      {{"/name", "too_long"}, {"/x", "unknown"}},
		`{"place":{"city":"even"}}`:  {{"/place/city", "invalid_format"}},
		`{"place":{"x":1}}`:          {{"/place/x", "unknown"}},
		`[]`:                         {{"", "wrong_type"}},
		`null`:                       {{"", "wrong_type"}},
		`{"name":"a","name":"b"}`:    {{"/name", "duplicate"}},
		`{"name":"a"} {"name":"b"}`:  {{"", "malformed"}},
		strings.Repeat("[", 100_000): {{"", "malformed"}},
	} {
		r := httptest.NewRequest("POST", "/things/", nil)
		found := op.Body.Bind(r, []byte(sent))
		if diff := cmp.Diff(want, codes(found)); diff != "" {
			t.Errorf("%.40s (-want +got):\n%s", sent, diff)
		}
		// The stub binds the value itself.
		bound, ok := r.Body.(interface{ ValidatedValue() any })
		if ok != (want == nil) || ok && bound.ValidatedValue() == nil {
			t.Errorf("%.40s: the stub gets %v", sent, r.Body)
		}
	}
	for head, want := range map[string]bool{
		"application/merge-patch+json": true, "application/merge-patch+json; charset=UTF-8": true,
		"application/json": false, "": false, "application/merge-patch+json; charset=latin1": false,
	} {
		r := httptest.NewRequest("POST", "/things/", nil)
		r.Header.Set("Content-Type", head)
		if got := op.Body.IsAnnounced(r.Header); got != want {
			t.Errorf("%q: got %t", head, got)
		}
	}
}

// A rule applies to bodies with its property. It is called for each form, and for a JSON body that
// breaks its schema or another rule. A rule that is always called sees every JSON body.
func TestBind_Rules(t *testing.T) {
	t.Parallel()
	rules := Rules{Bodies: []BodyRule{
		{Property: "kind", AnyValue: true, Check: func(fields map[string]any, found *Violations) {
			found.Add("/kind", "not_allowed", fmt.Sprint(len(fields)))
		}},
		{
			Property: "kind",
			Format:   "other",
			Check:    func(_ map[string]any, found *Violations) { found.Add("/other", "not_allowed", "") },
		},
		{Property: "n", Always: true, Check: func(fields map[string]any, found *Violations) {
			if fields["n"] == "0" {
				found.Add("/n", "not_allowed", "")
			}
		}},
		{Property: "absent", Check: func(_ map[string]any, found *Violations) { found.Add("/absent", "not_allowed", "") }},
	}}
	const schema = `{"type":"object","properties":{"kind":{"type":"string","enum":["a"]},"n":{"type":"string","maxLength":1}}}`
	kind := [][2]string{{"/kind", "not_allowed"}}
	for media, rows := range map[string]map[string][][2]string{
		mediaForm: {"kind=b": kind, "": kind, "kind=a&n=22": {{"/kind", "not_allowed"}, {"/n", "too_long"}}, "n=1&n=2": {{"/kind", "not_allowed"}, {"/n", "duplicate"}}},
		mediaJSON: {
			`{"kind":"b"}`: nil, `{"kind":"b","n":"22"}`: {{"/kind", "not_allowed"}, {"/n", "too_long"}},
			`{"n":"1"}`: nil, `{"n":"0"}`: {{"/kind", "not_allowed"}, {"/n", "not_allowed"}},
		},
	} {
		for sent, want := range rows {
			op := mustPlan(t, document("", body(media, schema), ""), rules)
			r := httptest.NewRequest("POST", "/things/?kind=query", nil)
			if diff := cmp.Diff(want, codes(op.Body.Bind(r, []byte(sent)))); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", media, sent, diff)
			}
			if got := r.Form; media == mediaForm && got.Get("kind") == "query" {
				t.Errorf("%s: the form has %v", sent, got)
			}
		}
	}
	// Without the rule, the enum holds.
	op := mustPlan(t, document("", body(mediaForm, schema), ""), Rules{})
	if diff := cmp.Diff(
		[][2]string{{"/kind", "invalid_format"}},
		codes(op.Body.Bind(httptest.NewRequest("POST", "/things/", nil), []byte("kind=b"))),
	); diff != "" {
		t.Error(diff)
	}
}

// The contract allows 100 entries. Their cost doesn't grow with the size of the request.
func TestViolations_Bound(t *testing.T) {
	t.Parallel()
	op := mustPlan(t, document("", body(mediaForm, `{"type":"object","properties":{}}`), ""), Rules{})
	form := url.Values{}
	for n := range 300 {
		form[fmt.Sprint(n)] = []string{"1", "2"}
	}
	found := op.Body.Bind(httptest.NewRequest("POST", "/things/", nil), []byte(form.Encode()))
	found = append(found, Violation{Pointer: "/0", Code: "x"})
	if got := len(found.Sorted()); got != maxViolations {
		t.Errorf("%d entries, want %d", got, maxViolations)
	}
}
