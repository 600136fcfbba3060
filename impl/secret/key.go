package secret

import (
	"crypto/hkdf"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/latchkey-auth/latchkey/impl/wordlist"
)

// minKeyBytes is the least length of a secret key, that of one for HS256 (RFC 7518 section 3.2).
const minKeyBytes = 32

// placeholders are parts of the keys in other projects' tutorials and templates, as [bare] returns
// them: everybody has them.
var placeholders = []string{
	"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7", // FastAPI
	"astringsecretatleast256bitslong",
	"your256bitsecret",                           // jwt.io
	"supersecretjwttokenwithatleast32characters", // Supabase
	"djangoinsecure",
	"yoursecret",
	"changeme",
	"changethis",
	"replaceme",
}

// bare writes a key in lower case, without the signs between words.
func bare(key string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(key))
}

// minKeySymbols is how many different bytes a key must have: 32 random hex digits have about 14,
// and one of a million such keys 7.
const minKeySymbols = 6

// minKeyUnits is how many units a key must have at least, where a word, a run of the alphabet, the
// digits or the keyboard, and any other character are one each. Of a million random keys of 32 hex
// digits, the shortest that are taken, the least has 19; a phrase of words has as many as it has
// words.
const minKeyUnits = 14

// CheckKey refuses a key that can be guessed: shorter than 32 bytes (RFC 7518 section 3.2), of few
// different bytes, one that repeats itself within 32 bytes, one that is made of words and runs, or
// a well-known placeholder.
func CheckKey(key Text) error {
	text := key.Reveal()
	if len(text) < minKeyBytes {
		return fmt.Errorf("the secret key must have at least %d bytes, not %d", minKeyBytes, len(text))
	}
	symbols := map[byte]bool{}
	for i := range len(text) {
		symbols[text[i]] = true
	}
	if len(symbols) < minKeySymbols || repeatsItself(text) || hasPlaceholder(text) || keyUnits(text) < minKeyUnits {
		return errors.New("the secret key is a well-known or trivial one; take random bytes")
	}
	return nil
}

const (
	// keySeparators stand between the words of a phrase, and add little to it.
	keySeparators = " _-.,:;/"
	// maxKeyText bounds how much of a key is looked at, in bytes.
	maxKeyText = 256
)

// keyWords are what phrases have besides the list of common passwords, which has few short words.
//
//go:embed key_words.txt
var keyWords string

// keyUnits counts the units that a key is made of, as few as may be.
func keyUnits(text string) int {
	text = strings.ToLower(text[:min(len(text), maxKeyText)])
	least := make([]int, len(text)+1) // of what begins at each place
	for i := len(text) - 1; i >= 0; i-- {
		least[i] = least[i+1]
		if !strings.Contains(keySeparators, text[i:i+1]) {
			least[i]++
		}
		rest := text[i:min(len(text), i+wordlist.MaxLength)]
		for n := wordlist.MinRun; n <= wordlist.Run([]rune(rest)) && n <= len(rest); n++ {
			least[i] = min(least[i], 1+least[i+n])
		}
		for _, n := range wordLens(rest) {
			least[i] = min(least[i], 1+least[i+n])
		}
	}
	return least[0]
}

// minKeyWord is the least length of a common password that counts as a word: shorter ones turn up
// in any text.
const minKeyWord = 4

// wordSet is [keyWords] to look up in.
var wordSet = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(keyWords) {
		set[word] = true
	}
	return set
})

// wordLens are the lengths of the words that a text begins with. A word has letters alone.
func wordLens(text string) (lengths []int) {
	for n := 1; n <= len(text) && text[n-1] >= 'a' && text[n-1] <= 'z'; n++ {
		if wordSet()[text[:n]] || n >= minKeyWord && wordlist.Has(text[:n]) {
			lengths = append(lengths, n)
		}
	}
	return lengths
}

// repeatsItself reports whether a text is as secret as its first few bytes.
func repeatsItself(text string) bool {
	for period := 1; period < minKeyBytes && period <= len(text)/2; period++ {
		if text[period:] == text[:len(text)-period] {
			return true
		}
	}
	return false
}

func hasPlaceholder(text string) bool {
	text = bare(text)
	return slices.ContainsFunc(placeholders, func(p string) bool { return strings.Contains(text, p) })
}

// Derive returns a key of 32 bytes for one purpose. Nothing can be learnt from it of the secret key
// or of other purposes' keys (RFC 5869).
func Derive(secret Text, purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret.Reveal()), nil, purpose, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", purpose, err)
	}
	return key, nil
}
