package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// thirdParty is the file with the licences of what the binary contains.
const thirdParty = "THIRD_PARTY_LICENSES"

// licenceNames match the files that a licence asks to be passed on.
var licenceNames = []string{"LICEN[CS]E*", "License*", "license*", "COPYING*", "NOTICE*", "*.LICENSE.txt"}

// The parts of the binary that aren't modules.
const (
	goItself  = "Go"
	swaggerUI = "swagger-ui-dist"
)

// parts returns what is in the binary of a platform: Go itself, Swagger UI, and the modules.
func (s source) parts(ctx context.Context, p platform) ([]module, error) {
	modules, err := s.modules(ctx, p)
	if err != nil {
		return nil, err
	}
	goroot, err := s.command(ctx, p, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	return append([]module{
		{path: goItself, version: strings.TrimPrefix(s.toolchain, "go"), dir: strings.TrimSpace(string(goroot))},
		{path: swaggerUI, version: s.swaggerUI(), dir: filepath.Join(s.dir, "gen", "swagger-ui")},
	}, modules...), nil
}

// licencesOf returns the licences of the parts of a binary. It fails if a part has none.
func licencesOf(parts []module) ([]byte, error) {
	var text bytes.Buffer
	fmt.Fprintf(&text, "The program latchkey contains the following parts.\n"+
		"The source of each Go module is at https://pkg.go.dev/PATH@VERSION.\n")
	for _, m := range parts {
		fmt.Fprintf(&text, "\n%s\n%s %s\n%[1]s\n", strings.Repeat("=", 80), m.path, m.version)
		files, err := licenceFiles(m.dir)
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("%s has no licence", m.path)
		}
		for _, name := range files {
			licence, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&text, "\n%s\n", bytes.TrimSpace(licence))
		}
	}
	return text.Bytes(), nil
}

// licenceFiles returns the files of licences in a folder, sorted.
func licenceFiles(dir string) ([]string, error) {
	var files []string
	for _, pattern := range licenceNames {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			if info, err := os.Stat(name); err != nil {
				return nil, err
			} else if info.Mode().IsRegular() {
				files = append(files, name)
			}
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// swaggerUI returns the version of the Swagger UI in the binary.
func (s source) swaggerUI() string {
	version, err := s.find(filepath.Join("web", "package.json"), `"swagger-ui-dist": "([^"]+)"`)
	if err != nil {
		return "" // the version is only told; the licence is what counts
	}
	return version
}
