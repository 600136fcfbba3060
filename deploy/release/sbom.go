package main

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// bill returns the bill of materials of a platform's binary, in CycloneDX's JSON.
func (s source) bill(ctx context.Context, program string, p platform) ([]byte, error) {
	program, err := filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	out, err := s.command(ctx, p, program, "app", "-json", "-licenses", "-assert-licenses", "-std", "-noserial",
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
	// It has made up a version from git.
	own := bom.Metadata.Component
	invented := own.Version
	own.Version = s.version
	bom.Metadata.Timestamp = s.date.Format(time.RFC3339)
	*bom.Components = append(*bom.Components, cdx.Component{
		BOMRef: "pkg:npm/swagger-ui-dist@" + s.swaggerUI(), Type: cdx.ComponentTypeLibrary, Name: "swagger-ui-dist",
		Version: s.swaggerUI(), PackageURL: "pkg:npm/swagger-ui-dist@" + s.swaggerUI(),
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}},
	})
	var text bytes.Buffer
	if err := cdx.NewBOMEncoder(&text, cdx.BOMFileFormatJSON).SetPretty(true).Encode(&bom); err != nil {
		return nil, err
	}
	// References have the version too.
	return []byte(strings.ReplaceAll(text.String(), invented, "v"+s.version)), nil
}
