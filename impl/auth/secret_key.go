package auth

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// minKeyBytes is the least length of a secret key, that of one for HS256 (RFC 7518 section 3.2).
const minKeyBytes = 32

// placeholders are parts of the keys in other projects' tutorials and templates, in lower case: everybody has them.
var placeholders = []string{
	"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7", // FastAPI
	"a-string-secret-at-least-256-bits-long", "your-256-bit-secret",    // jwt.io
	"super-secret-jwt-token-with-at-least-32-characters", // Supabase
	"django-insecure", "your-secret", "your_secret", "yoursecret", "changeme", "change-me", "change_me", "changethis", "change-this", "change_this",
	"replace-me", "replace_me", "replaceme",
}

// minKeySymbols is how many different bytes a key must have: 32 random ones have about 30, their hex digits about 14.
const minKeySymbols = 8

// CheckKey refuses a key that can be guessed: shorter than 32 bytes (RFC 7518 section 3.2), of few different bytes, one that
// repeats itself within 32 bytes, a run of the alphabet or the digits, or a well-known placeholder.
func CheckKey(key Secret) error {
	text := key.Reveal()
	if len(text) < minKeyBytes {
		return fmt.Errorf("the secret key must have at least %d bytes, not %d", minKeyBytes, len(text))
	}
	symbols := map[byte]bool{}
	steps := map[byte]int{} // how often each difference of two neighbours occurs
	for i := range len(text) {
		symbols[text[i]] = true
		if i > 0 {
			steps[text[i]-text[i-1]]++
		}
	}
	if len(symbols) < minKeySymbols || steps[1] > len(text)/2 || repeatsItself(text) || hasPlaceholder(text) {
		return errors.New("the secret key is a well-known or trivial one; take random bytes")
	}
	return nil
}

// repeatsItself tells a text that is as secret as its first few bytes.
func repeatsItself(text string) bool {
	for period := 1; period < minKeyBytes && period < len(text); period++ {
		if text[period:] == text[:len(text)-period] {
			return true
		}
	}
	return false
}

func hasPlaceholder(text string) bool {
	lower := strings.ToLower(text)
	return slices.ContainsFunc(placeholders, func(p string) bool { return strings.Contains(lower, p) })
}

// derivedKey is a key of 32 bytes for one purpose, from which neither the secret key nor a key for another purpose can be told (RFC 5869).
func derivedKey(secret Secret, purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret.Reveal()), nil, purpose, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", purpose, err)
	}
	return key, nil
}
