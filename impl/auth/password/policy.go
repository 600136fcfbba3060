package password

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/latchkey-auth/latchkey/impl/secret"
)

// What a [PolicyError] may say.
const (
	CodeTooShort         = "too_short"
	CodeTooLong          = "too_long"
	CodeInvalidCharacter = "invalid_character"
	CodeCommonPassword   = "common_password"
)

// PolicyError is the reason why a password may not be chosen. It never repeats the password.
type PolicyError struct {
	// Code is one of the codes above.
	Code string
	// Detail is the same in words.
	Detail string
}

func (e *PolicyError) Error() string { return e.Detail }

// Policy is which passwords a user may choose (NIST SP 800-63B-4 section 3.1.1.2, ASVS 5.0 section
// 6.2).
type Policy struct {
	// MinLength is in code points of the password in NFC.
	MinLength int
}

// Bounds of [Policy.MinLength]: the contract promises 8, and 64 must be allowed.
const (
	minMinLength = 8
	maxMinLength = 64
)

// NewPolicy makes a policy; the least length is 8 to 64 characters.
func NewPolicy(minLength int) (Policy, error) {
	if minLength < minMinLength || minLength > maxMinLength {
		return Policy{}, fmt.Errorf(
			"the least length of a password must be %d to %d, not %d",
			minMinLength,
			maxMinLength,
			minLength,
		)
	}
	return Policy{MinLength: minLength}, nil
}

// Check judges a new password. It returns nil if a user may choose it, otherwise a [*PolicyError].
// The context is what a guesser would know of the user, such as the email and the username. No kind
// of character is demanded.
func (p Policy) Check(password secret.Text, context ...string) error {
	text := password.Reveal()
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return &PolicyError{CodeInvalidCharacter, "It must be UTF-8 without the character NUL."}
	}
	if len(text) > 4*maxPasswordBytes {
		return &PolicyError{CodeTooLong, fmt.Sprintf("It must have at most %d bytes.", maxPasswordBytes)}
	}
	text = norm.NFC.String(text)
	switch {
	case len(text) > maxPasswordBytes:
		return &PolicyError{CodeTooLong, fmt.Sprintf("It must have at most %d bytes.", maxPasswordBytes)}
	case utf8.RuneCountInString(text) < p.MinLength:
		return &PolicyError{CodeTooShort, fmt.Sprintf("It must have at least %d characters.", p.MinLength)}
	case isGuessable(text, context):
		return &PolicyError{
			CodeCommonPassword,
			"It is too easily guessed: a common password, a repeat, a sequence, or made of your email or username.",
		}
	}
	return nil
}
