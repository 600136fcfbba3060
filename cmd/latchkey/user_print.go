package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

func printUser(w io.Writer, u auth.ManagedUser, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(impl.ManagedUserBody(u))
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"id", u.ID.String()},
		{"email", u.Email},
		{"username", u.Username},
		{"display name", u.DisplayName},
		{"locale", u.Locale},
		{"external id", u.ExternalID},
		{"email verified", yesNo(u.EmailVerified)},
		{"active", yesNo(u.IsActive)},
		{"password", yesNo(u.HasPassword)},
		{"roles", strings.Join(u.Roles, ", ")},
		{"user metadata", string(u.Metadata)},
		{"app metadata", string(u.AppMetadata)},
		{"last login", loginTime(u)},
		{"created", u.CreatedAt.Format(time.RFC3339)},
		{"updated", u.UpdatedAt.Format(time.RFC3339)},
	} {
		if _, err := fmt.Fprintf(table, "%s\t%s\n", row[0], cmp.Or(row[1], "-")); err != nil {
			return err
		}
	}
	return table.Flush()
}

// printChanged prints what was done, or the user after it.
func (r *root) printChanged(what string, u auth.ManagedUser, asJSON bool) error {
	if asJSON {
		return printUser(r.out, u, true)
	}
	return r.printDone(what, u.User)
}

// printCreated prints a new user. It also prints a password that was generated here, because it
// can't be read again.
func (r *root) printCreated(u auth.ManagedUser, password secret.Text, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(r.out).Encode(struct {
			impl.ManagedUser
			Password string `json:"password,omitempty"`
		}{impl.ManagedUserBody(u), password.Reveal()})
	}
	if err := r.printDone("created", u.User); err != nil {
		return err
	}
	return printPassword(r.out, password)
}

func (r *root) printDone(what string, u auth.User) error {
	_, err := fmt.Fprintf(r.out, "%s %s (username %s, id %s)\n", what, u.Email, u.Username, u.ID)
	return err
}

func printPassword(w io.Writer, password secret.Text) error {
	if password.IsZero() {
		return nil
	}
	_, err := fmt.Fprintf(w, "password: %s\n", password.Reveal())
	return err
}

// list prints things, as a table or as one JSON object on each line.
type list struct {
	table *tabwriter.Writer // nil for JSON
	lines *json.Encoder
}

// newList returns a list whose table has the given head.
func newList(w io.Writer, asJSON bool, head ...string) list {
	if asJSON {
		return list{lines: json.NewEncoder(w)}
	}
	l := list{table: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	// The table is kept until Flush, which returns an error of this line too.
	_, _ = fmt.Fprintln(l.table, strings.Join(head, "\t"))
	return l
}

// add adds a line: the record in JSON, or the cells.
func (l list) add(record any, cells ...string) error {
	if l.table == nil {
		return l.lines.Encode(record)
	}
	_, err := fmt.Fprintln(l.table, strings.Join(cells, "\t"))
	return err
}

func (l list) end() error {
	if l.table == nil {
		return nil
	}
	return l.table.Flush()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func loginTime(u auth.ManagedUser) string {
	if u.LastLoginAt == nil {
		return "never"
	}
	return u.LastLoginAt.Format(time.RFC3339)
}
