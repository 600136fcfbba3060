package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/text/language"

	"github.com/latchkey-auth/latchkey/impl/auth"
)

func (r *root) userInviteCommand() *cobra.Command {
	var (
		invitation auth.Invitation
		locale     string
		asJSON     bool
	)
	cmd := &cobra.Command{
		Use:   "invite --email EMAIL",
		Short: "Create a user who sets the first password by mail",
		Long: "Create a user without a password, and mail a link that sets the first one. It is good for seven days.\n" +
			"`latchkey serve` sends the mail, once it runs.",
		Args: noArgs,
		RunE: r.begin(func(cmd *cobra.Command, _ []string) error {
			if invitation.Email == "" {
				return usageError{errors.New("user invite needs --email")}
			}
			tag, err := language.Parse(locale)
			if base, confidence := tag.Base(); err == nil && confidence != language.No {
				invitation.Locale = base.String()
			} else if locale != "" {
				return usageError{fmt.Errorf("--language is %q, must be a language such as de", locale)}
			}
			return r.withService(cmd.Context(), true, func(service *auth.Service) error {
				user, err := service.Invite(cmd.Context(), auth.Operator{}, invitation)
				if err != nil {
					return refused(err)
				}
				if asJSON {
					return printUser(r.out, user.User, true)
				}
				return r.printDone("invited", user.User)
			})
		}),
	}
	cmd.Flags().StringVar(&invitation.Email, "email", "", "the user's email, to which the mail goes")
	cmd.Flags().StringVar(&invitation.Username, "username", "", "the user's name; one is made from the email without it")
	cmd.Flags().StringVar(&locale, "language", "", "the user's language, such as de; the mail is in it")
	cmd.Flags().StringSliceVar(&invitation.Roles, "role", nil, "a role of the user, superuser or support; may be repeated")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}
