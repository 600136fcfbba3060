package main

import (
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/auth"
)

// inviteFlags are the members of an invitation, by the names of their flags.
var inviteFlags = []struct{ flag, member, usage string }{
	{"email", "email", "the user's email, to which the mail goes"},
	{"username", "username", "the user's name; without it, one is made from the email"},
	{"display-name", "display_name", "what the user is called"},
	{"locale", "locale", "the user's language, a tag such as en-GB; the mail is in it"},
}

func (r *root) userInviteCommand() *cobra.Command {
	var (
		roles  []string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "invite --email EMAIL",
		Short: "Create a user who sets the first password by mail",
		Long: "Create a user without a password, and mail a link that sets the first one. It is good for seven days.\n" +
			"`latchkey serve` sends the mail, once it runs.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			invitation, err := invitationOf(cmd, roles)
			if err != nil {
				return err
			}
			return r.withService(cmd.Context(), true, func(service *auth.Service) error {
				user, err := service.Invite(cmd.Context(), auth.Operator{}, invitation)
				if err != nil {
					return err
				}
				return r.printChanged("invited", user, asJSON)
			})
		},
	}
	for _, f := range inviteFlags {
		cmd.Flags().String(f.flag, "", f.usage)
	}
	cmd.Flags().StringSliceVar(&roles, "roles", nil, "the roles of the user, with a comma between two")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// invitationOf returns the invitation that the flags ask for.
func invitationOf(cmd *cobra.Command, roles []string) (auth.Invitation, error) {
	members := map[string]any{}
	for _, f := range inviteFlags {
		if value := cmd.Flags().Lookup(f.flag).Value.String(); value != "" {
			members[f.member] = value
		}
	}
	if members["email"] == nil {
		return auth.Invitation{}, usageError{errors.New("user invite needs --email")}
	}
	if len(roles) > 0 {
		members["roles"] = roles
	}
	text, err := json.Marshal(members)
	if err != nil {
		return auth.Invitation{}, err
	}
	return impl.ReadInvitation(text)
}
