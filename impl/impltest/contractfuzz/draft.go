package contractfuzz

import (
	"iter"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// field is one member of a body, in the order in which it is sent.
type field struct {
	name  string
	value any
	// literal is written in place of the value where it is not nil.
	literal []byte
}

// draft is a request that is not yet encoded; newDraft makes a valid one.
type draft struct {
	rng     *rand.Rand
	op      *operation
	options Options
	valid   bool

	method, path, query string
	params              map[string]string
	header              http.Header
	fields              []field
	// bare says that no body is sent.
	bare    bool
	chunked bool
	style   style
	// spoil changes the encoded body.
	spoil func([]byte) []byte
	want  want
}

func newDraft(op *operation, rng *rand.Rand, options Options) *draft {
	d := &draft{rng: rng, op: op, options: options, method: op.method, path: op.path, header: http.Header{}, bare: op.body == nil}
	if op.secured || len(op.params) > 0 {
		token, params := options.Credentials()
		for _, m := range op.params {
			d.setParam(m, params[m.name])
		}
		if op.secured {
			d.header.Set("Authorization", "Bearer "+token)
		}
	}
	if op.body == nil {
		return d
	}
	d.header.Set("Content-Type", op.media)
	for _, m := range op.body.members {
		if m.required || rng.IntN(4) > 0 {
			d.fields = append(d.fields, field{name: m.name, value: d.valueOf(m)})
		}
	}
	if rng.IntN(2) == 0 {
		d.style = randomStyle(rng)
		d.shuffle()
	}
	return d
}

// setParam writes a parameter of the path.
func (d *draft) setParam(m member, value string) {
	if d.params == nil {
		d.params = map[string]string{}
	}
	d.params[m.name] = url.PathEscape(value)
	d.path = d.op.path
	for name, value := range d.params {
		d.path = strings.Replace(d.path, "{"+name+"}", value, 1)
	}
}

func (d *draft) shuffle() {
	d.rng.Shuffle(len(d.fields), func(i, j int) { d.fields[i], d.fields[j] = d.fields[j], d.fields[i] })
}

// chance is true once in n times.
func (d *draft) chance(n int) bool { return d.rng.IntN(n) == 0 }

func oneOf[T any](rng *rand.Rand, all ...T) T { return all[rng.IntN(len(all))] }

// set gives a member a value, which is added if the member is absent.
func (d *draft) set(name string, value any) { d.put(field{name: name, value: value}) }

// setLiteral gives a member a value that is already encoded.
func (d *draft) setLiteral(name string, literal []byte) { d.put(field{name: name, literal: literal}) }

func (d *draft) put(f field) {
	i := slices.IndexFunc(d.fields, func(have field) bool { return have.name == f.name })
	if i < 0 {
		d.insert(f)
		return
	}
	d.fields[i] = f
}

// insert adds a member anywhere.
func (d *draft) insert(f field) { d.fields = slices.Insert(d.fields, d.rng.IntN(len(d.fields)+1), f) }

func (d *draft) remove(name string) {
	d.fields = slices.DeleteFunc(d.fields, func(f field) bool { return f.name == name })
}

// refuse says what must be answered: a status, and where errors are given, exactly those.
func (d *draft) refuse(status int, errors ...fieldError) {
	d.want = want{statuses: []int{status}, errors: errors}
}

// usual is how long a string is at most where nothing is tried about its length.
const usual = 48

// valueOf makes a valid value, of a usual length.
func (d *draft) valueOf(m member) any {
	switch {
	case m.nullable && d.chance(8):
		return nil
	case len(m.enum) > 0:
		return oneOf(d.rng, m.enum...)
	case m.example != nil && (m.required && d.chance(8) || !m.required && d.chance(2)):
		// What is optional is often a choice, and most others lead nowhere; what is required may have to be unique.
		return m.example
	case m.kind == "boolean":
		return d.chance(2)
	case m.kind == "integer":
		return m.least + d.rng.Int64N(min(m.greatest-m.least, 1<<40)+1)
	}
	return d.text(m, d.length(m), oneOf(d.rng, pickers...))
}

// length is a usual one for a string.
func (d *draft) length(m member) int {
	return m.shortest + d.rng.IntN(min(m.limit(), max(usual, m.shortest))-m.shortest+1)
}

// limit is the bound on a string's length, or one that stands for none.
func (m member) limit() int {
	if m.longest < 0 {
		return 4 * usual
	}
	return m.longest
}

// text makes a valid string, of n code points as far as its format allows.
func (d *draft) text(m member, n int, pick picker) string {
	f := formats[m.format]
	if f.make != nil {
		return f.make(d.rng, n)
	}
	s, ok := m.pattern.make(d.rng, n, pick)
	for length := m.shortest; !ok && length <= m.limit(); length++ {
		s, ok = m.pattern.make(d.rng, length, pick)
	}
	if f.mend != nil {
		s = f.mend(d.rng, m, s)
	}
	return s
}

// wrong are values of other types than the member's; they are written as JSON.
func (m member) wrong() []any {
	others := map[string]any{
		"string": "1", "integer": int64(12345678901), "boolean": true, "array": []any{"x"}, "object": map[string]any{"x": "y"},
		"empty array": []any{}, "empty object": map[string]any{}, "fraction": 1.5,
	}
	delete(others, m.kind)
	if !m.nullable {
		others["null"] = nil
	}
	values := make([]any, 0, len(others))
	for _, name := range slices.Sorted(maps.Keys(others)) {
		values = append(values, others[name])
	}
	return values
}

func (d *draft) encode() []byte {
	if d.bare {
		return nil
	}
	var data []byte
	if d.op.media == mediaForm {
		data = d.form()
	} else {
		data = d.json()
	}
	if d.spoil != nil {
		data = d.spoil(data)
	}
	return data
}

// word makes a name that no contract has.
func (d *draft) word() string { return "zz" + strings.ToLower(makeString(d.rng, 1+d.rng.IntN(10))) }

func keysOf(h http.Header) iter.Seq[string] { return maps.Keys(h) }

// outside answers an integer one beyond the bounds, if there is one.
func (m member) outside() []int64 {
	var values []int64
	if m.least > math.MinInt64 {
		values = append(values, m.least-1)
	}
	if m.greatest < math.MaxInt64 {
		values = append(values, m.greatest+1)
	}
	return values
}
