package contractfuzz

import (
	"bytes"
	"strings"
)

// validTargets are the kinds of valid requests for an operation. Each changes one thing that must make no difference.
func validTargets(op *operation, options Options) []target {
	var all []target
	add := func(kind, at string, change func(*draft)) {
		all = append(all, target{operation: op, valid: true, kind: kind, at: at, change: change})
	}
	add("any", "", func(*draft) {})
	add("Accept", "", acceptAnything)
	add("other headers", "", addHeaders)
	add("names of headers in lower case", "", lowerHeaders)
	if strings.HasPrefix(op.path, "/api/") && strings.HasSuffix(op.path, "/") {
		add("no last slash", "", func(d *draft) { d.path = strings.TrimSuffix(d.path, "/") })
	}
	if !op.token {
		add("undeclared query", "", func(d *draft) { d.query = oneOf(d.rng, "x", "x=1", "a=b&a=c", "%F0%9F%98%80", "email=x") })
	}
	if op.secured {
		add("scheme of Authorization", "", func(d *draft) {
			_, token, _ := strings.Cut(d.header.Get("Authorization"), " ")
			d.header.Set("Authorization", oneOf(d.rng, "bearer ", "BEARER ", "bEaReR ", "Bearer  ", "Bearer     ")+token)
		})
	} else {
		add("needless Authorization", "", func(d *draft) {
			d.header.Set("Authorization", oneOf(d.rng, "Basic Og==", "Bearer x", "Bearer", "x"))
		})
	}
	for _, m := range op.params {
		add("of nothing", m.name, func(d *draft) { d.setParam(m, d.text(m, d.length(m), oneOf(d.rng, pickers...))) })
		add("shortest", m.name, func(d *draft) { d.setParam(m, d.text(m, max(m.shortest, 1), pickPlain)) })
		add("longest", m.name, func(d *draft) { d.setParam(m, d.text(m, m.longest, pickPlain)) })
	}
	if op.body != nil {
		addValidBodies(op, options, add)
	}
	return all
}

type adder func(kind, at string, change func(*draft))

func addValidBodies(op *operation, options Options, add adder) {
	add("Content-Type", "", spellContentType)
	add("Content-Encoding identity", "", func(d *draft) { d.header.Set("Content-Encoding", oneOf(d.rng, "identity", "Identity")) })
	add("chunked", "", func(d *draft) { d.chunked = true })
	add("all members", "", func(d *draft) { d.choose(func(member) bool { return true }) })
	add("required members", "", func(d *draft) { d.choose(func(m member) bool { return m.required }) })
	add("everything escaped", "", func(d *draft) { d.style = style{escapes: 10, lower: d.chance(2), spaces: d.chance(2)} })
	add("nothing escaped", "", func(d *draft) { d.style = style{plus: d.chance(2)} })
	add("order of members", "", func(d *draft) { d.choose(func(member) bool { return true }); d.shuffle() })
	if !op.required {
		add("no body", "", func(d *draft) { d.bare = true; d.header.Del("Content-Type") })
	}
	for _, example := range op.examples {
		// The credentials of an example are known, and so it is told whether a value was read as it was written.
		for _, s := range spellings {
			add("example, "+s.kind, "", func(d *draft) { d.take(example); d.style = s.style })
		}
	}
	if op.body.open {
		add("unlisted member", "", func(d *draft) { d.insert(field{name: d.word(), value: d.word()}) })
	}
	if op.media == mediaForm {
		add("empty fields and pairs", "", emptyFields)
	} else {
		add("white space", "", func(d *draft) { d.style.spaces = true })
	}
	if op.media == mediaJSON || op.body.open {
		add("largest body", "", func(d *draft) { d.spoil = func(data []byte) []byte { return d.pad(data, options.MaxBody) } })
	}
	for _, m := range op.body.members {
		addValidMember(m, add)
	}
}

func addValidMember(m member, add adder) {
	if !m.required {
		add("absent", m.name, func(d *draft) { d.remove(m.name) })
	}
	if m.nullable {
		add("null", m.name, func(d *draft) { d.set(m.name, nil) })
	}
	for _, value := range m.enum {
		add("of the enumeration", m.name, func(d *draft) { d.set(m.name, value) })
	}
	switch {
	case len(m.enum) > 0:
	case m.kind == "integer":
		add("least", m.name, func(d *draft) { d.set(m.name, m.least) })
		add("greatest", m.name, func(d *draft) { d.set(m.name, m.greatest) })
	case m.kind == "string":
		add("shortest", m.name, func(d *draft) { d.set(m.name, d.text(m, m.shortest, oneOf(d.rng, pickers...))) })
		add("odd characters", m.name, func(d *draft) { d.set(m.name, d.text(m, d.length(m), pickOdd)) })
		add("beyond the first plane", m.name, func(d *draft) { d.set(m.name, d.text(m, d.length(m), pickAstral)) })
		if m.longest >= 0 {
			add("longest", m.name, func(d *draft) { d.set(m.name, d.text(m, m.longest, oneOf(d.rng, pickers...))) })
			add("nearly longest", m.name, func(d *draft) { d.set(m.name, d.text(m, max(m.longest-1, m.shortest), pickPlain)) })
		}
	}
}

