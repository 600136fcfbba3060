package main

import (
	"github.com/spf13/cobra"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/transfer"
)

func (r *root) userExportCommand() *cobra.Command {
	var (
		format     string
		withHashes bool
	)
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print everything that is kept of all users",
		Long: "Print everything that is kept of all users, a UserRecord of the contract on each line. Imported into an\n" +
			"empty database and exported again, the file is the same byte for byte.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := transfer.Format(format).Check(); err != nil {
				return usageError{err}
			}
			return r.withService(cmd.Context(), false, func(service *auth.Service) error {
				return transfer.Export(cmd.Context(), service, r.raw, transfer.Format(format), withHashes)
			})
		},
	}
	cmd.Flags().StringVar(&format, "format", string(transfer.JSONLines), "jsonl or csv")
	cmd.Flags().BoolVar(&withHashes, "with-hashes", false, "also print the hashes of the passwords; keep the file safe")
	return cmd
}
