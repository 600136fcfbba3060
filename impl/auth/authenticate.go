package auth

import (
	"context"
	"fmt"

	"github.com/google/uuid"
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

// Authenticate answers whose access token this is, and that its session lives, by one query.
// It fails with [ErrInvalidToken], [ErrNoUser], [ErrInactiveUser] or [ErrUnavailable].
func (s *Service) Authenticate(ctx context.Context, token string) (Principal, error) {
	claims, err := s.tokens.Check(ctx, token)
	if err != nil {
		return Principal{}, err
	}
	row, err := s.lookups.get(claims.UserID, claims.SessionID)
	if err != nil {
		return Principal{}, err
	}
	if !row.IsActive {
		return Principal{}, ErrInactiveUser
	}
	if !row.IsAlive {
		return Principal{}, fmt.Errorf("%w: %w", ErrInvalidToken, errSessionEnded)
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
