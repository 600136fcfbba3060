package impltest

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// Some client generators lose a required member if its property is in another part of an allOf.
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

// An error of the token endpoints has the same kind as elsewhere, plus the members of RFC 6749. No
// kind is written twice.
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

// Every id in the contract has the same type.
func TestIDsHaveOneType(t *testing.T) {
	id := "#/components/schemas/ID"
	doc := writtenContract(t)
	for name, members := range map[string][]string{
		"User": {"id"}, "Session": {"id"}, "AccessTokenClaims": {"uid", "sid"}, "InternalErrorKind": {"request_id"},
	} {
		properties := object(object(object(object(doc, "components"), "schemas"), name), "properties")
		for _, member := range members {
			if got := object(properties, member)["$ref"]; got != id {
				t.Errorf("%s of %s is %v", member, name, properties[member])
			}
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), `"format":"uuid"`); n != 1 {
		t.Errorf("%d schemas have the format uuid, want one", n)
	}
	for _, item := range Contract().Paths.Map() {
		for _, op := range item.Operations() {
			for _, parameter := range op.Parameters {
				if strings.HasSuffix(parameter.Value.Name, "_id") && parameter.Value.Schema.Ref != id {
					t.Errorf("%s: the parameter %s is of another type", op.OperationID, parameter.Value.Name)
				}
			}
		}
	}
}

// What the introduction says about changes is true today:
//
//   - the bounds of tokens equal those of the schemas
//   - a response is open to new members
func TestWhatMayChange(t *testing.T) {
	_, section, ok := strings.Cut(Contract().Info.Description, "**What may change.**")
	if !ok {
		t.Fatal("the introduction doesn't say what may change")
	}
	section = strings.Join(strings.Fields(section), " ")
	schemas := Contract().Components.Schemas
	for member, phrase := range map[string]string{
		"access_token": "an access token has at most 4,096 characters", "refresh_token": "a refresh token at most 256;",
	} {
		bound := *schemas["Token"].Value.Properties[member].Value.MaxLength
		digits := strings.ReplaceAll(phrase, ",", "")
		if !strings.Contains(section, phrase) || !strings.Contains(digits, fmt.Sprintf(" %d", bound)) {
			t.Errorf("%s has at most %d characters, and the introduction doesn't say %q", member, bound, phrase)
		}
	}
	var isClosed func(*openapi3.Schema) bool
	isClosed = func(schema *openapi3.Schema) bool {
		below := append(slices.Clone(schema.AllOf), slices.Collect(maps.Values(schema.Properties))...)
		if schema.Items != nil {
			below = append(below, schema.Items)
		}
		has := schema.AdditionalProperties.Has
		isClosedRef := func(ref *openapi3.SchemaRef) bool { return isClosed(ref.Value) }
		return has != nil && !*has || slices.ContainsFunc(below, isClosedRef)
	}
	if !isClosed(schemas["AccessTokenClaims"].Value) {
		t.Error("nothing would be found to be closed")
	}
	for _, item := range Contract().Paths.Map() {
		for _, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				for _, media := range response.Value.Content {
					if isClosed(media.Schema.Value) {
						t.Errorf("%s %s is closed to new members", op.OperationID, status)
					}
				}
			}
		}
	}
}

// A summary is a heading: a few words that name the operation, and not a question.
func TestSummariesAreHeadings(t *testing.T) {
	question := regexp.MustCompile(`^(How|What|When|Where|Whether|Which|Who|Whose|Whoever|Why)\b`)
	seen := map[string]string{}
	for path, item := range Contract().Paths.Map() {
		for method, op := range item.Operations() {
			words := len(strings.Fields(op.Summary))
			if words == 0 || words > 5 || question.MatchString(op.Summary) || strings.HasSuffix(op.Summary, ".") {
				t.Errorf("%s %s is called %q", method, path, op.Summary)
			}
			if other := seen[op.Summary]; other != "" {
				t.Errorf("%s and %s are both called %q", op.OperationID, other, op.Summary)
			}
			seen[op.Summary] = op.OperationID
		}
	}
}

// A sentence of the contract has at most 25 words, so that it is read once.
func TestSentencesAreShort(t *testing.T) {
	const longest = 25
	ends := regexp.MustCompile(`[.:;]\s+|\n\s*\n|\n\s*- `)
	sentences := 0
	var walk func(value any, at string)
	walk = func(value any, at string) {
		switch value := value.(type) {
		case map[string]any:
			for name, below := range value {
				walk(below, at+"/"+name)
			}
		case []any:
			for i, below := range value {
				walk(below, fmt.Sprintf("%s/%d", at, i))
			}
		case string:
			if !strings.HasSuffix(at, "/description") && !strings.Contains(at, "/x-latchkey-problems/") {
				return
			}
			for _, sentence := range ends.Split(value, -1) {
				sentences++
				if n := len(strings.Fields(sentence)); n > longest {
					t.Errorf("%s has a sentence of %d words: %s", at, n, sentence)
				}
			}
		}
	}
	walk(writtenContract(t), "")
	if sentences < 300 {
		t.Errorf("%d sentences were seen", sentences)
	}
}
