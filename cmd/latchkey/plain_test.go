package main

import (
	"bytes"
	"fmt"
	"testing"
)

// What a user has chosen doesn't steer the terminal of an operator.
func TestTerminalIsNotSteered(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Zoë 👩‍🚀\tok\n":        "Zoë 👩‍🚀\tok\n",
		"{\"a\":\"\u009b2J\"}": `{"a":"\u009b2J"}`,
		"\x1b]0;x\a\r":         `\u001b]0;x\u0007\u000d`,
		"\x7f\u0085\u2028":     `\u007f\u0085\u2028`,
		"a\u202eb\u2066c":      `a\u202eb\u2066c`,
	} {
		var out bytes.Buffer
		n, err := fmt.Fprint(escaping{&out, isCommand}, text)
		if got := out.String(); got != want || n != len(text) || err != nil {
			t.Errorf("%q: got %q, %d, %v", text, got, n, err)
		}
	}
}
