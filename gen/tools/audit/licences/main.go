// Command licences reads lines of a module's path and its folder, and fails for each whose licence is none of those that go
// with Apache-2.0 without conditions of their own on the whole.
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

var (
	// MPL-2.0 has conditions on its own files, and none on the whole: the queue of mails is River.
	allowed = []string{"Apache-2.0", "MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "0BSD", "CC0-1.0", "Unlicense", "GooglePatentsFile", "GooglePatentClause", "PostgreSQL", "MPL-2.0"}
	names   = []string{"LICENSE*", "LICENCE*", "License*", "license*", "COPYING*"}
)

func main() {
	failed, count := 0, 0
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		module, dir, _ := strings.Cut(lines.Text(), " ")
		count++
		if why := check(dir); why != "" {
			failed++
			fmt.Fprintf(os.Stderr, "%s: %s\n", module, why)
		}
	}
	fmt.Printf("%d modules, %d whose licence isn't allowed\n", count, failed)
	if failed > 0 || count == 0 {
		os.Exit(1)
	}
}

// check says what is wrong with the licence that stands in a folder.
func check(dir string) string {
	var files []string
	for _, name := range names {
		found, _ := filepath.Glob(filepath.Join(dir, name)) // the patterns are well-formed
		files = append(files, found...)
	}
	known := 0
	for _, file := range files {
		// A folder of licences (REUSE) has also those of what isn't code, such as pictures.
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err.Error()
		}
		for _, match := range licensecheck.Scan(text).Match {
			if !slices.Contains(allowed, match.ID) {
				return match.ID + " in " + filepath.Base(file)
			}
			known++
		}
	}
	if known == 0 {
		return "no licence was found"
	}
	return ""
}
