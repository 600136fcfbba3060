// Package secret holds the type of a text that never prints, and the secret key: [CheckKey] judges
// it, [Derive] makes other keys from it, and [Seal] encrypts under it the keys that the database
// keeps, those that sign access tokens and the one that names budgets.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// Text is a text that must not be shown: a password, a key, a token. It prints as [redacted] under
// every verb, in JSON, as text and in slog. Only [Text.Reveal] returns it, so that each place that
// reads it can be found.
//
// The text is behind a pointer. fmt can't call Format on an unexported field of another struct, and
// prints its parts instead. Of a pointer it prints the address. Therefore two Texts must not be
// compared by ==.
type Text struct{ text *string }

const redacted = "[redacted]"

// New wraps a text.
func New(text string) Text {
	if text == "" {
		return Text{}
	}
	return Text{&text}
}

// Reveal returns the text itself.
func (s Text) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is no text.
func (s Text) IsZero() bool { return s.text == nil }

// Format prints [redacted] under every verb.
func (Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String is [redacted].
func (Text) String() string { return redacted }

// MarshalText is [redacted]; encoding/json uses it too.
func (Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue is [redacted].
func (Text) LogValue() slog.Value { return slog.StringValue(redacted) }
