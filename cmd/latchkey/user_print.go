package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// userRecord is a user as JSON, with the contract's names of the fields.
type userRecord struct {
	ID            uuid.UUID  `json:"id"`
	Email         string     `json:"email"`
	Username      string     `json:"username"`
	EmailVerified bool       `json:"email_verified"`
	IsActive      bool       `json:"is_active"`
	IsSuperuser   bool       `json:"is_superuser"`
	LastLoginAt   *time.Time `json:"last_login_at"`
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
	Password      string     `json:"password,omitempty"` // only if it was made just now
}

func recordOf(u auth.User) userRecord {
	return userRecord{
		ID: u.ID, Email: u.Email, Username: u.Username,
		EmailVerified: u.EmailVerified, IsActive: u.IsActive, IsSuperuser: u.IsSuperuser,
		LastLoginAt: u.LastLoginAt, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
	}
}

func printUser(w io.Writer, u auth.User, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(recordOf(u))
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"id", u.ID.String()},
		{"email", u.Email},
		{"username", u.Username},
		{"email verified", yesNo(u.EmailVerified)},
		{"active", yesNo(u.IsActive)},
		{"superuser", yesNo(u.IsSuperuser)},
		{"last login", loginTime(u)},
		{"created", u.CreatedAt.Format(time.RFC3339)},
		{"updated", u.UpdatedAt.Format(time.RFC3339)},
	} {
		if _, err := fmt.Fprintf(table, "%s\t%s\n", row[0], row[1]); err != nil {
			return err
		}
	}
	return table.Flush()
}

// printCreated prints a new user. It also prints a password that was generated here, because it
// can't be read again.
func (r *root) printCreated(u auth.User, password secret.Text, asJSON bool) error {
	if asJSON {
		record := recordOf(u)
		record.Password = password.Reveal()
		return json.NewEncoder(r.out).Encode(record)
	}
	if err := r.printDone("created", u); err != nil {
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

// userList prints users, as a table or as one JSON object on each line.
type userList struct {
	table *tabwriter.Writer // nil for JSON
	lines *json.Encoder
}

func newUserList(w io.Writer, asJSON bool) userList {
	if asJSON {
		return userList{lines: json.NewEncoder(w)}
	}
	l := userList{table: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	// The table is kept until Flush, which returns an error of this line too.
	_, _ = fmt.Fprintln(l.table, "ID\tEMAIL\tUSERNAME\tACTIVE\tSUPERUSER\tLAST LOGIN\tCREATED")
	return l
}

func (l userList) add(u auth.User) error {
	if l.table == nil {
		return l.lines.Encode(recordOf(u))
	}
	_, err := fmt.Fprintf(l.table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", u.ID, u.Email, u.Username,
		yesNo(u.IsActive), yesNo(u.IsSuperuser), loginTime(u), u.CreatedAt.Format(time.RFC3339))
	return err
}

func (l userList) end() error {
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

func loginTime(u auth.User) string {
	if u.LastLoginAt == nil {
		return "never"
	}
	return u.LastLoginAt.Format(time.RFC3339)
}
