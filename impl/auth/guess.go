package auth

import (
	_ "embed"
	"sort"
	"strings"
	"unicode"
)

// commonPasswords holds passwords that many people use, and words and names that would be, in lower case, one a line, sorted
// by bytes. It is searched where it lies: nothing is built at start.
//
//go:embed common_passwords.txt
var commonPasswords string

// leastEffort is what a password must cost to guess, in the units of [guessEffort].
const leastEffort = 6

// maxGuessRunes bounds the work of [isGuessable], which looks at so many characters at once; in a longer password, at each
// such stretch and at those that begin half-way in one. It is hard to guess where one of them is.
const maxGuessRunes = 64

// What the parts of a password cost a guesser: a character by itself costs 1.
const (
	effortWord     = 2 // a common password inside
	effortContext  = 1 // the user's own name, the product's name
	effortYear     = 1 // 1900 to 2099
	effortSequence = 1 // abcd, 4321, qwert, and a character repeated
	effortRepeat   = 1 // all that stood before, once more
)

// isGuessable tells whether a password is made of so few parts, each of which a guesser tries early, that it will be found soon: common
// passwords (in any case, with digits for letters, with things added), sequences, repeats, years, and what is known of the user.
func isGuessable(text string, context []string) bool {
	runes := []rune(strings.ToLower(text))
	plain := string(runes)
	if isCommon(plain) || isCommon(unleet(plain)) {
		return true
	}
	words := contextWords(context)
	for {
		if guessEffort(runes[:min(len(runes), maxGuessRunes)], words) >= leastEffort {
			return false
		}
		if len(runes) <= maxGuessRunes {
			return true
		}
		// The last stretch is a whole one too.
		runes = runes[min(maxGuessRunes/2, len(runes)-maxGuessRunes):]
	}
}

// contextWords are what a guesser would know, in lower case: each text, and its parts of letters.
func contextWords(context []string) []string {
	words := []string{"latchkey"}
	for _, text := range context {
		text = strings.ToLower(text)
		words = append(words, text)
		words = append(words, strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })...)
	}
	kept := words[:0]
	for _, w := range words {
		if len(w) >= 3 {
			kept = append(kept, w)
		}
	}
	return kept
}

// guessEffort is the least cost of putting the password together from parts, found from left to right.
func guessEffort(runes []rune, context []string) int {
	spellings := [][]rune{runes}
	if other := []rune(unleet(string(runes))); len(other) == len(runes) {
		spellings = append(spellings, other)
	}
	cost := make([]int, len(runes)+1)
	for i := range runes {
		cost[i+1] = min(orMax(cost[i+1]), cost[i]+1)
		reach := func(n, effort int) {
			if n > 0 && i+n <= len(runes) {
				cost[i+n] = min(orMax(cost[i+n]), cost[i]+effort)
			}
		}
		for _, spelling := range spellings {
			rest := spelling[i:]
			for _, n := range commonPrefixes(rest) {
				reach(n, effortWord)
			}
			for _, word := range context {
				if strings.HasPrefix(string(rest), word) {
					reach(len([]rune(word)), effortContext)
				}
			}
			reach(sequenceLen(rest), effortSequence)
		}
		reach(yearLen(runes[i:]), effortYear)
		if n := repeatLen(runes, i); n > 0 {
			reach(n, effortRepeat)
		}
	}
	return cost[len(runes)]
}

// orMax reads a cost that was not set yet as one that anything beats.
func orMax(cost int) int {
	if cost == 0 {
		return maxGuessRunes * 2
	}
	return cost
}

// lineAt answers the line that begins at or after an offset of [commonPasswords].
func lineAt(offset int) string {
	line, _, _ := strings.Cut(commonPasswords[offset:], "\n")
	return line
}

// searchCommon answers the offset of the first line that is not less than the word.
func searchCommon(word string) int {
	// The offsets between two line breaks stand for the line that follows the first of them.
	lineStart := func(i int) int {
		if i == 0 {
			return 0
		}
		next := strings.IndexByte(commonPasswords[i-1:], '\n')
		return i + next
	}
	i := sort.Search(len(commonPasswords), func(i int) bool {
		start := lineStart(i)
		return start >= len(commonPasswords) || lineAt(start) >= word
	})
	return min(lineStart(i), len(commonPasswords))
}

func isCommon(word string) bool {
	at := searchCommon(word)
	return word != "" && at < len(commonPasswords) && lineAt(at) == word
}

// minWord is the least length of a common password that counts as a part: shorter ones turn up in any text.
const (
	minWord = 4
	maxWord = 20
)

// commonPrefixes are the lengths of the common passwords that the text begins with.
func commonPrefixes(text []rune) []int {
	var lengths []int
	for n := minWord; n <= min(maxWord, len(text)); n++ {
		if text[n-1] >= unicode.MaxASCII {
			break // the list has none
		}
		word := string(text[:n])
		at := searchCommon(word)
		if at >= len(commonPasswords) || !strings.HasPrefix(commonPasswords[at:], word) {
			break // and so no longer one begins like this either
		}
		if lineAt(at) == word {
			lengths = append(lengths, n)
		}
	}
	return lengths
}

// keyboardRows are what fingers run along.
var keyboardRows = []string{"`1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./", "qwertzuiop", "azertyuiop", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/"}

// sequenceLen is how many characters from the first on are a repeat of it, a run up or down the alphabet, the digits or a
// row of the keyboard; 0 if fewer than 3.
func sequenceLen(text []rune) int {
	if len(text) < 3 {
		return 0
	}
	step := text[1] - text[0]
	n := 0
	if step >= -1 && step <= 1 {
		n = 2
		for n < len(text) && text[n]-text[n-1] == step {
			n++
		}
	}
	for _, row := range keyboardRows {
		n = max(n, alongRow(text, row, 1), alongRow(text, row, -1))
	}
	if n < 3 {
		return 0
	}
	return n
}

func alongRow(text []rune, row string, step int) int {
	at := strings.IndexRune(row, text[0])
	if at < 0 {
		return 0
	}
	n := 1
	for n < len(text) && at+step*n >= 0 && at+step*n < len(row) && rune(row[at+step*n]) == text[n] {
		n++
	}
	return n
}

// yearLen is 4 where the text begins with a year of 1900 to 2099.
func yearLen(text []rune) int {
	if len(text) < 4 {
		return 0
	}
	century := string(text[:2])
	if (century == "19" || century == "20") && unicode.IsDigit(text[2]) && unicode.IsDigit(text[3]) {
		return 4
	}
	return 0
}

// repeatLen is how many characters from i on only say again what stands directly before them.
func repeatLen(text []rune, i int) int {
	for size := i; size >= 2; size-- {
		n := 0
		for i+n < len(text) && text[i+n] == text[i-size+n] {
			n++
		}
		if n >= size {
			return n
		}
	}
	return 0
}

var leet = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "8", "b", "@", "a", "$", "s", "!", "i", "|", "l", "+", "t")

// unleet undoes the usual digits and signs for letters.
func unleet(s string) string { return leet.Replace(s) }
