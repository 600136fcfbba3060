package contractfuzz

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// unbounded stands for a length without a bound.
const unbounded = 1 << 20

// pattern makes strings that match a regular expression.
type pattern struct {
	matcher *regexp.Regexp
	tree    *syntax.Regexp
}

// excludes tells a pattern that says only which characters a text may not have: any number of all others.
func (p *pattern) excludes() bool {
	parts := p.tree.Sub
	if p.tree.Op != syntax.OpConcat || len(parts) != 3 || parts[1].Op != syntax.OpStar {
		return false
	}
	class := parts[1].Sub[0]
	return class.Op == syntax.OpCharClass && class.Rune[len(class.Rune)-1] == unicode.MaxRune
}

func readPattern(text string) (*pattern, error) {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if err := checkTree(tree); err != nil {
		return nil, fmt.Errorf("pattern %s: %w", text, err)
	}
	matcher, err := regexp.Compile(text)
	return &pattern{matcher, tree}, err
}

func checkTree(re *syntax.Regexp) error {
	switch re.Op {
	case syntax.OpLiteral, syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL, syntax.OpEmptyMatch,
		syntax.OpBeginText, syntax.OpEndText, syntax.OpCapture, syntax.OpConcat, syntax.OpAlternate,
		syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
	default:
		return fmt.Errorf("nothing here makes strings for %s in it", re.Op)
	}
	for _, sub := range re.Sub {
		if err := checkTree(sub); err != nil {
			return err
		}
	}
	return nil
}

// make answers a string of exactly n code points that matches, its characters chosen by pick from those that may
// stand at their place. It is false where there is none, or none was found.
func (p *pattern) make(rng *rand.Rand, n int, pick picker) (string, bool) {
	least, greatest := bounds(p.tree)
	if n < least || n > greatest {
		return "", false
	}
	for range 20 {
		var b strings.Builder
		write(&b, rng, p.tree, n, pick)
		if s := b.String(); utf8.RuneCountInString(s) == n && p.matcher.MatchString(s) {
			return s, true
		}
	}
	return "", false
}

// bounds are the least and the greatest number of code points that match.
func bounds(re *syntax.Regexp) (least, greatest int) {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune), len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1, 1
	case syntax.OpCapture:
		return bounds(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			l, g := bounds(sub)
			least, greatest = least+l, min(greatest+g, unbounded)
		}
		return least, greatest
	case syntax.OpAlternate:
		least = unbounded
		for _, sub := range re.Sub {
			l, g := bounds(sub)
			least, greatest = min(least, l), max(greatest, g)
		}
		return least, greatest
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		fewest, most := times(re)
		l, g := bounds(re.Sub[0])
		return fewest * l, min(most*g, unbounded)
	}
	return 0, 0
}

// times is how often a repetition may stand.
func times(re *syntax.Regexp) (fewest, most int) {
	switch re.Op {
	case syntax.OpPlus:
		return 1, unbounded
	case syntax.OpQuest:
		return 0, 1
	case syntax.OpRepeat:
		if re.Max >= 0 {
			return re.Min, re.Max
		}
		return re.Min, unbounded
	}
	return 0, unbounded
}

func write(b *strings.Builder, rng *rand.Rand, re *syntax.Regexp, n int, pick picker) {
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		b.WriteRune(pickFrom(rng, re.Rune, pick))
	case syntax.OpAnyChar:
		b.WriteRune(pickFrom(rng, []rune{0, unicode.MaxRune}, pick))
	case syntax.OpAnyCharNotNL:
		b.WriteRune(pickFrom(rng, []rune{0, '\n' - 1, '\n' + 1, unicode.MaxRune}, pick))
	case syntax.OpCapture:
		write(b, rng, re.Sub[0], n, pick)
	case syntax.OpConcat:
		for i, length := range share(rng, n, re.Sub) {
			write(b, rng, re.Sub[i], length, pick)
		}
	case syntax.OpAlternate:
		fits := slices.DeleteFunc(slices.Clone(re.Sub), func(sub *syntax.Regexp) bool {
			l, g := bounds(sub)
			return n < l || n > g
		})
		if len(fits) > 0 {
			write(b, rng, fits[rng.IntN(len(fits))], n, pick)
		}
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		writeTimes(b, rng, re, n, pick)
	}
}

