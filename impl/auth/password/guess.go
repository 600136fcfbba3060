package password

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/latchkey-auth/latchkey/impl/wordlist"
)

// leet undoes the usual digits and signs for letters.
var leet = strings.NewReplacer(
	"0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "8", "b", "@", "a", "$", "s", "!", "i", "|", "l", "+", "t",
)

// isGuessable reports whether a guesser tries a password early: it is common, or a repeat, or
// little more than runs, the user's own words or the product's name. Case doesn't count, nor do
// digits and signs for letters or behind them.
func isGuessable(text string, context []string) bool {
	text = strings.ToLower(text)
	own := []string{"latchkey"}
	for _, words := range context {
		if len(words) > 254 {
			continue // it is no email (RFC 5321 section 4.5.3.1.3)
		}
		words = strings.ToLower(words)
		own = append(append(own, words), strings.FieldsFunc(words, isNoLetter)...)
	}
	for _, spelling := range []string{text, leet.Replace(text)} {
		rest := spelling
		for _, word := range own {
			if len(word) >= 3 {
				rest = strings.ReplaceAll(rest, word, "")
			}
		}
		if rest != spelling && hasFewer(4, withoutTail(rest)) ||
			isCommon(spelling) || isCommon(unit(spelling)) || isCommon(unit(withoutTail(spelling))) {
			return true
		}
	}
	return hasFewer(6, unit(text))
}

func isNoLetter(r rune) bool { return !unicode.IsLetter(r) }

// withoutTail cuts off the digits and signs that people put behind a word.
func withoutTail(text string) string { return strings.TrimRightFunc(text, isNoLetter) }

// isCommon reports whether a text is a common password with digits and signs behind it: at most two
// if it has no letter.
func isCommon(text string) bool {
	stem := len(withoutTail(text))
	for n := stem; n <= min(len(text), wordlist.MaxLength); n++ {
		isTail := stem > 0 || utf8.RuneCountInString(text[n:]) <= 2
		if isTail && (wordlist.Has(text[:n]) || wordlist.Has(leet.Replace(text[:n]))) {
			return true
		}
	}
	return false
}

// unit returns the part that a text repeats, the last time perhaps cut short, or else the text. A
// password of 1,024 bytes that is almost a repeat takes about 40 µs in all.
func unit(text string) string {
	for n := 1; 2*n <= len(text)+n/2; n++ {
		if strings.HasPrefix(text, text[n:]) {
			return text[:n]
		}
	}
	return text
}

// hasFewer reports whether a text has fewer characters than least, where a run or a
// year counts as one.
func hasFewer(least int, text string) bool {
	runes := []rune(text)
	if end := len(runes) - 4; end > 0 && wordlist.IsYear(runes[end:]) {
		runes, least = runes[:end], least-1 // whatever run its first digit would belong to
	}
	for range least {
		if len(runes) == 0 {
			return true
		}
		runes = runes[max(1, wordlist.Run(runes)):]
	}
	return false
}
