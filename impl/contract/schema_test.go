package contract

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSchema(t *testing.T) {
	t.Parallel()
	read, err := Read([]byte(`{"openapi":"3.0.3","info":{"title":"t","version":"1"},"paths":{},"components":{"schemas":{
		"Thing":{"type":"object","additionalProperties":false,"required":["name"],"properties":{
			"name":{"type":"string","format":"odd"},
			"tags":{"type":"array","items":{"type":"string","maxLength":3}}}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read.Schema("Other", Rules{}); err == nil {
		t.Error("a schema that doesn't exist was returned")
	}
	schema, err := read.Schema("Thing", testRules)
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string][][2]string{
		`{"name":"odd"}`:                        nil,
		`{"name":"odd","tags":["a","b"]}`:       nil,
		`{"tags":["a","long"],"nome":1}`:        {{"/name", "required"}, {"/nome", "unknown"}, {"/tags/1", "too_long"}},
		`{"name":"even"}`:                       {{"/name", "invalid_format"}},
		`{"name":"odd","name":"odd"}`:           {{"/name", "duplicate"}},
		`{"name":"\ud800"}`:                     {{"", "malformed"}},
		"{\"name\":\"\xff\"}":                   {{"", "malformed"}},
		`{"name":"odd"}x`:                       {{"", "malformed"}},
		`[]`:                                    {{"", "wrong_type"}},
		``:                                      {{"", "malformed"}},
		strings.Repeat("[", 1<<20):              {{"", "malformed"}},
		`{"tags":[` + strings.Repeat("1,", 1e6): {{"", "malformed"}},
	} {
		if diff := cmp.Diff(want, codes(schema.Check([]byte(line)))); diff != "" {
			t.Errorf("%.40s (-want +got):\n%s", line, diff)
		}
	}
}
