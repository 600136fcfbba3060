package main

import (
	"cmp"
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/auth"
)

func (r *root) userListCommand() *cobra.Command {
	var (
		filter           auth.UserFilter
		active, verified bool
		limit            int
		asJSON           bool
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List users, the newest first",
		Long: "List users, the newest first, or in the order of their emails with --email-prefix. The filters hold\n" +
			"together.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("active") {
				filter.IsActive = &active
			}
			if cmd.Flags().Changed("email-verified") {
				filter.EmailVerified = &verified
			}
			if filter.Role != "" {
				if err := checkRole(filter.Role); err != nil {
					return err
				}
			}
			if limit < 0 {
				return usageError{errors.New("--limit must be at least 0")}
			}
			return r.withService(cmd.Context(), false, func(service *auth.Service) error {
				l := newList(r.out, asJSON, "ID", "EMAIL", "USERNAME", "ACTIVE", "ROLES", "LAST LOGIN", "CREATED")
				add := func(u auth.ManagedUser) error {
					return l.add(impl.ManagedUserBody(u), u.ID.String(), u.Email, u.Username, yesNo(u.IsActive),
						cmp.Or(strings.Join(u.Roles, ","), "-"), loginTime(u), u.CreatedAt.Format(time.RFC3339))
				}
				if err := eachUser(cmd.Context(), service, filter, limit, add); err != nil {
					return err
				}
				return l.end()
			})
		},
	}
	cmd.Flags().StringVar(&filter.EmailPrefix, "email-prefix", "", "what the email begins with, without regard to case")
	cmd.Flags().BoolVar(&active, "active", true, "whether the users may log in; --active=false for those who may not")
	cmd.Flags().BoolVar(&verified, "email-verified", true, "whether the users have proved their email")
	cmd.Flags().StringVar(&filter.Role, "role", "", "a role that the users have")
	cmd.Flags().IntVar(&limit, "limit", 0, "how many users are listed at most; 0 for all")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object on a line for each user")
	return cmd
}

// listPage is how many users are read at once.
const listPage = 100

// eachUser calls f with the users of a filter, with all of them for a limit of 0, and stops at its
// first error.
func eachUser(
	ctx context.Context, service *auth.Service, filter auth.UserFilter, limit int, f func(auth.ManagedUser) error,
) error {
	for cursor, left := "", cmp.Or(limit, math.MaxInt); ; {
		page, err := service.ListUsers(ctx, filter, cursor, min(listPage, left))
		if err != nil {
			return err
		}
		for _, user := range page.Users {
			if err := f(user); err != nil {
				return err
			}
		}
		cursor, left = page.Next, left-len(page.Users)
		if cursor == "" || left == 0 {
			return nil
		}
	}
}
