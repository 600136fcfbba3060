// Package auth is the auth service: passwords, tokens, accounts. It knows nothing of HTTP.
//
// Passwords are argon2id hashes in the PHC format. A log-in opens a session, whose access tokens are JWTs under the keys of a [Keyring],
// and whose refresh tokens are made of the secret key alone. A user is found by a canonical email,
// and a token's user by the ids in it; each operation is one statement, and the database alone decides what is unique.
package auth

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/batch"
	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// Options are what a [Service] is made of. Each is required but SessionsPerUser, Limiter, Previous and DatabaseNow.
type Options struct {
	// DB is where users are kept: a pool that is safe for concurrent use.
	DB db.DBTX
	// Hasher hashes and verifies passwords.
	Hasher *password.Hasher
	// Tokens issues and checks access tokens.
	Tokens *Tokens
	// Secret makes the refresh tokens; Previous is the one before it was changed, whose tokens are still taken.
	Secret, Previous secret.Text
	// Sessions bound how long sessions last.
	Sessions SessionTimes
	// SessionsPerUser is how many sessions a user has at most; 0 for [DefaultSessionsPerUser].
	SessionsPerUser int
	// Limiter bounds how often passwords are guessed; nil for no bounds.
	Limiter *Limiter
	// Policy says which passwords a user may choose.
	Policy password.Policy
	// Now is the clock.
	Now func() time.Time
	// DatabaseNow replaces the database's clock, by which refresh tokens are judged: instances agree on that one; nil for its own.
	DatabaseNow func() time.Time
}

// Service registers users, logs them in and answers who a token belongs to.
// It is safe for concurrent use.
type Service struct {
	users         *db.Queries
	callers       *batch.Loader[sessionKey, db.UserListBySessionRow]
	hasher        *password.Hasher
	tokens        *Tokens
	refreshTokens refreshTokens
	refreshes     refreshes
	sessions      SessionTimes
	perUser       int
	limiter       *Limiter
	counters      counters
	policy        password.Policy
	now           func() time.Time
	databaseNow   func() *time.Time
}

// New makes a [Service] and refuses a missing dependency.
func New(o Options) (*Service, error) {
	switch {
	case o.DB == nil:
		return nil, errors.New("auth: no database")
	case o.Hasher == nil:
		return nil, errors.New("auth: no hasher")
	case o.Tokens == nil:
		return nil, errors.New("auth: no tokens")
	case o.Policy == password.Policy{}:
		return nil, errors.New("auth: no password policy")
	case o.Now == nil:
		return nil, errors.New("auth: no clock")
	}
	if err := o.Sessions.check(); err != nil {
		return nil, err
	}
	refresh, err := newRefreshTokens(o.Secret, o.Previous)
	if err != nil {
		return nil, err
	}
	users := db.New(o.DB)
	if o.SessionsPerUser == 0 {
		o.SessionsPerUser = DefaultSessionsPerUser
	}
	databaseNow := func() *time.Time { return nil }
	if o.DatabaseNow != nil {
		databaseNow = func() *time.Time { now := o.DatabaseNow(); return &now }
	}
	return &Service{
		users: users, callers: batch.New(usersBySession(users, o.Now)), hasher: o.Hasher, limiter: o.Limiter,
		tokens: o.Tokens, refreshTokens: refresh, sessions: o.Sessions, perUser: o.SessionsPerUser, policy: o.Policy, now: o.Now, databaseNow: databaseNow,
	}, nil
}

// KeyLead is how long a new signing key is published before it signs.
func (s *Service) KeyLead() time.Duration { return s.tokens.keys.Lead() }

// Policy says which passwords a user may choose.
func (s *Service) Policy() password.Policy { return s.policy }

// User is an account without its password hash, so that no caller can let it out.
type User struct {
	ID            uuid.UUID
	Email         string // as typed
	Username      string // as typed
	EmailVerified bool
	IsActive      bool
	IsSuperuser   bool
	LastLoginAt   *time.Time // nil before the first log-in
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

func userOf(row db.User) User {
	u := User{
		ID:            row.ID,
		Email:         row.Email,
		Username:      row.Username,
		EmailVerified: row.EmailVerified,
		IsActive:      row.IsActive,
		IsSuperuser:   row.IsSuperuser,
		CreatedAt:     row.CreatedAt.UTC(),
		UpdatedAt:     row.UpdatedAt.UTC(),
	}
	if row.LastLoginAt != nil {
		at := row.LastLoginAt.UTC()
		u.LastLoginAt = &at
	}
	return u
}
