package account

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

var (
	// ErrEmailTaken reports that another user has the email.
	ErrEmailTaken = errors.New("email taken")
	// ErrUsernameTaken reports that another user has the username.
	ErrUsernameTaken = errors.New("username taken")
	// ErrExternalIDTaken reports that another user has the external id.
	ErrExternalIDTaken = errors.New("external id taken")
	// ErrNoUser reports that the user doesn't exist, or no longer.
	ErrNoUser = errors.New("no such user")
)

// User is an account.
type User struct {
	ID            uuid.UUID
	Email         string // as typed
	Username      string // as typed
	EmailVerified bool
	IsActive      bool
	IsSuperuser   bool
	DisplayName   string // empty if there is none
	Locale        string // a language tag (BCP 47), empty if there is none
	// Metadata is an object of the application, as JSON.
	Metadata []byte
	// AppMetadata is the same, and only operators write it.
	AppMetadata []byte
	LastLoginAt *time.Time // nil before the first login
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Of returns the user of a row.
func Of(row db.User) User {
	u := User{
		ID:            row.ID,
		Email:         row.Email,
		Username:      row.Username,
		EmailVerified: row.EmailVerified,
		IsActive:      row.IsActive,
		IsSuperuser:   row.IsSuperuser,
		DisplayName:   store.OrZero(row.DisplayName),
		Locale:        store.OrZero(row.Locale),
		Metadata:      row.UserMetadata,
		AppMetadata:   row.AppMetadata,
		CreatedAt:     row.CreatedAt.UTC(),
		UpdatedAt:     row.UpdatedAt.UTC(),
	}
	if row.LastLoginAt != nil {
		at := row.LastLoginAt.UTC()
		u.LastLoginAt = &at
	}
	return u
}

// Error translates an error of a statement on users. Other errors are those of [store.Error].
func Error(err error) error {
	err = store.Error(err)
	var taken *store.TakenError
	switch {
	case errors.Is(err, store.ErrNotFound):
		return ErrNoUser
	case errors.As(err, &taken) && taken.Constraint == "users_email_key":
		return ErrEmailTaken
	case errors.As(err, &taken) && taken.Constraint == "users_username_key":
		return ErrUsernameTaken
	case errors.As(err, &taken) && taken.Constraint == "users_external_id_key":
		return ErrExternalIDTaken
	}
	return err
}

// ValidFrom returns the time for everything that a login opens: after the last change of the
// credentials, whatever the server's clock says. An earlier time would make it invalid from the
// beginning.
func ValidFrom(row db.User) time.Time {
	at := row.CreatedAt
	if row.LastLoginAt != nil {
		at = *row.LastLoginAt
	}
	if ended := row.TokensNotBefore; ended != nil && !at.After(*ended) {
		at = ended.Add(time.Microsecond)
	}
	return at
}
