package transfer

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// Record is a UserRecord of the contract. Its order is that of an exported line.
type Record struct {
	ID                string          `json:"id,omitempty"`
	ExternalID        string          `json:"external_id,omitempty"`
	Email             string          `json:"email"`
	Username          string          `json:"username,omitempty"`
	EmailVerified     bool            `json:"email_verified"`
	IsActive          bool            `json:"is_active"`
	Roles             []string        `json:"roles"`
	DisplayName       string          `json:"display_name,omitempty"`
	Locale            string          `json:"locale,omitempty"`
	UserMetadata      json.RawMessage `json:"user_metadata"`
	AppMetadata       json.RawMessage `json:"app_metadata"`
	PasswordHash      string          `json:"password_hash,omitempty"`
	PasswordChangedAt *time.Time      `json:"password_changed_at,omitempty"`
	CreatedAt         *time.Time      `json:"created_at,omitempty"`
	UpdatedAt         *time.Time      `json:"updated_at,omitempty"`
	LastLoginAt       *time.Time      `json:"last_login_at,omitempty"`
}

// user returns the user of a record that fits the contract.
func (r *Record) user(line int, mayRename bool) (auth.ImportedUser, error) {
	user := auth.ImportedUser{
		Line: line, ExternalID: r.ExternalID, Email: r.Email, Username: r.Username, MayRename: mayRename,
		EmailVerified: r.EmailVerified, IsActive: r.IsActive, Roles: r.Roles,
		DisplayName: r.DisplayName, Locale: r.Locale,
		UserMetadata: r.UserMetadata, AppMetadata: r.AppMetadata, PasswordHash: secret.New(r.PasswordHash),
		PasswordChangedAt: r.PasswordChangedAt, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, LastLoginAt: r.LastLoginAt,
	}
	var err error
	if r.ID != "" {
		user.ID, err = uuid.Parse(r.ID)
	}
	return user, err
}
