package contractfuzz

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// field is one member of a body, in the order in which it is sent. A raw value is already encoded.
type field struct {
	name, value string
	raw         bool
}

// styles are how a body may be written: with white space or empty pairs, or a form's spaces as +.
var styles = []string{"", "gaps", "plus"}

// draft is a request that is not yet encoded.
type draft struct {
	Kind
	t                                 *rapid.T
	method, path, query, token, style string
	header                            http.Header
	fields                            []field
	bare, chunked                     bool // sends no body, or doesn't announce its length
	spoil                             func(body string) string
}

// pick draws one of some values. Kinds that are drawn from the same seed get different ones.
func pick[T any](d *draft, all ...T) T { return all[(d.number+d.upTo(len(all)-1))%len(all)] }

func (d *draft) upTo(most int) int { return rapid.IntRange(0, most).Draw(d.t, "number") }
func (d *draft) coin() bool        { return rapid.Bool().Draw(d.t, "coin") }

func (d *draft) setParam(m member, value string) {
	d.path = strings.Replace(d.op.path, "{"+m.name+"}", url.PathEscape(value), 1)
}

// set gives a member a value in place of any other.
func (d *draft) set(m member, value string) { d.remove(m); d.insert(m.name, value, m.values != nil) }

// insert adds a field at any place.
func (d *draft) insert(name, value string, raw bool) {
	d.fields = slices.Insert(d.fields, d.upTo(len(d.fields)), field{name, value, raw})
}

func (d *draft) remove(m member) {
	d.fields = slices.DeleteFunc(d.fields, func(f field) bool { return f.name == m.name })
}

// value draws a valid value of a usual length.
func (d *draft) value(m member) string {
	if m.values != nil {
		return pick(d, m.values...)
	}
	if example, ok := m.Example.(string); ok && !m.required && d.coin() {
		return example // most other choices lead nowhere
	}
	return d.text(m, m.shortest+d.upTo(max(0, min(m.longest, usual)-m.shortest)), palettes...)
}

// odd are characters that a decoder or a comparison may stumble over: signs of the media types,
// controls, letters of special case or direction, combining, invisible, unassigned and astral ones.
var odd = strings.Split(
	"\x00\"\\/'<>&+%=;:?#@ \t\n\r\b\x01\x1f\x7f\u0085\u00a0\u00adéßİıǆſ日अاﬁא\u202e\u061c\u0301\u20dd"+
		"\ufe0f\u200b\ufeff\u2028\u3000\ue000\ufffd\ufffe\uffff😀🏽\U00010000\U00010437\U000e0001\U0010ffff",
	"",
)

// palettes are choices of characters, of which those are drawn that the text may have.
var palettes = []string{"blank", "letters", "odd", "any"}

// text draws a valid text of n code points, as far as its format allows.
func (d *draft) text(m member, n int, palettes ...string) string {
	switch {
	case len(m.Enum) > 0:
		value, _ := pick(d, m.Enum...).(string)
		return value
	case m.class == nil:
		fits := func(text string) bool { return len(text) <= m.longest }
		return rapid.StringMatching(m.Pattern).Filter(fits).Draw(d.t, "pattern")
	case m.Format == "idn-email":
		return d.email(n)
	}
	// The contract counts a new password's bytes too, and in Unicode's form NFC.
	isNarrow := m.Format == "new-password" && (n > usual || n < 2*m.shortest)
	one := rapid.StringMatching(m.class.String())
	switch palette := pick(d, palettes...); {
	case isNarrow || palette == "letters":
		one = rapid.StringMatching("[b-yB-Y]")
	case palette == "odd" && len(m.odd(true)) > 0:
		one = rapid.SampledFrom(m.odd(true))
	case palette == "blank" && m.class.MatchString(" "):
		// Which nothing may trim.
		one = rapid.SampledFrom(
			slices.DeleteFunc([]string{" ", "\t"}, func(c string) bool { return !m.class.MatchString(c) }),
		)
	}
	all := rapid.SliceOfN(one, min(n, usual), min(n, usual)).Draw(d.t, "characters")
	for len(all) < n {
		all = append(all, all[:min(len(all), n-len(all))]...)
	}
	return strings.Join(all, "")
}

// misfit draws a text of which one character breaks the pattern.
func (d *draft) misfit(m member) string {
	text, c := d.text(m, max(m.shortest, 1), "letters"), pick(d, m.odd(false)...)
	return pick(d, c+text, text+c)
}

// email draws an address that needs no quoting. It has n characters if n is over 251.
func (d *draft) email(n int) string {
	pattern := `[a-zA-Z0-9]{1,8}([!#$%&'*+/=?^_{|}~é日अשא𐐷-]|x\x{301}|q\x{308}){0,4}(\.[a-z0-9]{1,8})?@` +
		`([a-zA-Z][a-z0-9]{0,11}|bücher|例え|пример|नमूना|xn--bcher-kva|a-b|EXAMPLE)\.[a-z]{2,5}`
	if n > 251 {
		pattern = `[a-z]{64}@([a-z]{61}\.){3}[a-z]{` + fmt.Sprint(n-251) + `}`
	}
	return rapid.StringMatching(pattern).Draw(d.t, "email")
}

// pad makes the body n bytes long, and says nothing more with it.
func (d *draft) pad(n int) {
	more, filler := "&zz=", "a"
	if d.op.isJSON() {
		more, filler = "", " "
	}
	d.spoil = func(body string) string { return body + more + strings.Repeat(filler, max(0, n-len(body+more))) }
}

func (d *draft) encode() string {
	gap, open, is, between, end := "&", "", "=", "&", ""
	if d.op.isJSON() {
		gap, open, is, between, end = " \t\r\n", "{", ":", ",", "}"
	}
	if d.style != "gaps" {
		gap = ""
	}
	parts := make([]string, len(d.fields))
	for i, f := range d.fields {
		if !f.raw {
			f.value = d.quote(f.value)
		}
		parts[i] = d.quote(f.name) + is + f.value
	}
	return gap + open + strings.Join(parts, gap+between) + end + gap
}

// quote writes a name or a value.
func (d *draft) quote(text string) string {
	if d.op.isJSON() {
		quoted, _ := json.Marshal(text) // a text never fails
		return string(quoted)
	}
	return strings.ReplaceAll(url.QueryEscape(text), "+", map[bool]string{true: "+", false: "%20"}[d.style == "plus"])
}
