package contractfuzz

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"slices"
	"strings"
	"unicode/utf16"
)

// The codes of the contract's FieldError that are expected.
const (
	codeMalformed = "malformed"
	codeDuplicate = "duplicate"
	codeUnknown   = "unknown"
	codeWrongType = "wrong_type"
	codeRequired  = "required"
	codeTooShort  = "too_short"
	codeTooLong   = "too_long"
	codeFormat    = "invalid_format"
	codeCharacter = "invalid_character"
	anyCode       = ""
)

func addBrokenBodies(op *operation, add adder) {
	if op.required {
		add("no body", "", func(d *draft) {
			d.bare = true
			if d.chance(2) {
				d.header.Del("Content-Type")
			} else if op.media == mediaForm {
				d.refuse(http.StatusUnprocessableEntity, missing(op)...) // it is a form, without fields
				return
			}
			d.invalid("", codeRequired)
		})
	}
	for _, m := range op.body.members {
		addBrokenMember(op, m, add)
	}
	if op.media == mediaForm {
		addBrokenForm(op, add)
	} else {
		addBrokenJSON(op, add)
	}
}

// missing are the errors of a body without members.
func missing(op *operation) []fieldError {
	var all []fieldError
	for _, m := range op.body.members {
		if m.required {
			all = append(all, fieldError{pointerTo(m.name), codeRequired})
		}
	}
	return all
}

// invalid says that the answer is 422 with one error.
func (d *draft) invalid(at, code string) {
	d.refuse(http.StatusUnprocessableEntity, fieldError{pointerTo(at), code})
}

// pointerTo is the JSON pointer of a member (RFC 6901), or of the whole body if there is no name.
func pointerTo(name string) string {
	if name == "" {
		return ""
	}
	return "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func addBrokenMember(op *operation, m member, add adder) {
	member := func(kind, code string, value func(*draft) any) {
		add(kind, m.name, func(d *draft) {
			d.set(m.name, value(d))
			d.invalid(m.name, code)
		})
	}
	if m.required {
		add("missing", m.name, func(d *draft) { d.remove(m.name); d.invalid(m.name, codeRequired) })
	}
	if op.media == mediaJSON {
		member("wrong type", codeWrongType, func(d *draft) any { return oneOf(d.rng, m.wrong()...) })
	}
	if m.name == "grant_type" {
		// RFC 6749 section 5.2 gives an unknown one an answer of its own.
		add("not of the enumeration", m.name, func(d *draft) {
			d.set(m.name, d.word())
			d.refuse(http.StatusBadRequest)
		})
		return
	}
	if len(m.enum) > 0 {
		member("not of the enumeration", anyCode, func(d *draft) any { return d.word() })
		return
	}
	for _, value := range m.outside() {
		if m.kind == "integer" {
			member("out of bounds", anyCode, func(*draft) any { return value })
		}
	}
	if m.kind != "string" {
		return
	}
	switch {
	case m.shortest > 0 && op.media == mediaForm:
		// A field of a form without a value counts as absent (RFC 6749 section 3.2).
		member("empty", codeRequired, func(*draft) any { return "" })
	case m.shortest > 0:
		member("too short by one", codeTooShort, func(d *draft) any { return d.anyText(m.shortest - 1) })
		member("too short", codeTooShort, func(d *draft) any { return d.anyText(d.rng.IntN(m.shortest)) })
	}
	if m.longest >= 0 {
		member("too long by one", codeTooLong, func(d *draft) any { return d.anyText(m.longest + 1) })
		member("too long", codeTooLong, func(d *draft) any { return makeString(d.rng, m.longest+2+d.rng.IntN(2*longestMade-m.longest)) })
	}
	if len(m.misfits) > 0 {
		code := codeFormat
		if m.pattern.excludes() {
			code = codeCharacter
		}
		member("pattern", code, func(d *draft) any { return d.misfit(m) })
	}
	if broken := formats[m.format].broken; len(broken) > 0 {
		member("format", codeFormat, func(d *draft) any { return oneOf(d.rng, broken...) })
	}
}

