package auth

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// ExportedUser is all that is kept of a user.
type ExportedUser struct {
	User
	// ExternalID is the id in the system that the user came from, or empty.
	ExternalID string
	// Roles are sorted.
	Roles []string
	// PasswordHash is empty and PasswordChangedAt nil for a user without a password.
	PasswordHash      secret.Text
	PasswordChangedAt *time.Time
}

// exportPage is how many users [Service.EachExported] reads at once.
const exportPage = 500

// EachExported calls f with every user in the order of their ids, and stops at its first error. A
// user that is added meanwhile may be among them or not.
func (s *Service) EachExported(ctx context.Context, f func(ExportedUser) error) error {
	var last uuid.UUID
	for {
		rows, err := s.queries.UserListExport(ctx, db.UserListExportParams{After: last, PageSize: exportPage})
		if err != nil {
			return account.Error(err)
		}
		for _, row := range rows {
			if err := f(exported(row)); err != nil {
				return err
			}
		}
		if len(rows) < exportPage {
			return nil
		}
		last = rows[len(rows)-1].User.ID
	}
}

func exported(row db.UserListExportRow) ExportedUser {
	user := ExportedUser{
		User: account.Of(row.User), ExternalID: store.OrZero(row.User.ExternalID),
		Roles:        account.Roles(row.User.IsSuperuser, row.Roles),
		PasswordHash: secret.New(store.OrZero(row.Hash)),
	}
	if row.ChangedAt != nil {
		at := row.ChangedAt.UTC()
		user.PasswordChangedAt = &at
	}
	return user
}
