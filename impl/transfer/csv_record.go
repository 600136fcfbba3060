package transfer

import (
	"strconv"
	"strings"
	"time"
)

// columns are the columns of a CSV file of UserRecords. Roles are separated by a space, metadata is
// JSON, and an empty cell is a member that is missing.
var columns = []string{
	"id", "external_id", "email", "username", "email_verified", "is_active", "roles", "display_name", "locale",
	"user_metadata", "app_metadata", "password_hash", "password_changed_at", "created_at", "updated_at", "last_login_at",
}

// fromCSV returns the UserRecord of a row.
func fromCSV(in row) record {
	r := record{}
	for name := range in {
		switch name {
		case "email_verified", "is_active":
			r.set(name, in.flag(name))
		case "roles":
			r.set(name, strings.Fields(in.text(name)))
		case "user_metadata", "app_metadata":
			r.set(name, in.value(name))
		default:
			r.set(name, in.text(name))
		}
	}
	return r
}

// cells returns a record as the cells of CSV.
func (r Record) cells() []string {
	at := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.Format(time.RFC3339Nano)
	}
	return []string{
		r.ID, r.ExternalID, r.Email, r.Username, strconv.FormatBool(r.EmailVerified), strconv.FormatBool(r.IsActive),
		strings.Join(r.Roles, " "), r.DisplayName, r.Locale, string(r.UserMetadata), string(r.AppMetadata), r.PasswordHash,
		at(r.PasswordChangedAt), at(r.CreatedAt), at(r.UpdatedAt), at(r.LastLoginAt),
	}
}
