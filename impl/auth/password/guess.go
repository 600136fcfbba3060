package password

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/latchkey-auth/latchkey/impl/wordlist"
)

const (
	// leastEffort is how many characters a password has at least beside its runs, each run counting as
	// one.
	leastEffort = 6
	// leastRest is how many are left at least once the words that belong to the user are taken out.
	leastRest = 4
	// maxContextBytes bounds a text about the user, in bytes: that of the longest email (RFC 5321
	// section 4.5.3.1.3).
	maxContextBytes = 254
	// minWord is the least length of a word that belongs to the user.
	minWord = 3
)

// isGuessable reports whether a guesser tries the password early: it is common, or a repeat, or
// little more than runs or the user's own words, in any case, with digits and signs for letters or
// behind it.
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

// isVariantOfCommon reports whether a text is a common password with digits and signs behind it:
// two at most where it has no letter.
func isVariantOfCommon(text string) bool {
	hasLetter := strings.ContainsFunc(text, unicode.IsLetter)
	for cut := 0; hasLetter || cut <= 2; cut++ {
		if len(text) <= wordlist.MaxLength && (wordlist.Has(text) || wordlist.Has(unleet(text))) {
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

// unit is the text that the whole is a repeat of, the last time perhaps in part, or the whole
// itself.
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

// effort counts characters, where a run counts as one: a character repeated, a step up or down the
// alphabet or the digits, a row of the keyboard, and a year.
func effort(text string) int {
	runes, count := []rune(text), 0
	if end := len(runes) - 4; end > 0 && wordlist.IsYear(runes[end:]) {
		runes, count = runes[:end], 1 // a year is behind it, whatever run its first digit would belong to
	}
	for len(runes) > 0 {
		runes = runes[max(1, wordlist.Run(runes)):]
		count++
	}
	return count
}

// ownWords are what a guesser knows of the user and of us: each text, and its parts of letters.
func ownWords(context []string) []string {
	words := []string{"latchkey"}
	for _, text := range context {
		if len(text) > maxContextBytes {
			continue // no email or username
		}
		text = strings.ToLower(text)
		words = append(words, text)
		words = append(words, strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })...)
	}
	return words
}

// isOwn reports whether little is left of a text without the words, and without digits and signs
// behind.
func isOwn(text string, words []string) bool {
	rest := text
	for _, word := range words {
		if len(word) >= minWord {
			rest = strings.ReplaceAll(rest, word, "")
		}
	}
	return rest != text && effort(withoutTail(rest)) < leastRest
}

var leet = strings.NewReplacer(
	"0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "8", "b", "@", "a", "$", "s", "!", "i", "|", "l", "+", "t",
)

// unleet undoes the usual digits and signs for letters.
func unleet(s string) string { return leet.Replace(s) }
