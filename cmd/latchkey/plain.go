package main

import (
	"bytes"
	"fmt"
	"io"
	"unicode"
)

// escaping writes the characters that escaped reports as in JSON, such as \u009b. JSON stays the
// same, because only its strings can have such characters.
type escaping struct {
	to      io.Writer
	escaped func(rune) bool
}

// Write writes whole characters.
func (e escaping) Write(text []byte) (int, error) {
	if !bytes.ContainsFunc(text, e.escaped) {
		return e.to.Write(text)
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		switch {
		case !e.escaped(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	if _, err := e.to.Write(b.Bytes()); err != nil {
		return 0, err
	}
	return len(text), nil
}

// isCommand reports whether a terminal does more with a character than to show it, such as a
// control character or one that turns the direction of the text around. Users choose their names
// and metadata.
func isCommand(c rune) bool {
	return c != '\n' && c != '\t' && unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) ||
		c == '\u2028' || c == '\u2029'
}
