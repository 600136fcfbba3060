package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/batch"
	"github.com/latchkey-auth/latchkey/impl/auth/keyring"
	"github.com/latchkey-auth/latchkey/impl/auth/session"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/auth/token"
)

// Session returns what a valid access token says, for a [Caller], and nil for any other text. It
// doesn't ask whether the session has ended.
func (s *Service) Session(ctx context.Context, text string) *token.Claims {
	claims, err := s.opts.Tokens.Check(ctx, text)
	if err != nil {
		return nil
	}
	return &claims
}

// Issuer is the `iss` of access tokens.
func (s *Service) Issuer() string { return s.opts.Tokens.Name() }

// PublicKeys returns the keys that others check access tokens with; see [keyring.Ring.Published].
func (s *Service) PublicKeys() ([]keyring.JWK, error) { return s.opts.Keys.Published() }

// Principal is who an access token belongs to.
type Principal struct {
	User      User
	SessionID uuid.UUID
	// AuthTime is when the session last proved who its user is.
	AuthTime time.Time
}

// sessionKey is what an access token names: a user, and a session of that user. withRoles asks for
// the roles of the user too.
type sessionKey struct {
	user, session uuid.UUID
	withRoles     bool
}

// usersBySession is the one query of authenticated requests.
func usersBySession(users *db.Queries, now func() time.Time) batch.Query[sessionKey, db.UserListBySessionRow] {
	return func(ctx context.Context, keys []sessionKey) (map[sessionKey]db.UserListBySessionRow, error) {
		params := db.UserListBySessionParams{
			Now:        now(),
			UserIds:    make([]uuid.UUID, len(keys)),
			SessionIds: make([]uuid.UUID, len(keys)),
			WithRoles:  make([]bool, len(keys)),
		}
		for i, key := range keys {
			params.UserIds[i], params.SessionIds[i], params.WithRoles[i] = key.user, key.session, key.withRoles
		}
		rows, err := users.UserListBySession(ctx, params)
		if err != nil {
			return nil, store.Error(err)
		}
		found := make(map[sessionKey]db.UserListBySessionRow, len(rows))
		for _, row := range rows {
			found[sessionKey{row.ID, row.SessionID, row.WithRoles}] = row
		}
		return found, nil
	}
}

// Authenticate returns the user of an access token. One query finds the user and demands that the
// session has not ended. Where scopes are needed, the token has to have them, and a role of the
// user has to hold them now: the same query finds the roles. It fails with [ErrInvalidToken],
// [ErrNoUser], [ErrInactiveUser], a [*ScopeError] or [ErrUnavailable].
func (s *Service) Authenticate(ctx context.Context, text string, scopes []string) (Principal, error) {
	claims, err := s.opts.Tokens.Check(ctx, text)
	if err != nil {
		return Principal{}, err
	}
	isAsked := hasAll(claims.Scopes, scopes)
	key := sessionKey{claims.UserID, claims.SessionID, isAsked && len(scopes) > 0}
	row, found, err := s.callers.Load(key)
	switch {
	case err != nil:
		return Principal{}, err
	case !found:
		return Principal{}, ErrNoUser
	case !row.IsActive:
		return Principal{}, ErrInactiveUser
	}
	if !row.IsAlive {
		return Principal{}, fmt.Errorf("%w: %w", ErrInvalidToken, session.ErrEnded)
	}
	if !isAsked || !hasAll(s.opts.Roles.of(row.IsSuperuser, row.Roles, scopes), scopes) {
		return Principal{}, &ScopeError{scopes}
	}
	return Principal{SessionID: claims.SessionID, AuthTime: row.AuthenticatedAt, User: User{
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
	}}, nil
}
