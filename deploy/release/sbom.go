package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/licensecheck"
)

// bill returns the bill of materials of a platform's binary with its parts, in CycloneDX's JSON.
func (s source) bill(ctx context.Context, p platform, parts []part) ([]byte, error) {
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
	swagger, err := s.pinned(swaggerUI)
	if err != nil {
		return nil, err
	}
	url := "pkg:npm/" + swaggerUI + "@" + swagger
	*bom.Components = append(*bom.Components, cdx.Component{
		BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: swaggerUI, Version: swagger, PackageURL: url,
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

// licenseComponents adds to components the names of their licences, by the texts of the parts.
func licenseComponents(components []cdx.Component, parts []part) error {
	for i := range components {
		c := &components[i]
		name := c.Name
		if name == "std" {
			name = goItself
		}
		at := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
		if at < 0 {
			return fmt.Errorf("%s is in the bill, but not in the binary", c.Name)
		}
		var ids []string
		for _, text := range parts[at].licences {
			for _, match := range licensecheck.Scan(text).Match {
				if !slices.Contains(ids, match.ID) {
					ids = append(ids, match.ID)
				}
			}
		}
		if len(ids) == 0 {
			return fmt.Errorf("no licence of %s is known", c.Name)
		}
		c.Licenses = &cdx.Licenses{}
		for _, id := range ids {
			*c.Licenses = append(*c.Licenses, cdx.LicenseChoice{License: &cdx.License{ID: id}})
		}
	}
	return nil
}
