package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/latchkey-auth/latchkey/impl/auth"
)

// userChangeCommand returns a command that changes a user and needs no argument but the user.
func (r *root) userChangeCommand(
	name, short string,
	change func(*auth.Service, context.Context, auth.Operator, uuid.UUID) (auth.ManagedUser, error),
) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   name + " USER",
		Short: short,
		Args:  oneUser,
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.withUser(cmd.Context(), args[0], func(service *auth.Service, user auth.User) error {
				after, err := change(service, cmd.Context(), auth.Operator{}, user.ID)
				if err != nil {
					return err
				}
				return r.printChanged(name+"d", after, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func (r *root) userDeleteCommand() *cobra.Command {
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use:   "delete USER",
		Short: "Delete a user; this can't be undone",
		Args:  oneUser,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes && !isTerminal(r.in) {
				return usageError{errors.New("user delete needs --yes if the standard input isn't a terminal")}
			}
			who := args[0]
			if !yes {
				user, err := r.confirmDelete(cmd.Context(), who)
				if err != nil {
					return err
				}
				who = user.ID.String()
			}
			return r.withUser(cmd.Context(), who, func(service *auth.Service, user auth.User) error {
				deleted, err := service.GetUser(cmd.Context(), user.ID)
				if err != nil {
					return err
				}
				if _, err := service.DeleteUser(cmd.Context(), auth.Operator{}, user.ID); err != nil {
					return err
				}
				return r.printChanged("deleted", deleted, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "delete without asking")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the deleted user as a JSON object")
	return cmd
}

// confirmDelete asks at the terminal, and returns the user to delete. It closes the database before
// it asks. Only one process can use the embedded database, and a server may be about to start.
func (r *root) confirmDelete(ctx context.Context, who string) (auth.User, error) {
	var found auth.User
	err := r.withUser(ctx, who, func(_ *auth.Service, user auth.User) error {
		found = user
		return nil
	})
	if err != nil {
		return auth.User{}, err
	}
	return found, r.confirm(ctx, fmt.Sprintf("Delete %s (%s) for good? Type yes: ", found.Email, found.ID))
}

// confirm asks at the terminal. It fails unless the input is yes.
func (r *root) confirm(ctx context.Context, question string) error {
	if _, err := fmt.Fprint(r.err, question); err != nil {
		return err
	}
	answer, err := interruptible(ctx, func() (string, error) { return bufio.NewReader(r.in).ReadString('\n') })
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(answer) != "yes" {
		return errors.New("nothing was deleted")
	}
	return nil
}

func (r *root) userSetPasswordCommand() *cobra.Command {
	var source passwordSource
	cmd := &cobra.Command{
		Use:   "set-password USER",
		Short: "Give a user another password and end its sessions",
		Args:  oneUser,
		RunE: func(cmd *cobra.Command, args []string) error {
			// The password is read before the database is opened. Only one process can use the
			// embedded database, and a server may be about to start.
			password, err := r.readPassword(cmd.Context(), source)
			if err != nil {
				return err
			}
			return r.withUser(cmd.Context(), args[0], func(service *auth.Service, user auth.User) error {
				user, err = service.SetPassword(cmd.Context(), user, password)
				if err != nil {
					return err
				}
				if err := r.printDone("set the password of", user); err != nil {
					return err
				}
				return printPassword(r.out, source.generated(password))
			})
		},
	}
	source.addFlags(cmd)
	return cmd
}
