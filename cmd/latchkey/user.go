package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/wire"
)

func (r *root) userCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Administer users",
		Long: "Administer users. USER is an email, a username or an id. The commands work with or without a running\n" +
			"server. A running server applies a change from its next request on.",
	}
	cmd.AddCommand(
		r.userCreateCommand(), r.userInviteCommand(), r.userListCommand(), r.userShowCommand(), r.userUpdateCommand(),
		r.userDeleteCommand(), r.userSetPasswordCommand(), r.userSessionsCommand(),
		r.userChangeCommand(
			"activate", "Let a deactivated user log in again; its former sessions stay ended", (*auth.Service).Activate,
		),
		r.userChangeCommand("deactivate", "End a user's sessions and refuse its logins", (*auth.Service).Deactivate),
		r.userRoleCommand("promote", "Give a user the role superuser, or --role", func(role string) auth.ManagedUpdate {
			return auth.ManagedUpdate{Grant: role}
		}),
		r.userRoleCommand("demote", "Take the role superuser, or --role, from a user", func(role string) auth.ManagedUpdate {
			return auth.ManagedUpdate{Revoke: role}
		}),
		r.userImportCommand(), r.userExportCommand(),
	)
	return cmd
}

// withService runs f on the service. It rewrites an error of the service for the person at the
// terminal.
func (r *root) withService(ctx context.Context, mayMake bool, f func(*auth.Service) error) error {
	return r.withDatabase(ctx, mayMake, func(s settings, db *database) error {
		service, err := wire.NewForOperator(serviceConfig(s, db))
		if err != nil {
			return err
		}
		return refused(f(service))
	})
}

// withUser runs f on the service and on the user that who identifies.
func (r *root) withUser(ctx context.Context, who string, f func(*auth.Service, auth.User) error) error {
	return r.withService(ctx, false, func(service *auth.Service) error {
		user, err := service.FindUser(ctx, who)
		if errors.Is(err, auth.ErrNoUser) {
			return fmt.Errorf("there is no user %q", who)
		}
		if err != nil {
			return err
		}
		return f(service, user)
	})
}

func (r *root) userCreateCommand() *cobra.Command {
	var (
		registration auth.Registration
		superuser    bool
		asJSON       bool
		source       passwordSource
	)
	cmd := &cobra.Command{
		Use:   "create --email EMAIL --username NAME",
		Short: "Create a user",
		Long: "Create a user. The password is asked for at the terminal. If the standard input isn't a terminal, the\n" +
			"password is read from it.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if registration.Email == "" || registration.Username == "" {
				return usageError{errors.New("user create needs --email and --username")}
			}
			password, err := r.readPassword(cmd.Context(), source)
			if err != nil {
				return err
			}
			registration.Password = password
			return r.withService(cmd.Context(), true, func(service *auth.Service) error {
				user, err := service.CreateUser(cmd.Context(), registration, superuser)
				if err != nil {
					return err
				}
				created, err := service.GetUser(cmd.Context(), user.ID)
				if err != nil {
					return err
				}
				return r.printCreated(created, source.generated(password), asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&registration.Email, "email", "", "the user's email")
	cmd.Flags().StringVar(&registration.Username, "username", "", "the user's name")
	cmd.Flags().BoolVar(&superuser, "superuser", false,
		"give the user the role superuser, which may administer users")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	source.addFlags(cmd)
	return cmd
}

// refused rewrites an error of the service for the person at the terminal.
func refused(err error) error {
	switch {
	case errors.Is(err, auth.ErrEmailTaken):
		return errors.New("another user has this email, or left it in the last 72 hours and can still get it back")
	case errors.Is(err, auth.ErrUsernameTaken):
		return errors.New("another user has this username")
	case errors.Is(err, auth.ErrExternalIDTaken):
		return errors.New("another user has this external id")
	case errors.Is(err, auth.ErrLastSuperuser):
		return errors.New("no other active user is a superuser; promote another one first")
	case errors.Is(err, auth.ErrNoUser), errors.Is(err, auth.ErrNoAccount):
		return errors.New("the user was deleted in the meantime")
	}
	return err
}

func (r *root) userShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show USER",
		Short: "Show a user",
		Args:  oneUser,
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.withUser(cmd.Context(), args[0], func(service *auth.Service, user auth.User) error {
				shown, err := service.GetUser(cmd.Context(), user.ID)
				if err != nil {
					return err
				}
				return printUser(r.out, shown, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}
