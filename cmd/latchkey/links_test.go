package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	pageLink  = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^(#+) (.*)$`)
	namedTest = regexp.MustCompile("`(Test[A-Z]\\w*)`")
	testFunc  = regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(`)
	// tableHead matches the line below the head of a table.
	tableHead = regexp.MustCompile(`^\|[ :|-]+\|$`)
)

// The links of each page lead to files and headings that exist. Each test that a page names exists.
// No table is split, and no section comes twice. docs/contract.md is compared with the tests by
// TestMatrix.
func TestPagesLead(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	tests, err := testNames(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages(t, root) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(checkLinks(page, string(text)), checkTables(string(text)), checkHeadings(string(text))); err != nil {
			t.Errorf("%s: %v", page, err)
		}
		for _, m := range namedTest.FindAllStringSubmatch(string(text), -1) {
			if !tests[m[1]] {
				t.Errorf("%s names %s, which is no test", page, m[1])
			}
		}
	}
	for name, text := range map[string]string{
		"a file that isn't":            "[a](nothing.md)",
		"a heading that isn't":         "[a](settings.md#nothing)",
		"a heading of the page itself": "# One\n[a](#two)",
	} {
		if checkLinks(filepath.Join(root, "docs", "page.md"), text) == nil {
			t.Errorf("%s passes", name)
		}
	}
	if checkTables("| a |\n|---|\n| b |\n\n| c |\n") == nil || checkTables("| a |\n|---|\n| … |\n") == nil || checkHeadings("# A\n## B\n# C\n## B\n") != nil ||
		checkHeadings("# A\n## B\n### C\n## B\n") == nil {
		t.Error("a table that an empty line splits passes, or a section that comes twice")
	}
}

// checkTables fails if a table has no head, because then its rows are shown as text. An empty line
// within a table has this effect. It also fails if a figure is still to be filled in.
func checkTables(text string) error {
	lines := append(strings.Split(codeBlock.ReplaceAllString(text, ""), "\n"), "")
	for i, line := range lines {
		if strings.Contains(line, "| … |") {
			return fmt.Errorf("a figure is missing: %s", line)
		}
		if strings.HasPrefix(line, "|") && (i == 0 || !strings.HasPrefix(lines[i-1], "|")) && !tableHead.MatchString(lines[i+1]) {
			return fmt.Errorf("a table begins without a head: %s", line)
		}
	}
	return nil
}

// checkHeadings fails if a section has two parts of the same name.
func checkHeadings(text string) error {
	path, seen := []string{}, map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		path = append(path[:min(len(m[1])-1, len(path))], m[2])
		key := strings.Join(path, "\n")
		if seen[key] {
			return fmt.Errorf("two sections are called %s", m[2])
		}
		seen[key] = true
	}
	return nil
}

// pages returns the files of all pages.
func pages(tb testing.TB, root string) (all []string) {
	tb.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "bench/*.md", "web/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil || len(found) == 0 {
			tb.Fatalf("%s: %v %v", pattern, found, err)
		}
		all = append(all, found...)
	}
	return all
}

// checkLinks fails if a link within the repository leads nowhere.
func checkLinks(page, text string) error {
	var errs []error
	for _, m := range pageLink.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		file, anchor, hasAnchor := strings.Cut(m[1], "#")
		if strings.Contains(file, ":") {
			continue // another host
		}
		target := text
		if file != "" {
			path := filepath.Join(filepath.Dir(page), filepath.FromSlash(file))
			info, err := os.Stat(path)
			if err != nil || info.IsDir() {
				errs = append(errs, err)
				continue
			}
			read, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			target = string(read)
		}
		if hasAnchor && !slices.Contains(anchors(target), anchor) {
			errs = append(errs, fmt.Errorf("no heading for %s", m[1]))
		}
	}
	return errors.Join(errs...)
}

// anchors returns the anchors of a page's headings, as GitHub makes them.
func anchors(text string) (all []string) {
	for _, m := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, m[2]))
	}
	return all
}

// testNames returns the names of all Go tests.
func testNames(root string) (map[string]bool, error) {
	names := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range testFunc.FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
		return nil
	})
	return names, err
}
