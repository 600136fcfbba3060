package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/latchkey-auth/latchkey/impl"
)

func (r *root) openapiCommand() *cobra.Command {
	var format, server string
	cmd := &cobra.Command{
		Use:   "openapi",
		Short: "Print the contract, an OpenAPI document",
		RunE: func(*cobra.Command, []string) error {
			pages := impl.ContractPages()
			text, ok := map[string][]byte{"yaml": pages.YAML, "json": pages.JSON}[format]
			if !ok {
				return usageError{fmt.Errorf("--format is %q, must be yaml or json", format)}
			}
			if server != "" {
				// Two characters that a URL may have would end a text in JSON.
				if checkPublicURL(server) != "" || strings.ContainsAny(server, `"\`) {
					return usageError{fmt.Errorf("--url is %q, must be a URL such as https://auth.example.com", server)}
				}
				text = absolute(text, strings.TrimSuffix(server, "/"))
			}
			_, err := r.raw.Write(text)
			return err
		},
	}
	cmd.Flags().StringVar(&format, "format", "yaml", "yaml or json")
	cmd.Flags().StringVar(&server, "url", "", "the server's URL, for generators that can't read relative ones")
	return cmd
}

// absolute returns the contract, in either form, with the server's URL in the place of its relative
// ones: that of the server itself, and those of the login and the refresh.
func absolute(contract []byte, server string) []byte {
	return []byte(strings.NewReplacer(
		"- url: .\n", "- url: "+server+"\n",
		`"url": "."`, `"url": "`+server+`"`,
		"Url: api/", "Url: "+server+"/api/",
		`Url": "api/`, `Url": "`+server+"/api/",
	).Replace(string(contract)))
}
