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

// userChangeCommand is a command that changes a user without asking for more than who it is.
func (r *root) userChangeCommand(name, short string, change func(*auth.Service, context.Context, uuid.UUID) (auth.User, error)) *cobra.Command {
	return &cobra.Command{
		Use:   name + " USER",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: r.begin(func(cmd *cobra.Command, args []string) error {
			return r.withUser(cmd.Context(), args[0], func(service *auth.Service, user auth.User) error {
				user, err := change(service, cmd.Context(), user.ID)
				if err != nil {
					return refused(err)
				}
				return r.printDone(name+"d", user)
			})
		}),
	}
}

func (r *root) userDeleteCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete USER",
		Short: "Delete a user for good",
		Args:  cobra.ExactArgs(1),
		RunE: r.begin(func(cmd *cobra.Command, args []string) error {
			if !yes && !isTerminal(r.in) {
				return usageError{errors.New("user delete needs --yes where there is no terminal to ask at")}
			}
			return r.withUser(cmd.Context(), args[0], func(service *auth.Service, user auth.User) error {
				if !yes {
					if err := r.confirm(cmd.Context(), fmt.Sprintf("Delete %s (%s) for good? Type yes: ", user.Email, user.ID)); err != nil {
						return err
					}
				}
				user, err := service.DeleteUser(cmd.Context(), user.ID)
				if err != nil {
					return refused(err)
				}
				return r.printDone("deleted", user)
			})
		}),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	return cmd
}

// confirm asks at the terminal; anything but yes is an error.
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
		Short: "Give a user another password and end the tokens it has",
		Args:  cobra.ExactArgs(1),
		RunE: r.begin(func(cmd *cobra.Command, args []string) error {
			return r.withUser(cmd.Context(), args[0], func(service *auth.Service, user auth.User) error {
				password, err := r.readPassword(cmd.Context(), source)
				if err != nil {
					return err
				}
				user, err = service.SetPassword(cmd.Context(), user, password)
				if err != nil {
					return refused(err)
				}
				if err := r.printDone("set the password of", user); err != nil {
					return err
				}
				return printPassword(r.out, source.generated(password))
			})
		}),
	}
	source.addFlags(cmd)
	return cmd
}
