package account

import (
	"slices"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// RoleSuperuser is the role of [User.IsSuperuser]. Each other role has a row of its own.
const RoleSuperuser = "superuser"

// Managed is a user as operators see it.
type Managed struct {
	User
	// Roles are in alphabetical order.
	Roles []string
	// ExternalID is the id in the system that the user was moved from, or empty.
	ExternalID  string
	HasPassword bool
}

// ManagedOf returns the user of a row.
func ManagedOf(row db.ManagedUserListRow) Managed {
	return Managed{
		User: Of(db.User{
			ID: row.ID, Email: row.Email, Username: row.Username, EmailVerified: row.EmailVerified,
			IsActive: row.IsActive, IsSuperuser: row.IsSuperuser, LastLoginAt: row.LastLoginAt,
			CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt, DisplayName: row.DisplayName, Locale: row.Locale,
			UserMetadata: row.UserMetadata, AppMetadata: row.AppMetadata,
		}),
		Roles:      Roles(row.IsSuperuser, row.Roles),
		ExternalID: store.OrZero(row.ExternalID), HasPassword: row.HasPassword,
	}
}

// Roles returns all roles of a user in alphabetical order: others have a row each.
func Roles(isSuperuser bool, others []string) []string {
	roles := slices.Clone(others)
	if isSuperuser {
		roles = append(roles, RoleSuperuser)
	}
	slices.Sort(roles)
	return roles
}
