package contractfuzz

import (
	"math/rand/v2"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// format makes what a format's name alone says. In most formats the contract's words say more than its keywords can;
// what they say is made here, so that a refusal is a finding.
type format struct {
	// make answers a string of about n code points; nil where the length and the pattern say it all.
	make func(rng *rand.Rand, n int) string
	// mend makes a string that fits the keywords fit the words too.
	mend func(rng *rand.Rand, m member, s string) string
	// atLeast is the bound on the length that make can keep.
	atLeast int
	// broken are strings of another form, within the length and the pattern.
	broken []string
}

var formats = map[string]format{
	"":         {},
	"password": {},
	"uuid":     {}, // the pattern says it all
	// The contract counts a new password's bytes, and in Unicode's form NFC, where length keywords count code points as sent.
	"new-password": {mend: mendPassword},
	// The contract takes an addr-spec that needs no quoting, in a domain with a dot; SMTP's bounds are in bytes.
	"idn-email": {make: makeEmail, atLeast: 2 * maxLocal, broken: []string{
		"ada.example.com", "@example.com", "ada@", "ada@eve@example.com", "ada@example", "ada@.com", "ada@example..com", "ada@example.com.",
		".ada@example.com", "ada.@example.com", "a..da@example.com", "Ada <ada@example.com>", `"ada"@example.com`,
		"ada(eve)@example.com", "ada @example.com", " ada@example.com", "ada@example.com ", "ada@exam ple.com",
		"ada@[127.0.0.1]", "ada@127.0.0.1", "ada@-example.com", "ada@exa_mple.com", "ada@example.com\n", "a\x00da@example.com",
		"a\u200bda@example.com", "a\u00adda@example.com", "ada@exam\u200bple.com", "ada,eve@example.com", "ada;eve@example.com",
		"mailto:ada@example.com", "ada\u202e@example.com", "ada@example.com,eve@example.com", "ada@0x7f.0x1", "ada\\@example.com",
	}},
}

// maxPasswordBytes is the contract's bound on a new password.
const maxPasswordBytes = 1024

func mendPassword(rng *rand.Rand, m member, s string) string {
	for len(norm.NFC.String(s)) > maxPasswordBytes {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	for missing := m.shortest - utf8.RuneCountInString(norm.NFC.String(s)); missing > 0; missing-- {
		s += string(pickPlain(rng))
	}
	return s
}

// Bounds of an email in bytes (RFC 5321 section 4.5.3.1, and erratum 1690 of RFC 3696).
const (
	maxEmail = 254
	maxLocal = 64
	maxLabel = 63
)

// Letters that stay what they are in NFC and lower case, but for ASCII's; two are written with a combining mark.
var localParts = []string{"é", "ß", "日本", "अ", "ش", "א", "𐐷", "x\u0301", "q\u0308", "+", "-", "_", "!", "#", "$", "%", "&", "'", "*", "/", "=", "?", "^", "`", "{", "|", "}", "~"}

var labels = []string{"bücher", "例え", "пример", "नमूना", "xn--bcher-kva", "a-b", "EXAMPLE", "mail"}

// makeEmail answers an email of n ASCII characters where n is so large that chance would not reach it, and a varied
// shorter one otherwise.
func makeEmail(rng *rand.Rand, n int) string {
	const shortest = len("a@b.c")
	switch {
	case n <= shortest:
		return makeString(rng, 1) + "@" + makeLabel(rng, 1) + "." + makeLabel(rng, 1)
	case n > 2*maxLocal:
		return makeString(rng, maxLocal) + "@" + makeDomain(rng, min(n, maxEmail)-maxLocal-1)
	}
	var local strings.Builder
	for range 1 + rng.IntN(8) {
		if rng.IntN(2) == 0 {
			local.WriteString(localParts[rng.IntN(len(localParts))])
		} else {
			local.WriteString(makeString(rng, 1+rng.IntN(3)))
		}
	}
	if rng.IntN(4) == 0 {
		local.WriteString("." + makeString(rng, 1+rng.IntN(8)))
	}
	domain := makeLabel(rng, 1+rng.IntN(12))
	if rng.IntN(3) == 0 {
		domain = labels[rng.IntN(len(labels))]
	}
	return local.String() + "@" + domain + "." + makeLabel(rng, 2+rng.IntN(4))
}

func makeString(rng *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[rng.IntN(len(alphabet))]
	}
	return string(b)
}

// makeLabel answers a label of a domain's name that begins with a letter.
func makeLabel(rng *rand.Rand, n int) string {
	return string(alphabet[rng.IntN(52)]) + makeString(rng, n-1)
}

// makeDomain answers a domain's name of exactly n bytes in the fewest labels.
func makeDomain(rng *rand.Rand, n int) string {
	var b strings.Builder
	for n > maxLabel {
		length := min(maxLabel, n-2)
		b.WriteString(makeLabel(rng, length) + ".")
		n -= length + 1
	}
	return b.String() + makeLabel(rng, n)
}
