package auth

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a text that must not be shown: a password, a key, a token. It prints as [redacted] under every verb, in JSON,
// as text and in slog; only [Secret.Reveal] gives it away, so that each place that does can be found.
//
// The text stands behind a pointer: fmt can't call Format on an unexported field of another struct, and prints its parts
// instead; of a pointer it prints the address. Hence two Secrets must not be compared by ==.
type Secret struct{ text *string }

const redacted = "[redacted]"

// NewSecret wraps a text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// Reveal answers the text itself.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero tells whether there is no text.
func (s Secret) IsZero() bool { return s.text == nil }

// Format prints [redacted] under every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String is [redacted].
func (Secret) String() string { return redacted }

// MarshalText is [redacted]; encoding/json uses it too.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue is [redacted].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
