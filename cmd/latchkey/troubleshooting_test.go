package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	// verb matches what stands for a value in the text of a message.
	verb = regexp.MustCompile(`%[#0-9.]*[qsdvwo]`)
	// joint matches the place where Go source joins two lines of a text.
	joint = regexp.MustCompile("[\"`] \\+\\s*[\"`]")
	// between matches what joins the parts of a message, which are in several places of the source.
	between = regexp.MustCompile(`[…=]|[:;,] |"`)
)

// The messages in the first column of docs/troubleshooting.md are those of the program, the
// contract or the client. A reader searches the page for them. Words of other programs are not in
// code spans.
func TestTroubleshooting(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	shown := shownTexts(t, root)
	page, err := os.ReadFile(filepath.Join(root, "docs", "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	quoted := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		for _, span := range inlineCode.FindAllStringSubmatch(cells[1], -1) {
			quoted++
			for _, part := range between.Split(span[1], -1) {
				if part = strings.Trim(part, " :()"); !strings.Contains(shown, part) {
					t.Errorf("`%s`: nothing shows %q", span[1], part)
				}
			}
		}
	}
	if quoted < 50 {
		t.Errorf("the page quotes %d messages", quoted)
	}
}

// shownTexts returns the sources of everything that shows a message, without their tests.
func shownTexts(t *testing.T, root string) string {
	t.Helper()
	var all strings.Builder
	read := func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(verb.ReplaceAllString(joint.ReplaceAllString(string(text), ""), "…"))
	}
	read(filepath.Join(root, "openapi.yaml"))
	for _, folder := range []string{"authn", "cmd", "impl", "schema", filepath.Join("web", "client", "src")} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			isSource := slices.Contains([]string{".go", ".ts"}, filepath.Ext(path)) && !strings.HasSuffix(path, "_test.go")
			if err == nil && !d.IsDir() && isSource {
				read(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}
