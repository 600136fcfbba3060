package ratelimit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The table in docs/security.md has the figures of every budget.
func TestSecurityPageHasTheBudgets(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	for what, b := range map[string]Budget{
		"login at one account, all strangers together":                          loginAccount,
		"login at one account, of one session or of one known address":          loginOwn,
		"login from one address, at all accounts that don't know it":            loginAddress,
		"login from one address, at all accounts that know it":                  loginShared,
		"registration of one email, or change of one user's username":           registerAccount,
		"registration or change of username, from one address":                  registerAddress,
		"mailed codes of one kind for one email, and email changes of one user": codeAccount,
		"mailed codes of one kind, from one address":                            codeAddress,
		"refreshes of one session":                                              refreshSession,
		"mails of one kind to one email, in a minute":                           mailMinute,
		"mails of one kind to one email, in an hour":                            mailHour,
	} {
		row := fmt.Sprintf("| %s | `%s` | %d | %s | %s |\n", what, b.Name, b.Quota, inWords(b.Step), inWords(b.Window()))
		if !strings.Contains(string(page), row) {
			t.Errorf("the page has no row %s", row)
		}
	}
}

func inWords(d time.Duration) string {
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%g h", d.Hours())
	case d%time.Minute == 0:
		return fmt.Sprintf("%g min", d.Minutes())
	}
	return fmt.Sprintf("%g s", d.Seconds())
}
