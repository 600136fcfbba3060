package secret

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/uuid"
)

func TestB13_GuessableKeys(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"changeme-changeme-changeme-changeme", "your-super-secret-jwt-token-with-at-least-32-characters-long",
		"0123456789012345678901234567890123456789", "YOUR-256-BIT-SECRET-your-256-bit-secret", "your-256-bit-secret-your-256-bit",
		"THIS_SHOULD_NEVER_BE_THE_KEY_IN_PRODUCTION", "<random_string_at_least_32_characters_long>", "reallyreallyreallyreallyverysafe",
		"test123-test123-test123-test123-test123-test123-test123", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "123NotAParticularyGreatSecret!!!",
		"01234567890abcde01234567890abcde01234567890abcde01234567890abcde", "1234nbizz234sunshine-ultra-secure-secret-is-awesome",
		"This secret is stored base-64 encoded on the proxy host", "a-string-secret-at-least-256-bits-long", "my-32-character-ultra-secure-and-ultra-long-secret",
		"please_change_this_secret_key_before_production_use", "qwertyuiopasdfghjklzxcvbnm123456", "thisismysupersecretkeyforjwttokens12345",
		"super_secret_key_that_should_be_changed", "MySuperSecretKeyThatNobodyWillEverGuess", "keyboard cat keyboard cat dog mouse", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
		"secretsecretsecretsecretsecret12", "TOP-SECRET-DO-NOT-SHARE-WITH-ANYONE!!", "insert-your-very-own-random-secret-here", "00000000000000000000000000000000000000001",
		"django-insecure-abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz0123456789", strings.Repeat("s3cr3tkey", 5),
		"hV3kq8Zr1wXtN6yPbC0mJ4sLgE9dFuA", // random, and a byte too short (RFC 7518 section 3.2)
	} {
		if CheckKey(New(key)) == nil {
			t.Errorf("%q was taken", key)
		}
	}
}

var keyForms = map[string]func([]byte) string{
	"hex":       hex.EncodeToString,
	"HEX":       func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) },
	"half hex":  func(b []byte) string { return hex.EncodeToString(b[:16]) }, // the shortest that is long enough
	"base64":    base64.StdEncoding.EncodeToString,
	"base64url": base64.RawURLEncoding.EncodeToString,
	"base32":    base32.StdEncoding.EncodeToString,
	"raw":       func(b []byte) string { return string(b) },
	"uuid":      func(b []byte) string { return uuid.UUID(b[:16]).String() },
	"decimal":   func(b []byte) string { return new(big.Int).SetBytes(b).String() },
}

// keysOfEachForm is set by make fuzz, or by hand: go test ./impl/secret -run B13_Random
// -random-keys 1000000
var keysOfEachForm = flag.Int("random-keys", 2000, "random keys of each form that must be taken")

// No random key in any usual encoding is refused.
func TestB13_RandomKeysAreTaken(t *testing.T) {
	t.Parallel()
	for name, form := range keyForms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.NewChaCha8([32]byte([]byte(name + strings.Repeat("-", 32))[:32]))
			key, least := make([]byte, 32), 1<<30
			for range *keysOfEachForm {
				_, _ = random.Read(key) // never fails
				text := form(key)
				if err := CheckKey(New(text)); err != nil {
					t.Errorf("%q: %v", text, err)
				}
				least = min(least, keyUnits(text))
			}
			t.Logf("the least has %d units, %d are wanted", least, minKeyUnits)
		})
	}
}
