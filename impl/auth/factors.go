package auth

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// Factor is what a user who is logged in can prove with who it is.
type Factor string

// The factors.
const (
	FactorPassword  Factor = "password"
	FactorEmailCode Factor = "email_code"
)

// Factors returns what [Service.Reauthenticate] and [Service.ReauthenticateByCode] take of a user.
// It fails with [ErrUnavailable].
func (s *Service) Factors(ctx context.Context, user uuid.UUID) ([]Factor, error) {
	hash, err := s.queries.PasswordGet(ctx, user)
	if err = store.Error(err); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if err == nil && password.IsUsable(hash) {
		return []Factor{FactorPassword, FactorEmailCode}, nil
	}
	return []Factor{FactorEmailCode}, nil
}
