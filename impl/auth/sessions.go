package auth

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
	"github.com/latchkey-auth/latchkey/impl/auth/session"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// Refresh exchanges a refresh token for new tokens. It fails with [ErrInvalidRefresh], also beside
// a valid access token of another user, [ErrRefreshReused], a [*LimitedError] or [ErrUnavailable].
func (s *Service) Refresh(ctx context.Context, c Caller, token secret.Text) (Grant, error) {
	grant, err := s.refresh(ctx, c, token)
	s.counters.countRefresh(err)
	return grant, err
}

func (s *Service) refresh(ctx context.Context, c Caller, token secret.Text) (Grant, error) {
	// Nothing is rotated where no key would sign the access token.
	if err := s.keys.Ready(); err != nil {
		return Grant{}, err
	}
	owner := uuid.Nil
	if c.Session != nil {
		owner = c.Session.UserID
	}
	budget := s.limiter.Refresh()
	refreshed, err := s.sessions.Refresh(ctx, token, owner, session.Budget{Step: budget.Step, Window: budget.Window()})
	var limited *session.LimitedError
	if errors.As(err, &limited) {
		return Grant{}, &ratelimit.LimitedError{Budget: budget, RetryAfter: limited.RetryAfter}
	}
	if err != nil {
		return Grant{}, err
	}
	return s.grant(User{ID: refreshed.UserID, Email: refreshed.Email, Username: refreshed.Username}, refreshed.Tokens)
}

// Sessions lists a user's sessions that live, the newest first.
func (s *Service) Sessions(ctx context.Context, user uuid.UUID) ([]Session, error) {
	return s.sessions.List(ctx, user)
}

// EndSession ends a session of a user. It fails with [ErrNoSession], also for one of another user,
// or [ErrUnavailable].
func (s *Service) EndSession(ctx context.Context, user, session uuid.UUID) error {
	return s.sessions.End(ctx, user, session)
}

// EndSessions ends all sessions of a user. If the account knows the address that asks, it stays
// known, so that strangers' failures don't keep the owner out: a stolen token makes none known. It
// fails with [ErrUnavailable].
func (s *Service) EndSessions(ctx context.Context, c Caller, user User) error {
	emailKey, err := account.CanonicalEmail(user.Email)
	if err != nil {
		return err
	}
	return store.InTx(ctx, s.db, func(tx *db.Queries) error {
		before, err := tx.UserGetForUpdate(ctx, user.ID)
		if err != nil {
			return account.Error(err)
		}
		ended, err := tx.UserEndSessions(ctx, db.UserEndSessionsParams{ID: user.ID, Now: s.now()})
		if err != nil {
			return account.Error(err)
		}
		return store.Error(tx.AddressKeep(ctx, db.AddressKeepParams{
			Key:       s.limiter.AddressKey(c.Address, emailKey),
			UserID:    user.ID,
			SeenAt:    account.ValidFrom(ended),
			NotBefore: before.TokensNotBefore,
		}))
	})
}

// Revoke ends the session that a token of either kind belongs to (RFC 7009 section 2.1). What isn't
// a token of ours, or has expired, needs no revoking. It fails with [ErrUnavailable].
func (s *Service) Revoke(ctx context.Context, token secret.Text) error {
	id, ok := s.sessions.OfRefreshToken(token)
	if !ok {
		claims, err := s.tokens.Check(ctx, token.Reveal())
		switch {
		case errors.Is(err, ErrInvalidToken):
			return nil // RFC 7009 section 2.2: an invalid token is no error
		case err != nil:
			return err
		}
		id = claims.SessionID
	}
	return s.sessions.Revoke(ctx, id)
}

// SweepSessions deletes sessions that have ended, in batches, and returns how many.
func (s *Service) SweepSessions(ctx context.Context) (int64, error) { return s.sessions.Sweep(ctx) }
