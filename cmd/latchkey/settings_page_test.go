package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// row is a line of a page's table, by its cells.
type row []string

// tableRows returns the rows of a page whose first cell begins with the given text.
func tableRows(t *testing.T, page, begin string) (rows []row) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| "+begin) {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

// docs/settings.md has one row for each setting that the binary's help lists, with the same default
// and the same bounds. All of its examples together are valid.
func TestSettingsPage(t *testing.T) {
	t.Parallel()
	help, err := runHere("serve", "--help")
	if err != nil {
		t.Fatal(err)
	}
	type listed struct{ standard, help string }
	inHelp := map[string]listed{}
	for _, m := range regexp.MustCompile(`(?m)^  (LATCHKEY_\w+) +(.*)\n +default: (.*)$`).FindAllStringSubmatch(help, -1) {
		inHelp["`"+m[1]+"`"] = listed{m[3], m[2]}
	}
	if len(inHelp) != len(known()) {
		t.Fatalf("the help lists %d settings, want %d", len(inHelp), len(known()))
	}
	bounds := regexp.MustCompile(`[0-9]\w* to [0-9]\w*`)
	var examples []string
	for _, r := range tableRows(t, "settings.md", "`LATCHKEY_") {
		if len(r) != 5 {
			t.Fatalf("%d cells, want setting, default, value, example and meaning: %q", len(r), r)
		}
		own, ok := inHelp[r[0]]
		if !ok {
			t.Errorf("%s has two rows, or is no setting", r[0])
		}
		delete(inHelp, r[0])
		if got := strings.Trim(r[1], "`"); got != own.standard {
			t.Errorf("%s: the default is %q, the help says %q", r[0], got, own.standard)
		}
		if want := bounds.FindString(own.help); !strings.Contains(r[2], want) {
			t.Errorf("%s: the value is %q, the help says %q", r[0], r[2], want)
		}
		if example := strings.Trim(r[3], "`"); example != "" {
			examples = append(examples, strings.Trim(r[0], "`")+"="+example)
		} else if !strings.HasPrefix(r[0], "`LATCHKEY_SECRET_KEY") {
			t.Errorf("%s has no example", r[0])
		}
	}
	for name := range inHelp {
		t.Errorf("%s has no row", name)
	}
	if _, err := loadSettings(examples); err != nil {
		t.Errorf("the examples: %v", err)
	}
}

// The lines of the Debian package's file of settings are valid once their # is removed.
func TestSettingsOfTheDebianPackage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "debian", "latchkey.env"))
	if err != nil {
		t.Fatal(err)
	}
	var environ []string
	for _, m := range regexp.MustCompile(`(?m)^#?(LATCHKEY_\w+=.*)$`).FindAllStringSubmatch(string(text), -1) {
		environ = append(environ, m[1])
	}
	if _, err := loadSettings(environ); err != nil || len(environ) < 5 {
		t.Errorf("%q: %v", environ, err)
	}
}
