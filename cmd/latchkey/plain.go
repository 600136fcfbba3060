package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// plainWriter writes text for a terminal. It writes control characters, and those that turn the
// direction of the text around, as \u009b: users choose their names and metadata, and a terminal would
// obey them. JSON stays the same, because only its strings can have such characters.
type plainWriter struct{ io.Writer }

func (w plainWriter) Write(text []byte) (int, error) {
	if strings.IndexFunc(string(text), isCommand) < 0 {
		return w.Writer.Write(text)
	}
	var plain strings.Builder
	for _, c := range string(text) {
		if isCommand(c) {
			fmt.Fprintf(&plain, `\u%04x`, c)
		} else {
			plain.WriteRune(c)
		}
	}
	if _, err := io.WriteString(w.Writer, plain.String()); err != nil {
		return 0, err
	}
	return len(text), nil
}

// isCommand reports whether a terminal does more with a character than to show it.
func isCommand(c rune) bool {
	return c != '\n' && c != '\t' && unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) ||
		c == '\u2028' || c == '\u2029'
}
