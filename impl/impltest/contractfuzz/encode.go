package contractfuzz

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// style is how a body is written; it changes nothing of what is said.
type style struct {
	// spaces puts white space between a JSON text's tokens.
	spaces bool
	// escapes is how many of ten characters are escaped that need not be, in either media type.
	escapes int
	// lower writes escapes in lower case.
	lower bool
	// plus writes a form's spaces as +.
	plus bool
	// gaps puts empty pairs into a form, and leaves away the = of an empty field.
	gaps bool
}

func randomStyle(rng *rand.Rand) style {
	return style{
		spaces: rng.IntN(2) == 0, escapes: oneOf(rng, 0, 0, 3, 10), lower: rng.IntN(2) == 0,
		plus: rng.IntN(2) == 0, gaps: rng.IntN(4) == 0,
	}
}

func (d *draft) json() []byte {
	var b bytes.Buffer
	space := func() {
		for d.style.spaces && !d.chance(3) {
			b.WriteRune(oneOf(d.rng, ' ', '\t', '\n', '\r'))
		}
	}
	space()
	b.WriteByte('{')
	for i, f := range d.fields {
		if i > 0 {
			b.WriteByte(',')
			space()
		}
		b.WriteString(d.jsonString(f.name))
		space()
		b.WriteByte(':')
		space()
		b.Write(d.jsonValue(f))
		space()
	}
	b.WriteByte('}')
	space()
	return b.Bytes()
}

func (d *draft) jsonValue(f field) []byte {
	if f.literal != nil {
		return f.literal
	}
	if s, ok := f.value.(string); ok {
		return []byte(d.jsonString(s))
	}
	data, err := json.Marshal(f.value)
	if err != nil {
		panic(err) // a value that this package has made
	}
	return data
}

var shortEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '/': `\/`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}

// jsonString writes a string, some characters of it escaped (RFC 8259 section 7).
func (d *draft) jsonString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		needed := r < ' ' || r == '"' || r == '\\'
		short, hasShort := shortEscapes[r]
		switch {
		case !needed && d.rng.IntN(10) >= d.style.escapes:
			b.WriteRune(r)
		case hasShort && d.chance(2):
			b.WriteString(short)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				b.WriteString(d.hex(`\u%04X`, unit))
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}

// hex writes a number in the style's case.
func (d *draft) hex(format string, n any) string {
	if d.style.lower {
		format = strings.Replace(format, "X", "x", 1)
	}
	return fmt.Sprintf(format, n)
}

func (d *draft) form() []byte {
	var pairs []string
	gap := func() {
		if d.style.gaps && d.chance(2) {
			pairs = append(pairs, "")
		}
	}
	for _, f := range d.fields {
		gap()
		value := string(f.literal)
		if f.literal == nil {
			s, _ := f.value.(string)
			value = d.formEncode(s)
		}
		pair := d.formEncode(f.name) + "=" + value
		if value == "" && d.style.gaps {
			pair = strings.TrimSuffix(pair, "=")
		}
		pairs = append(pairs, pair)
	}
	gap()
	return []byte(strings.Join(pairs, "&"))
}

// formEncode writes a name or a value of a form, some characters of it escaped that need not be.
func (d *draft) formEncode(s string) string {
	const free = alphabet + "*-._"
	const allowed = "!$'(),/:?@[]~{}|^`\"<>\\" // no writer leaves these as they are, and every reader takes them
	var b strings.Builder
	for _, c := range []byte(s) {
		isFree := strings.IndexByte(free, c) >= 0
		isAllowed := d.style.escapes == 0 && strings.IndexByte(allowed, c) >= 0
		switch {
		case c == ' ' && d.style.plus:
			b.WriteByte('+')
		case (isFree || isAllowed) && d.rng.IntN(10) >= d.style.escapes:
			b.WriteByte(c)
		default:
			b.WriteString(d.hex("%%%02X", c))
		}
	}
	return b.String()
}

// invalidUTF8 are bytes that are no UTF-8: alone, overlong, a surrogate, beyond the last code point, cut off.
var invalidUTF8 = [][]byte{
	{0xff}, {0x80}, {0xc0, 0x80}, {0xc1, 0xbf}, {0xe0, 0x80, 0xaf}, {0xed, 0xa0, 0x80}, {0xed, 0xbf, 0xbf},
	{0xf4, 0x90, 0x80, 0x80}, {0xf8, 0x88, 0x80, 0x80, 0x80}, {0xe6, 0x97}, {0xf0, 0x9f, 0x98}, {0xfe},
}

// within puts bytes into a plain text at any place.
func (d *draft) within(bad []byte) []byte {
	text := []byte(makeString(d.rng, 8+d.rng.IntN(8)))
	return slices.Insert(text, d.rng.IntN(len(text)+1), bad...)
}

// quoted is [draft.within] as a JSON string.
func (d *draft) quoted(bad string) []byte {
	return append(append([]byte{'"'}, d.within([]byte(bad))...), '"')
}

// escaped percent-encodes every byte.
func (d *draft) escaped(data []byte) []byte {
	var b bytes.Buffer
	for _, c := range data {
		if c < utf8.RuneSelf && strings.IndexByte(alphabet, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteString(d.hex("%%%02X", c))
	}
	return b.Bytes()
}