// anyText is a string that is held to no pattern, so that only its length may be told of.
func (d *draft) anyText(n int) string {
	if d.chance(2) {
		return makeString(d.rng, n)
	}
	runes := make([]rune, n)
	for i := range runes {
		runes[i] = pickAstral(d.rng)
	}
	return string(runes)
}

// misfit is a valid string with one character exchanged for one that breaks the pattern, at its ends or within.
func (d *draft) misfit(m member) string {
	runes := []rune(d.text(m, max(d.length(m), 1), pickPlain))
	for _, at := range []int{oneOf(d.rng, 0, len(runes)-1, d.rng.IntN(len(runes))), 0} {
		spoilt := slices.Clone(runes)
		spoilt[at] = oneOf(d.rng, m.misfits...)
		if !m.pattern.matcher.MatchString(string(spoilt)) {
			return string(spoilt)
		}
	}
	return strings.Repeat(string(m.misfits[0]), max(m.shortest, 1))
}

func addBrokenJSON(op *operation, add adder) {
	for _, m := range op.body.members {
		addTwice(m, add)
		if m.kind == "string" {
			addBrokenLiterals(m, add)
		}
	}
	if !op.body.open {
		add("unlisted member", "", func(d *draft) {
			name := d.unlisted()
			d.insert(field{name: name, value: oneOf[any](d.rng, "x", 1, true, nil, []any{}, map[string]any{"a": []any{1}}, "")})
			d.invalid(name, codeUnknown)
		})
	}
	add("another value than an object", "", func(d *draft) {
		d.spoil = func(data []byte) []byte {
			return []byte(oneOf(d.rng, "null", `"ada"`, `""`, `"{}"`, "0", "-1.5e3", "12345678901234567890", "true", "false",
				"[]", "[{}]", `["email"]`, "[[]]", "["+string(data)+"]"))
		}
		d.invalid("", codeWrongType)
	})
	addBrokenTexts(add)
}

func addTwice(m member, add adder) {
	add("twice", m.name, func(d *draft) {
		d.set(m.name, d.valueOf(m))
		d.insert(field{name: m.name, value: d.valueOf(m)})
		d.invalid(m.name, codeDuplicate)
	})
}

func addBrokenLiterals(m member, add adder) {
	literal := func(kind string, make func(*draft) []byte) {
		add(kind, m.name, func(d *draft) { d.setLiteral(m.name, make(d)); d.invalid("", codeMalformed) })
	}
	literal("invalid UTF-8", func(d *draft) []byte { return d.quoted(string(oneOf(d.rng, invalidUTF8...))) })
	literal("lone surrogate", func(d *draft) []byte {
		return d.quoted(oneOf(d.rng, `\ud800`, `\uDBFF`, `\udc00`, `\uDFFF`, `\ud83dx`, `\ud83d\n`, `\ude00\ud83d`, `\ud83d\ud83d`))
	})
	literal("malformed string", func(d *draft) []byte {
		return d.quoted(oneOf(d.rng, "\x00", "\x1f", "\n", "\t", `\x41`, `\u12.`, `\u00g0`, `\U0041`, `\'`, `\0`, `"`, `\u{41}`))
	})
	literal("no JSON value", func(d *draft) []byte {
		return []byte(oneOf(d.rng, "NaN", "Infinity", "'x'", "undefined", "True", "01", "+1", "0x1", "", "`x`", ".5", "1."))
	})
}

