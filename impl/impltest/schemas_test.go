package impltest

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// Generators of clients lose a required member whose property stands in another part of an allOf.
func TestRequiredMembersStandBesideTheirProperties(t *testing.T) {
	lists := 0
	var walk func(value any, at string)
	walk = func(value any, at string) {
		switch value := value.(type) {
		case map[string]any:
			if required, ok := value["required"].([]any); ok && !strings.HasSuffix(at, "/properties") {
				lists++
				for _, name := range required {
					if object(value, "properties")[name.(string)] == nil {
						t.Errorf("%s requires %s, whose property stands elsewhere", at, name)
					}
				}
			}
			for name, below := range value {
				walk(below, at+"/"+name)
			}
		case []any:
			for i, below := range value {
				walk(below, fmt.Sprintf("%s/%d", at, i))
			}
		}
	}
	walk(writtenContract(t), "")
	if lists < 30 {
		t.Errorf("%d lists of required members were seen", lists)
	}
}

// At the token endpoints an error is of the same kind, with the members of RFC 6749 beside it; nothing is written twice.
func TestTokenProblemsAreTheOtherProblems(t *testing.T) {
	schemas := object(object(writtenContract(t), "components"), "schemas")
	ref := func(name string) any { return map[string]any{"$ref": "#/components/schemas/" + name} }
	all := func(parts ...any) any { return map[string]any{"allOf": parts} }
	twins := 0
	for name, schema := range schemas {
		same, ok := strings.CutPrefix(name, "Token")
		if !ok || !strings.HasSuffix(name, "Problem") {
			continue
		}
		twins++
		kind := ref(strings.TrimSuffix(same, "Problem") + "Kind")
		if want := all(ref("Problem"), ref("OAuthError"), kind); !reflect.DeepEqual(schema, want) {
			t.Errorf("%s is %v, want %v", name, schema, want)
		}
		if want := all(ref("Problem"), kind); !reflect.DeepEqual(schemas[same], want) {
			t.Errorf("%s is %v, want %v", same, schemas[same], want)
		}
	}
	if twins == 0 {
		t.Error("no schema was seen")
	}
}
