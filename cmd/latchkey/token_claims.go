package main

import (
	"fmt"
	"strings"

	"github.com/latchkey-auth/latchkey/impl/auth"
)

// tokenClaims returns the members of app_metadata that LATCHKEY_TOKEN_CLAIMS names, or a problem
// with it. Only app_metadata can be named: a value that the user may write must not look like a
// decision of an operator.
func tokenClaims(texts []string) (names []string, problem string) {
	for _, text := range texts {
		name, ok := strings.CutPrefix(text, "app_metadata.")
		if !ok {
			const format = "has %q, must be members of app_metadata such as app_metadata.plan, separated by commas"
			return nil, fmt.Sprintf(format, text)
		}
		names = append(names, name)
	}
	if err := auth.CheckTokenClaims(names); err != nil {
		return nil, "can't be used: " + err.Error()
	}
	return names, ""
}
