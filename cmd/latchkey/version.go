package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/schema"
)

// These are set at build time, as in -ldflags "-X main.version=0.7.0". A build without them is a
// developer's.
var (
	version = "dev"
	commit  string // the full hash
	date    string // the time of the commit, RFC 3339 in UTC
)

// build is what the binary is made of.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitzero"`
	Date     string `json:"date,omitzero"`
	Contract string `json:"contract"` // info.version of openapi.yaml
	Schema   int64  `json:"schema"`   // the newest migration
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// thisBuild fails if the contract in the binary has no version.
func thisBuild() (build, error) {
	var contract struct {
		Info struct{ Version string } `json:"info"`
	}
	if err := json.Unmarshal(impl.ContractPages().JSON, &contract); err != nil {
		return build{}, err
	}
	return build{
		Version: version, Commit: commit, Date: date, Contract: contract.Info.Version, Schema: schema.Latest(),
		Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
	}, nil
}

func (b build) print(out io.Writer) error {
	made := ""
	if b.Commit != "" {
		made = fmt.Sprintf("commit %s of %s\n", b.Commit, b.Date)
	}
	_, err := fmt.Fprintf(out, "latchkey %s (%s, %s/%s)\n%scontract %s, schema %d\n",
		b.Version, b.Go, b.OS, b.Arch, made, b.Contract, b.Schema)
	return err
}

func (r *root) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, the commit, the contract's version and the schema's",
		RunE: func(*cobra.Command, []string) error {
			b, err := thisBuild()
			if err != nil {
				return err
			}
			if !asJSON {
				return b.print(r.out)
			}
			lines := json.NewEncoder(r.out)
			lines.SetIndent("", "  ")
			return lines.Encode(b)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}
