package auth

import (
	_ "embed"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// commonPasswords holds passwords that many people use, and words and names that would be, in lower
// case, one a line, sorted by bytes. It is searched where it lies: nothing is built at start.
//
//go:embed common_passwords.txt
var commonPasswords string

const (
	// leastEffort is how many characters a password has at least beside its runs, each run counting as one.
	leastEffort = 6
	// leastRest is how many are left at least once the words that belong to the user are taken out.
	leastRest = 4
	// maxCommon is the length of the longest common password, in bytes.
	maxCommon = 20
	// minRun is the least length of a run.
	minRun = 3
	// minWord is the least length of a word that belongs to the user.
	minWord = 3
)

// isGuessable reports whether a guesser tries the password early: it is common, or a repeat, or little
// more than runs or the user's own words, in any case, with digits and signs for letters or behind it.
func isGuessable(text string, context []string) bool {
	text = strings.ToLower(text)
	for _, spelling := range []string{text, unleet(text), unit(text), unit(unleet(text)), unit(withoutTail(text))} {
		if isVariantOfCommon(spelling) {
			return true
		}
	}
	if effort(unit(text)) < leastEffort {
		return true
	}
	words := ownWords(context)
	return isOwn(text, words) || isOwn(unleet(text), words)
}

// isVariantOfCommon reports whether a text is a common password with digits and signs behind it: two
// at most where it has no letter.
func isVariantOfCommon(text string) bool {
	hasLetter := strings.ContainsFunc(text, unicode.IsLetter)
	for cut := 0; hasLetter || cut <= 2; cut++ {
		if len(text) <= maxCommon && (isCommon(text) || isCommon(unleet(text))) {
			return true
		}
		last, size := utf8.DecodeLastRuneInString(text)
		if size == 0 || unicode.IsLetter(last) {
			return false
		}
		text = text[:len(text)-size]
	}
	return false
}

// withoutTail cuts the digits and signs off that people put behind a word.
func withoutTail(text string) string {
	return strings.TrimRightFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })
}

// unit is the text that the whole is a repeat of, the last time perhaps in part, or the whole itself.
func unit(text string) string {
	// The longest border of each beginning, as Knuth, Morris and Pratt have it.
	border := make([]int, len(text)+1)
	for i, n := 1, 0; i < len(text); i++ {
		for n > 0 && text[i] != text[n] {
			n = border[n]
		}
		if text[i] == text[n] {
			n++
		}
		border[i+1] = n
	}
	if period := len(text) - border[len(text)]; 2*period <= len(text)+period/2 {
		return text[:period]
	}
	return text
}

// keyboard holds rows of keys that fingers run along.
var keyboard = []string{
	"`1234567890-=", "qwertyuiop[]", "qwertyuiopasdfghjklzxcvbnm", "asdfghjkl;'", "zxcvbnm,./", "qwertzuiop", "azertyuiop",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
}

// effort counts characters, where a run counts as one: a character repeated, a step up or down the
// alphabet or the digits, a row of the keyboard, and a year.
func effort(text string) int {
	runes, count := []rune(text), 0
	if end := len(runes) - 4; end > 0 && isYear(runes[end:]) {
		runes, count = runes[:end], 1 // a year is behind it, whatever run its first digit would belong to
	}
	for len(runes) > 0 {
		runes = runes[max(1, runLen(runes)):]
		count++
	}
	return count
}

// runLen is the length of the run that the text begins with, or 0.
func runLen(text []rune) int {
	longest := 0
	for _, step := range []rune{-1, 0, 1} {
		n := 1
		for n < len(text) && text[n]-text[n-1] == step {
			n++
		}
		longest = max(longest, n)
	}
	for _, row := range keyboard {
		at := strings.IndexRune(row, text[0])
		for _, step := range []int{-1, 1} {
			n := 0
			for n < len(text) && at >= 0 && at+step*n >= 0 && at+step*n < len(row) && rune(row[at+step*n]) == text[n] {
				n++
			}
			longest = max(longest, n)
		}
	}
	if isYear(text) {
		longest = max(longest, 4)
	}
	if longest < minRun {
		return 0
	}
	return longest
}

// isYear reports whether a text begins with a year of 1900 to 2099.
func isYear(text []rune) bool {
	if len(text) < 4 {
		return false
	}
	century := string(text[:2])
	return (century == "19" || century == "20") && unicode.IsDigit(text[2]) && unicode.IsDigit(text[3])
}

// ownWords are what a guesser knows of the user and of us: each text, and its parts of letters.
func ownWords(context []string) []string {
	words := []string{"latchkey"}
	for _, text := range context {
		if len(text) > maxEmailBytes {
			continue // no email or username
		}
		text = strings.ToLower(text)
		words = append(words, text)
		words = append(words, strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })...)
	}
	return words
}

// isOwn reports whether little is left of a text without the words, and without digits and signs behind.
func isOwn(text string, words []string) bool {
	rest := text
	for _, word := range words {
		if len(word) >= minWord {
			rest = strings.ReplaceAll(rest, word, "")
		}
	}
	return rest != text && effort(withoutTail(rest)) < leastRest
}

// isCommon reports whether the list has the word.
func isCommon(word string) bool {
	at := searchCommon(word)
	return word != "" && at < len(commonPasswords) && lineAt(at) == word
}

// lineAt returns the line that begins at an offset of [commonPasswords].
func lineAt(offset int) string {
	line, _, _ := strings.Cut(commonPasswords[offset:], "\n")
	return line
}

// searchCommon returns the offset of the first line that is not less than the word.
func searchCommon(word string) int {
	// The offsets between two line breaks stand for the line that follows the first of them.
	lineStart := func(i int) int {
		if i == 0 {
			return 0
		}
		return i + strings.IndexByte(commonPasswords[i-1:], '\n')
	}
	i := sort.Search(len(commonPasswords), func(i int) bool {
		start := lineStart(i)
		return start >= len(commonPasswords) || lineAt(start) >= word
	})
	return min(lineStart(i), len(commonPasswords))
}

var leet = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "8", "b", "@", "a", "$", "s", "!", "i", "|", "l", "+", "t")

// unleet undoes the usual digits and signs for letters.
func unleet(s string) string { return leet.Replace(s) }
