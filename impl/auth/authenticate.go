package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/batch"
	"github.com/latchkey-auth/latchkey/impl/auth/session"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// Session answers what a valid access token says, for a [Caller]; nil for any other text. That its session lives is not asked.
func (s *Service) Session(ctx context.Context, token string) *Claims {
	claims, err := s.tokens.Check(ctx, token)
	if err != nil {
		return nil
	}
	return &claims
}

// Issuer is the `iss` of access tokens.
func (s *Service) Issuer() string { return s.tokens.issuer }

// PublicKeys are those that others may check access tokens with; see [Keyring.Published].
func (s *Service) PublicKeys() ([]JWK, error) { return s.tokens.keys.Published() }

// Principal is who an access token belongs to.
type Principal struct {
	User      User
	SessionID uuid.UUID
}

// sessionKey is what an access token names: a user, and a session of that user.
type sessionKey struct{ user, session uuid.UUID }

// usersBySession is the one query of authenticated requests.
func usersBySession(users *db.Queries, now func() time.Time) batch.Query[sessionKey, db.UserListBySessionRow] {
	return func(ctx context.Context, keys []sessionKey) (map[sessionKey]db.UserListBySessionRow, error) {
		params := db.UserListBySessionParams{Now: now(), UserIds: make([]uuid.UUID, len(keys)), SessionIds: make([]uuid.UUID, len(keys))}
		for i, key := range keys {
			params.UserIds[i], params.SessionIds[i] = key.user, key.session
		}
		rows, err := users.UserListBySession(ctx, params)
		if err != nil {
			return nil, store.Error(err)
		}
		found := make(map[sessionKey]db.UserListBySessionRow, len(rows))
		for _, row := range rows {
			found[sessionKey{row.ID, row.SessionID}] = row
		}
		return found, nil
	}
}

// Authenticate answers whose access token this is, and that its session lives, by one query.
// It fails with [ErrInvalidToken], [ErrNoUser], [ErrInactiveUser] or [ErrUnavailable].
func (s *Service) Authenticate(ctx context.Context, token string) (Principal, error) {
	claims, err := s.tokens.Check(ctx, token)
	if err != nil {
		return Principal{}, err
	}
	row, found, err := s.callers.Load(sessionKey{claims.UserID, claims.SessionID})
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
	return Principal{SessionID: claims.SessionID, User: User{
		ID:            row.ID,
		Email:         row.Email,
		Username:      row.Username,
		EmailVerified: row.EmailVerified,
		IsActive:      row.IsActive,
		IsSuperuser:   row.IsSuperuser,
		CreatedAt:     row.CreatedAt.UTC(),
		UpdatedAt:     row.UpdatedAt.UTC(),
	}}, nil
}
