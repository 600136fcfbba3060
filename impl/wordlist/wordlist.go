// Package wordlist holds what guessers try first: common passwords, words and names, and runs of
// keys.
package wordlist

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// list has one word a line in lower case, sorted by bytes.
//
//go:embed common_passwords.txt
var list string

// MaxLength is the length of the longest word, in bytes.
const MaxLength = 20

// Words returns all words, sorted by bytes. The caller must not change them. They are split at the
// first call.
var Words = sync.OnceValue(func() []string { return strings.Fields(list) })

// Has reports whether the list has a word, which is in lower case.
func Has(word string) bool {
	_, found := slices.BinarySearch(Words(), word)
	return found
}

// keyboard holds rows of keys that fingers run along.
var keyboard = []string{
	"`1234567890-=", "qwertyuiop[]", "qwertyuiopasdfghjklzxcvbnm", "asdfghjkl;'", "zxcvbnm,./", "qwertzuiop", "azertyuiop",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
}

// MinRun is the least length of a run, in characters.
const MinRun = 3

// Run returns the length of the run that a text begins with, or 0: a character repeated, steps up
// or down the alphabet or the digits, a row of the keyboard, or a year. The text must not be empty.
func Run(text []rune) int {
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
	if IsYear(text) {
		longest = max(longest, 4)
	}
	if longest < MinRun {
		return 0
	}
	return longest
}

// IsYear reports whether a text begins with a year of 1900 to 2099.
func IsYear(text []rune) bool {
	if len(text) < 4 {
		return false
	}
	century := string(text[:2])
	return (century == "19" || century == "20") && unicode.IsDigit(text[2]) && unicode.IsDigit(text[3])
}
