package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/auth"
)

// patchFlags are the members of a merge patch that user update takes, by the names of their flags.
var patchFlags = []struct{ flag, member, usage string }{
	{"username", "username", "another username"},
	{"display-name", "display_name", "what the user is called; empty removes it"},
	{"locale", "locale", "the user's language, a tag such as en-GB; empty removes it"},
	{"external-id", "external_id", "the user's id in another system; empty removes it"},
}

func (r *root) userUpdateCommand() *cobra.Command {
	var (
		roles  []string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "update USER",
		Short: "Change a user",
		Long: "Change a user. What no flag names stays as it is. --user-metadata and --app-metadata take a merge patch:\n" +
			`'{"plan":"pro","trial":null}' sets plan, removes trial and leaves the rest.`,
		Args: oneUser,
		RunE: func(cmd *cobra.Command, args []string) error {
			update, err := updateOf(cmd, roles)
			if err != nil {
				return err
			}
			return r.withUser(cmd.Context(), args[0], func(service *auth.Service, user auth.User) error {
				after, err := service.UpdateManagedUser(cmd.Context(), auth.Operator{}, user.ID, "", update)
				if err != nil {
					return err
				}
				return r.printChanged("updated", after, asJSON)
			})
		},
	}
	for _, f := range patchFlags {
		cmd.Flags().String(f.flag, "", f.usage)
	}
	cmd.Flags().String("user-metadata", "", "a merge patch of user_metadata, as JSON")
	cmd.Flags().String("app-metadata", "", "a merge patch of app_metadata, as JSON")
	cmd.Flags().StringSliceVar(&roles, "roles", nil, "all roles of the user, with a comma between two; empty for none")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// updateOf returns the update that the flags ask for.
func updateOf(cmd *cobra.Command, roles []string) (auth.ManagedUpdate, error) {
	patch := map[string]any{}
	for _, f := range patchFlags {
		if flag := cmd.Flags().Lookup(f.flag); flag.Changed && (flag.Value.String() != "" || f.member == "username") {
			patch[f.member] = flag.Value.String()
		} else if flag.Changed {
			patch[f.member] = nil
		}
	}
	for _, member := range []string{"user_metadata", "app_metadata"} {
		if flag := cmd.Flags().Lookup(strings.ReplaceAll(member, "_", "-")); flag.Changed {
			if !json.Valid([]byte(flag.Value.String())) {
				return auth.ManagedUpdate{}, usageError{fmt.Errorf("--%s isn't JSON", flag.Name)}
			}
			patch[member] = json.RawMessage(flag.Value.String())
		}
	}
	if cmd.Flags().Changed("roles") {
		patch["roles"] = append([]string{}, roles...)
	}
	if len(patch) == 0 {
		return auth.ManagedUpdate{}, usageError{errors.New("user update needs a flag that says what to change")}
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return auth.ManagedUpdate{}, err
	}
	return impl.ReadManagedUpdate(text)
}

// userRoleCommand returns promote or demote.
func (r *root) userRoleCommand(name, short string, update func(role string) auth.ManagedUpdate) *cobra.Command {
	var (
		role   string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   name + " USER",
		Short: short,
		Args:  oneUser,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkRole(role); err != nil {
				return err
			}
			return r.withUser(cmd.Context(), args[0], func(service *auth.Service, user auth.User) error {
				after, err := service.UpdateManagedUser(cmd.Context(), auth.Operator{}, user.ID, "", update(role))
				if err != nil {
					return err
				}
				if err := r.printChanged(name+"d", after, asJSON); err != nil || asJSON {
					return err
				}
				// A user may have had another role than the one that was named.
				_, err = fmt.Fprintf(r.out, "roles: %s\n", cmp.Or(strings.Join(after.Roles, ", "), "none"))
				return err
			})
		},
	}
	cmd.Flags().StringVar(&role, "role", auth.RoleSuperuser, "the role")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// checkRole refuses a role that the contract doesn't have.
func checkRole(role string) error {
	roles, err := impl.Roles()
	if err != nil {
		return err
	}
	if _, ok := roles[role]; ok {
		return nil
	}
	return usageError{fmt.Errorf("--role is %q, must be %s", role, strings.Join(slices.Sorted(maps.Keys(roles)), " or "))}
}
