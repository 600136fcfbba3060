package auth

import (
	"context"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// UserSessions lists the sessions of a user that live, the newest first, for an operator. It fails
// with [ErrNoAccount] or [ErrUnavailable].
func (s *Service) UserSessions(ctx context.Context, user uuid.UUID) ([]Session, error) {
	if _, err := s.queries.UserGetByID(ctx, user); err != nil {
		return nil, store.ErrorOr(err, ErrNoAccount)
	}
	return s.opts.Sessions.List(ctx, user)
}

// EndUserSessions ends all sessions of a user for an operator. The user can log in again. It fails
// with [ErrNoAccount] or [ErrUnavailable].
func (s *Service) EndUserSessions(ctx context.Context, op Operator, user uuid.UUID) error {
	return store.InTx(ctx, s.opts.DB, func(tx store.Tx) error {
		if _, err := tx.UserEndSessions(ctx, db.UserEndSessionsParams{ID: user, Now: s.opts.Now()}); err != nil {
			return store.ErrorOr(err, ErrNoAccount)
		}
		return s.recordOperator(ctx, tx, op, event.SessionsEnded, user)
	})
}
