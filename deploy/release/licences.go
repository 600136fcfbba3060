package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// thirdParty is the file with the licences of what the binary contains.
const thirdParty = "THIRD_PARTY_LICENSES"

// licenceName matches the files that a licence asks to be passed on.
var licenceName = regexp.MustCompile(`^(LICEN[CS]E|License|license|COPYING|NOTICE)|\.LICENSE\.txt$`)

// The parts of the binary that aren't modules.
const (
	goItself  = "Go"
	swaggerUI = "swagger-ui-dist"
)

// part is a part of the binary, such as a Go module, with the texts of its licences.
type part struct {
	name, version string
	licences      [][]byte
}

// parts returns what is in the binary of a platform: Go itself, Swagger UI, and the modules by
// their paths. It fails if one of them has no licence.
func (s source) parts(ctx context.Context, p platform) ([]part, error) {
	goroot, err := s.command(ctx, p, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	swagger, err := s.pinned(swaggerUI)
	if err != nil {
		return nil, err
	}
	const format = "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}"
	out, err := s.command(ctx, p, "go", "list", "-deps", "-f", format, "./cmd/latchkey")
	if err != nil {
		return nil, err
	}
	modules := strings.Split(strings.TrimSpace(string(out)), "\n") // one for each of its packages
	slices.Sort(modules)
	var all []part
	for _, line := range append([]string{
		goItself + "\t" + strings.TrimPrefix(s.toolchain, "go") + "\t" + strings.TrimSpace(string(goroot)),
		swaggerUI + "\t" + swagger + "\t" + filepath.Join(s.dir, "gen", "swagger-ui"),
	}, slices.Compact(modules)...) {
		fields := strings.SplitN(line, "\t", 3)
		texts, err := licencesIn(fields[2])
		if err == nil && len(texts) == 0 {
			err = errors.New("it has no licence")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fields[0], err)
		}
		all = append(all, part{fields[0], fields[1], texts})
	}
	return all, nil
}

// licencesOf returns the licences of the parts of a binary as one text.
func licencesOf(parts []part) []byte {
	var text bytes.Buffer
	fmt.Fprintf(&text, "The program latchkey contains the following parts.\n"+
		"The source of each Go module is at https://pkg.go.dev/PATH@VERSION.\n")
	for _, p := range parts {
		fmt.Fprintf(&text, "\n%s\n%s %s\n%[1]s\n", strings.Repeat("=", 80), p.name, p.version)
		for _, licence := range p.licences {
			fmt.Fprintf(&text, "\n%s\n", bytes.TrimSpace(licence))
		}
	}
	return text.Bytes()
}

// licencesIn returns the texts of the licences in a folder, sorted by the names of their files.
func licencesIn(dir string) (texts [][]byte, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !licenceName.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}