var spellings = []struct {
	kind  string
	style style
}{
	{"plain", style{}},
	{"some escaped", style{escapes: 4}},
	{"all escaped", style{escapes: 10}},
	{"all escaped in lower case", style{escapes: 10, lower: true}},
	{"spaces as plus or anywhere", style{plus: true, spaces: true}},
	{"with gaps", style{gaps: true, plus: true}},
}

// choose makes the body of those members for which pick is true.
func (d *draft) choose(pick func(member) bool) {
	d.fields = nil
	for _, m := range d.op.body.members {
		if pick(m) {
			d.fields = append(d.fields, field{name: m.name, value: d.valueOf(m)})
		}
	}
}

// take makes the body of an example of the contract.
func (d *draft) take(example map[string]any) {
	d.fields = nil
	for _, m := range d.op.body.members {
		if value, ok := example[m.name]; ok {
			d.fields = append(d.fields, field{name: m.name, value: value})
		}
	}
	d.shuffle()
	d.want.known = true
}

// pad makes the body n bytes long, and says nothing more with it.
func (d *draft) pad(data []byte, n int) []byte {
	if d.op.media == mediaForm {
		data = append(data, "&zz="...)
		return append(data, bytes.Repeat([]byte{'a'}, max(n-len(data), 0))...)
	}
	return append(data, bytes.Repeat([]byte{' '}, max(n-len(data), 0))...)
}

func acceptAnything(d *draft) {
	d.header["Accept"] = oneOf(d.rng,
		[]string{"*/*"}, []string{"application/json"}, []string{"application/problem+json"}, []string{"application/xml"},
		[]string{"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}, []string{"application/json;q=0"}, []string{""},
		[]string{"application/*"}, []string{"garbage"}, []string{"text/plain", "application/json"}, []string{", ,;q"})
}

func addHeaders(d *draft) {
	for _, header := range [][2]string{
		{"Sec-Fetch-Site", "same-origin"}, {"Cookie", "session=1; a=b"}, {"X-Forwarded-For", "203.0.113.7"},
		{"X-Forwarded-Proto", "https"}, {"X-Http-Method-Override", "DELETE"}, {"X-Request-Id", "1"}, {"Accept-Encoding", "gzip, br"},
		{"Accept-Language", "de-CH, *;q=0.1"}, {"Referer", "https://elsewhere.example/"}, {"User-Agent", ""}, {"Dnt", "1"},
		{"Range", "bytes=0-0"}, {"Cache-Control", "no-cache"}, {"Pragma", "no-cache"}, {"X-Odd", "\xff\xfe é"}, {"Te", "trailers"},
		{"X-Original-Url", "/healthz"}, {"X-Rewrite-Url", "/healthz"}, {"Accept-Charset", "utf-16"}, {"Priority", "u=1, i"},
	} {
		if d.chance(4) {
			d.header.Set(header[0], header[1])
		}
	}
}

// lowerHeaders writes the names as HTTP/2 does (RFC 9110 section 5.1: they are compared without case).
func lowerHeaders(d *draft) {
	for name, values := range d.header.Clone() {
		delete(d.header, name)
		d.header[strings.ToLower(name)] = values
	}
}

// spellContentType says the same media type in other words (RFC 9110 section 8.3.1).
func spellContentType(d *draft) {
	name := oneOf(d.rng, d.op.media, strings.ToUpper(d.op.media), strings.ToUpper(d.op.media[:1])+d.op.media[1:])
	d.header.Set("Content-Type", name+oneOf(d.rng,
		"", ";charset=utf-8", "; charset=UTF-8", `; charset="utf-8"`, " ; charset=utf-8", "; Charset=Utf-8", ";  charset=utf-8 ", ";"))
}

// emptyFields sends those members empty that may be, and empty pairs among them.
func emptyFields(d *draft) {
	d.style.gaps = true
	for _, m := range d.op.body.members {
		if m.shortest == 0 && m.pattern.matcher.MatchString("") && len(m.enum) == 0 && d.chance(2) {
			d.set(m.name, "")
		}
	}
}
