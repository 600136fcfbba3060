package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/licensecheck"
)

// bill returns the bill of materials of a platform's binary with its parts, in CycloneDX's JSON.
func (s source) bill(ctx context.Context, p platform, parts []module) ([]byte, error) {
	bom, err := s.gomod(ctx, p)
	if err != nil {
		return nil, err
	}
	// The hashes of the program that has made it differ from machine to machine.
	if tools := bom.Metadata.Tools; tools != nil && tools.Tools != nil {
		for i := range *tools.Tools {
			(*tools.Tools)[i].Hashes = nil
		}
	}
	bom.Metadata.Timestamp = s.date.Format(time.RFC3339)
	*bom.Components = append(*bom.Components, cdx.Component{
		BOMRef: "pkg:npm/swagger-ui-dist@" + s.swaggerUI(), Type: cdx.ComponentTypeLibrary, Name: swaggerUI,
		Version: s.swaggerUI(), PackageURL: "pkg:npm/swagger-ui-dist@" + s.swaggerUI(),
	})
	if err := licenseComponents(*bom.Components, parts); err != nil {
		return nil, err
	}
	// A version that was made up from git is part of references too.
	invented := bom.Metadata.Component.Version
	bom.Metadata.Component.Version = s.version
	bom.Metadata.Component.Licenses = &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}
	var text bytes.Buffer
	if err := cdx.NewBOMEncoder(&text, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return nil, err
	}
	return []byte(strings.ReplaceAll(text.String(), invented, "v"+s.version)), nil
}

// gomod lists the modules of a binary by cyclonedx-gomod, in the version that the source pins.
func (s source) gomod(ctx context.Context, p platform) (*cdx.BOM, error) {
	tool := exec.CommandContext(ctx, "go", "tool", "-n", "cyclonedx-gomod") // builds it, and prints its path
	tool.Dir = filepath.Join(s.dir, "deploy", "release")
	program, err := output(tool)
	if err != nil {
		return nil, err
	}
	out, err := s.command(ctx, p, strings.TrimSpace(string(program)), "app", "-json", "-std", "-noserial",
		"-notimestamp", "-main", "cmd/latchkey", ".")
	if err != nil {
		return nil, err
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(out), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		return nil, err
	}
	if bom.Metadata == nil || bom.Metadata.Component == nil || bom.Components == nil {
		return nil, errors.New("cyclonedx-gomod has listed nothing")
	}
	return &bom, nil
}

// licenseComponents adds the licences of components, by the files of the parts.
func licenseComponents(components []cdx.Component, parts []module) error {
	for i := range components {
		c := &components[i]
		name := c.Name
		if name == "std" {
			name = goItself
		}
		at := slices.IndexFunc(parts, func(m module) bool { return m.path == name })
		if at < 0 {
			return fmt.Errorf("%s is in the bill, but not in the binary", c.Name)
		}
		files, err := licenceFiles(parts[at].dir)
		if err != nil {
			return err
		}
		var found cdx.Licenses
		var ids []string
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			for _, match := range licensecheck.Scan(text).Match {
				if !slices.Contains(ids, match.ID) {
					ids = append(ids, match.ID)
					found = append(found, cdx.LicenseChoice{License: &cdx.License{ID: match.ID}})
				}
			}
		}
		if len(found) == 0 {
			return fmt.Errorf("no licence of %s is known", c.Name)
		}
		c.Licenses = &found
	}
	return nil
}