func addBrokenTexts(add adder) {
	spoil := func(kind string, change func(*draft, []byte) []byte) {
		add(kind, "", func(d *draft) {
			d.spoil = func(data []byte) []byte { return change(d, data) }
			d.invalid("", codeMalformed)
		})
	}
	spoil("truncated", func(d *draft, data []byte) []byte {
		data = bytes.TrimSpace(data)
		return data[:1+d.rng.IntN(len(data)-1)]
	})
	spoil("trailing data", func(d *draft, data []byte) []byte {
		return append(data, oneOf(d.rng, "x", "{}", "null", ",", "]", "}", "//", "\x00", `"`, "\v", "\u00a0", "\ufeff", "\n{}")...)
	})
	spoil("leading data", func(d *draft, data []byte) []byte {
		return append([]byte(oneOf(d.rng, "\x00", ")]}',\n", "/**/", "\f", "\u2028", ",", "{", "\x1e")), data...)
	})
	spoil("byte order mark", func(_ *draft, data []byte) []byte { return append([]byte("\ufeff"), data...) })
	spoil("trailing comma", func(_ *draft, data []byte) []byte {
		return append(bytes.TrimSuffix(bytes.TrimSpace(data), []byte("}")), ",}"...)
	})
	spoil("another encoding", func(d *draft, data []byte) []byte {
		return inUTF16(data, oneOf[binary.AppendByteOrder](d.rng, binary.LittleEndian, binary.BigEndian))
	})
	spoil("no JSON", func(d *draft, _ []byte) []byte {
		return []byte(oneOf(d.rng, " ", "\n", "email=ada", "<a/>", "ada", "\x00", "\xff", "{]", "-", "tru"))
	})
	spoil("deep nesting", func(d *draft, _ []byte) []byte {
		const depth = 10_001
		if d.chance(2) {
			return []byte(strings.Repeat("[", depth) + strings.Repeat("]", depth))
		}
		return []byte(strings.Repeat(`{"":`, depth) + "1" + strings.Repeat("}", depth))
	})
}

// unlisted is a name that the body doesn't have, also one that differs from a known one in its case alone.
func (d *draft) unlisted() string {
	known := oneOf(d.rng, d.op.body.members...).name
	names := []string{
		d.word(), strings.ToUpper(known), strings.ToUpper(known[:1]) + known[1:], known + " ", known + "s", known + ".x",
		"is_superuser", "id", "token", "__proto__", "$ref", "a/b", "a~b", "é", "😀",
	}
	return oneOf(d.rng, slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(d.op.body.members, func(m member) bool { return m.name == name })
	})...)
}

func inUTF16(data []byte, order binary.AppendByteOrder) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(string(data))) {
		out = order.AppendUint16(out, unit)
	}
	return out
}

func addBrokenForm(op *operation, add adder) {
	for _, m := range op.body.members {
		addTwice(m, add)
		literal := func(kind, at string, make func(*draft) []byte) {
			add(kind, m.name, func(d *draft) { d.setLiteral(m.name, make(d)); d.invalid(at, codeMalformed) })
		}
		literal("invalid UTF-8", m.name, func(d *draft) []byte { return d.within(oneOf(d.rng, invalidUTF8...)) })
		literal("invalid UTF-8, escaped", m.name, func(d *draft) []byte { return d.escaped(d.within(oneOf(d.rng, invalidUTF8...))) })
		literal("malformed escape", "", func(d *draft) []byte {
			return d.within([]byte(oneOf(d.rng, "%.", "%zz", "%u0041", "%4.", "%G0", "%%")))
		})
		literal("semicolon", "", func(d *draft) []byte { return d.within([]byte{';'}) })
	}
	if op.body.open {
		add("unlisted member twice", "", func(d *draft) {
			name := d.word()
			d.insert(field{name: name, value: "x"})
			d.insert(field{name: name, value: oneOf(d.rng, "x", "")})
			d.invalid(name, codeDuplicate)
		})
	} else {
		add("unlisted member", "", func(d *draft) {
			name := d.word()
			d.insert(field{name: name, value: "x"})
			d.invalid(name, codeUnknown)
		})
	}
	name := func(kind string, pairs ...string) {
		add(kind+" in a name", "", func(d *draft) {
			d.spoil = func(data []byte) []byte {
				pair := []byte(oneOf(d.rng, pairs...))
				switch {
				case len(data) == 0:
					return pair
				case d.chance(2):
					return slices.Concat(pair, []byte("&"), data)
				}
				return slices.Concat(data, []byte("&"), pair)
			}
			d.invalid("", codeMalformed)
		})
	}
	name("malformed escape", "%zz=1", "a%=1", "%4", "a%2=b")
	name("invalid UTF-8", "%ff=1", "\xff=1", "a%C0%80=1", "%ED%A0%80")
}