func writeTimes(b *strings.Builder, rng *rand.Rand, re *syntax.Regexp, n int, pick picker) {
	fewest, most := times(re)
	l, g := bounds(re.Sub[0])
	if g > 0 {
		fewest = max(fewest, (n+g-1)/g)
	}
	if l > 0 {
		most = min(most, n/l)
	}
	most = min(most, max(n, fewest)) // what matches nothing need not be repeated
	if most < fewest {
		return
	}
	copies := make([]*syntax.Regexp, fewest+rng.IntN(most-fewest+1))
	for i := range copies {
		copies[i] = re.Sub[0]
	}
	for i, length := range share(rng, n, copies) {
		write(b, rng, copies[i], length, pick)
	}
}

// share divides n code points among parts, each within its bounds.
func share(rng *rand.Rand, n int, parts []*syntax.Regexp) []int {
	lengths, room := make([]int, len(parts)), make([]int, len(parts))
	for i, part := range parts {
		l, g := bounds(part)
		lengths[i], room[i] = l, g-l
		n -= l
	}
	for n > 0 {
		open := slices.IndexFunc(room, func(r int) bool { return r > 0 })
		if open < 0 {
			return lengths // too few: the caller looks at the length
		}
		i := rng.IntN(len(parts))
		if room[i] == 0 {
			i = open
		}
		more := 1 + rng.IntN(min(n, room[i]))
		lengths[i], room[i], n = lengths[i]+more, room[i]-more, n-more
	}
	return lengths
}

// A picker proposes a character.
type picker func(*rand.Rand) rune

// pickFrom answers a character of a class, given as pairs of bounds: a proposed one if one of a few fits, or any.
func pickFrom(rng *rand.Rand, class []rune, pick picker) rune {
	for range 8 {
		if r := pick(rng); inClass(class, r) {
			return r
		}
	}
	for {
		i := 2 * rng.IntN(len(class)/2)
		if r := class[i] + rng.Int32N(class[i+1]-class[i]+1); utf8.ValidRune(r) {
			return r
		}
	}
}

func inClass(class []rune, r rune) bool {
	for i := 0; i+1 < len(class); i += 2 {
		if class[i] <= r && r <= class[i+1] {
			return true
		}
	}
	return false
}

const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// pickPlain proposes letters and digits.
func pickPlain(rng *rand.Rand) rune { return rune(alphabet[rng.IntN(len(alphabet))]) }

// odd are characters that a reader, a decoder or a comparison may stumble over.
var odd = []rune("\"\\/'<>&+%=;:?#@ \t\n\r\b\f\x01\x1f\x7f\u0085\u00a0\u00ad" +
	"éßİıǆſ日本अाﬁ" + // letters whose case, width or form is special
	"اش\u05d0\u05d1\u202e\u200f\u061c" + // right to left, and what turns the direction
	"\u0301\u0308\u20dd\u3099\ufe0f" + // combining marks
	"\u200b\u200d\ufeff\u2028\u2029\u3000" + // spaces and what isn't seen
	"\ue000\ufffd\ufffe\uffff" + // private, and no characters at all
	"😀👨🏽🦊\U00010000\U00010437\U000e0001\U0010ffff") // beyond the first plane

// pickOdd proposes odd characters among plain ones.
func pickOdd(rng *rand.Rand) rune {
	if rng.IntN(4) == 0 {
		return pickPlain(rng)
	}
	return odd[rng.IntN(len(odd))]
}

// pickAstral proposes characters beyond the first plane, which are four bytes in UTF-8 and two units in UTF-16.
func pickAstral(rng *rand.Rand) rune { return 0x1f300 + rng.Int32N(0x200) }

// pickers are all of them.
var pickers = []picker{pickPlain, pickOdd, pickAstral}
