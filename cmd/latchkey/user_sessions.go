package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/latchkey-auth/latchkey/impl/auth"
)

func (r *root) userSessionsCommand() *cobra.Command {
	var end, asJSON bool
	cmd := &cobra.Command{
		Use:   "sessions USER",
		Short: "List a user's sessions, or end them all",
		Long: "List where a user is logged in, the newest session first. --end ends all sessions. The user can log in\n" +
			"again.",
		Args: oneUser,
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.withUser(cmd.Context(), args[0], func(service *auth.Service, user auth.User) error {
				if end {
					if err := service.EndUserSessions(cmd.Context(), auth.Operator{}, user.ID); err != nil {
						return refused(err)
					}
					return r.printDone("ended the sessions of", user)
				}
				sessions, err := service.UserSessions(cmd.Context(), user.ID)
				if err != nil {
					return refused(err)
				}
				return printSessions(r.out, sessions, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&end, "end", false, "end all sessions of the user")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object on a line for each session")
	cmd.MarkFlagsMutuallyExclusive("end", "json")
	return cmd
}

func printSessions(w io.Writer, sessions []auth.Session, asJSON bool) error {
	if asJSON {
		lines := json.NewEncoder(w)
		for _, s := range sessions {
			if err := lines.Encode(recordOfSession(s)); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	// The table is kept until Flush, which returns the errors of these lines.
	_, _ = fmt.Fprintln(table, "ID\tCREATED\tLAST USED\tEXPIRES\tADDRESS\tUSER AGENT")
	for _, s := range sessions {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.CreatedAt.Format(time.RFC3339),
			s.UsedAt.Format(time.RFC3339), s.ExpiresAt.Format(time.RFC3339), s.Address, s.UserAgent)
	}
	return table.Flush()
}
