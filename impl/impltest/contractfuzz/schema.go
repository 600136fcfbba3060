package contractfuzz

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// object is the schema of a body.
type object struct {
	members []member
	// open says that members which aren't listed are let pass.
	open bool
}

// member is the schema of one member of a body.
type member struct {
	name     string
	kind     string // string, integer or boolean
	required bool
	nullable bool
	enum     []any
	example  any

	// Of strings: bounds in code points, -1 for none.
	shortest, longest int
	pattern           *pattern
	format            string
	// misfits are characters that break the pattern where they stand first.
	misfits []rune

	// Of integers.
	least, greatest int64
}

// Keywords that say nothing of what is valid, or that are read for every type.
var commonKeywords = []string{"type", "title", "description", "example", "default", "deprecated", "externalDocs", "nullable", "enum"}

// Keywords that are read for one type.
var keywords = map[string][]string{
	"object":  {"properties", "required", "additionalProperties"},
	"string":  {"minLength", "maxLength", "pattern", "format"},
	"integer": {"minimum", "maximum", "format"},
	"boolean": {},
}

// checkKeywords refuses a schema that says more than is read here: its requests would be called valid without being so.
func checkKeywords(schema *openapi3.Schema) (kind string, err error) {
	if schema.Type == nil || len(schema.Type.Slice()) != 1 {
		return "", fmt.Errorf("a schema needs exactly one type to have requests made from it, not %v", schema.Type)
	}
	kind = schema.Type.Slice()[0]
	known, ok := keywords[kind]
	if !ok {
		return "", fmt.Errorf("nothing here makes values of the type %s", kind)
	}
	data, err := schema.MarshalJSON()
	if err != nil {
		return "", err
	}
	var written map[string]any
	if err := json.Unmarshal(data, &written); err != nil {
		return "", err
	}
	for _, keyword := range slices.Sorted(maps.Keys(written)) {
		if !slices.Contains(known, keyword) && !slices.Contains(commonKeywords, keyword) && !strings.HasPrefix(keyword, "x-") {
			return "", fmt.Errorf("nothing here knows the keyword %s of a schema of type %s", keyword, kind)
		}
	}
	return kind, nil
}

// readObject reads the schema of a body.
func readObject(schema *openapi3.Schema) (*object, error) {
	kind, err := checkKeywords(schema)
	if err != nil {
		return nil, err
	}
	if kind != "object" || schema.Nullable || len(schema.Enum) > 0 || schema.AdditionalProperties.Schema != nil {
		return nil, fmt.Errorf("a body is made only of a plain object with listed members")
	}
	o := &object{open: schema.AdditionalProperties.Has == nil || *schema.AdditionalProperties.Has}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		m, err := readMember(schema.Properties[name].Value)
		if err != nil {
			return nil, fmt.Errorf("member %s: %w", name, err)
		}
		m.name, m.required = name, slices.Contains(schema.Required, name)
		o.members = append(o.members, m)
	}
	for _, name := range schema.Required {
		if schema.Properties[name] == nil {
			return nil, fmt.Errorf("member %s is required and has no schema", name)
		}
	}
	return o, nil
}

func readMember(schema *openapi3.Schema) (member, error) {
	kind, err := checkKeywords(schema)
	if err != nil {
		return member{}, err
	}
	m := member{kind: kind, nullable: schema.Nullable, enum: schema.Enum, example: schema.Example}
	switch kind {
	case "string":
		err = m.readString(schema)
	case "integer":
		if schema.Min == nil || schema.Max == nil {
			return m, fmt.Errorf("an integer needs both its bounds")
		}
		if m.least, m.greatest = int64(*schema.Min), int64(*schema.Max); m.least > m.greatest {
			return m, fmt.Errorf("no integer lies between %d and %d", m.least, m.greatest)
		}
	case "object":
		err = fmt.Errorf("nothing here makes objects within objects")
	}
	return m, err
}

// longestMade is the longest string that is made, in code points. Each may be twelve bytes of a body, which may then be larger than
// the server reads.
const longestMade = 16384

func (m *member) readString(schema *openapi3.Schema) (err error) {
	m.shortest, m.longest, m.format = int(schema.MinLength), -1, schema.Format
	if schema.MaxLength != nil {
		m.longest = int(*schema.MaxLength)
	}
	if f, ok := formats[m.format]; !ok || m.longest >= 0 && m.longest < f.atLeast {
		return fmt.Errorf("nothing here makes strings of the format %q of at most %d characters", m.format, m.longest)
	}
	if m.longest > longestMade || m.shortest > m.limit() {
		return fmt.Errorf("nothing here makes strings of %d to %d characters", m.shortest, m.longest)
	}
	text := schema.Pattern
	if text == "" {
		text = `^(?s:.*)$`
	}
	if m.pattern, err = readPattern(text); err != nil || schema.Pattern == "" {
		return err
	}
	// Any string that fits will do to try them on.
	rng := rand.New(rand.NewPCG(0, 0))
	sample, ok := m.pattern.make(rng, m.shortest, pickPlain)
	for n := max(m.shortest, 1); (!ok || sample == "") && n <= m.limit(); n++ {
		sample, ok = m.pattern.make(rng, n, pickPlain)
	}
	if !ok {
		return fmt.Errorf("no string was found that matches %s within its bounds", text)
	}
	rest := string([]rune(sample)[1:])
	m.misfits = slices.DeleteFunc(append([]rune{0}, odd...), func(r rune) bool { return m.pattern.matcher.MatchString(string(r) + rest) })
	if len(m.misfits) == 0 {
		return fmt.Errorf("no character was found that breaks the pattern %s", text)
	}
	return nil
}
