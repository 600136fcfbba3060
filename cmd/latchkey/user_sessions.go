package main

import (
	"io"
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
						return err
					}
					return r.printDone("ended the sessions of", user)
				}
				sessions, err := service.UserSessions(cmd.Context(), user.ID)
				if err != nil {
					return err
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
	l := newList(w, asJSON, "ID", "CREATED", "LAST USED", "EXPIRES", "ADDRESS", "USER AGENT")
	for _, s := range sessions {
		err := l.add(recordOfSession(s), s.ID.String(), s.CreatedAt.Format(time.RFC3339),
			s.UsedAt.Format(time.RFC3339), s.ExpiresAt.Format(time.RFC3339), s.Address, s.UserAgent)
		if err != nil {
			return err
		}
	}
	return l.end()
}
