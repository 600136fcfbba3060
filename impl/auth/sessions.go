package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
	"github.com/latchkey-auth/latchkey/impl/auth/session"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// Refresh exchanges a refresh token for new tokens. scope, unless it is empty, narrows the scopes
// of the access token (RFC 6749 section 6). It fails with [ErrInvalidScope], [ErrInvalidRefresh],
// [ErrRefreshReused], a [*LimitedError] or [ErrUnavailable]. A valid access token of another user
// makes a refresh token invalid. The grant of a failure has the id of the refresh token's user, if
// it is known.
func (s *Service) Refresh(ctx context.Context, c Caller, token secret.Text, scope string) (Grant, error) {
	grant, err := s.refresh(ctx, c, token, scope)
	s.counters.countRefresh(err)
	return grant, err
}

func (s *Service) refresh(ctx context.Context, c Caller, token secret.Text, scope string) (Grant, error) {
	scopes, err := s.opts.Roles.parse(scope)
	if err != nil {
		return Grant{}, err
	}
	// Nothing is rotated where no key would sign the access token.
	if err := s.opts.Keys.Ready(); err != nil {
		return Grant{}, err
	}
	owner := uuid.Nil
	if c.Session != nil {
		owner = c.Session.UserID
	}
	budget := s.opts.Limiter.Refresh()
	refreshed, err := s.opts.Sessions.Refresh(ctx, token, session.Presenter{
		Owner: owner, Address: c.address(), UserAgent: c.UserAgent, Scopes: scopes,
	}, session.Budget{Step: budget.Step, Window: budget.Window()})
	var limited *session.LimitedError
	if errors.As(err, &limited) {
		err = &ratelimit.LimitedError{Budget: budget, RetryAfter: limited.RetryAfter}
	}
	if errors.Is(err, session.ErrBeyondScope) {
		err = fmt.Errorf("%w: %w", ErrInvalidScope, err)
	}
	if err != nil {
		return Grant{User: User{ID: refreshed.UserID}}, err
	}
	user := User{
		ID: refreshed.UserID, Email: refreshed.Email, Username: refreshed.Username, AppMetadata: refreshed.AppMetadata,
	}
	if len(scopes) == 0 {
		scopes = refreshed.Scopes
	}
	return s.grant(user, refreshed.Tokens, s.opts.Roles.of(refreshed.IsSuperuser, refreshed.Roles, scopes))
}

// Sessions lists a user's sessions that live, the newest first.
func (s *Service) Sessions(ctx context.Context, user uuid.UUID) ([]Session, error) {
	return s.opts.Sessions.List(ctx, user)
}

// EndSession ends a session for another one of the same user, or for itself. It fails with
// [ErrNoSession], also for a session of another user, [ErrNoUser], [ErrInactiveUser],
// [ErrInvalidToken] if the session that asks has ended, or [ErrUnavailable].
func (s *Service) EndSession(ctx context.Context, c Caller, p Principal, session uuid.UUID) error {
	return store.InTx(ctx, s.opts.DB, func(tx store.Tx) error {
		if session != p.SessionID {
			if _, err := s.lockOwn(ctx, tx, p); err != nil {
				return err
			}
		}
		if err := s.opts.Sessions.End(ctx, tx, p.User.ID, session); err != nil {
			return err
		}
		return s.record(ctx, tx, c, event.Event{
			Type: event.SessionEnded, UserID: p.User.ID, Actor: event.User, SessionID: session,
		})
	})
}

// lockOwn locks the row of the user whose session asks for a change, and keeps the session until
// the transaction ends. The session may have ended since its token was checked. It fails with
// [ErrNoUser], [ErrInactiveUser], [ErrInvalidToken] or [ErrUnavailable].
func (s *Service) lockOwn(ctx context.Context, tx store.Tx, p Principal) (db.User, error) {
	user, err := tx.UserGetForUpdate(ctx, p.User.ID)
	if err != nil {
		return db.User{}, account.Error(err)
	}
	if !user.IsActive {
		return db.User{}, ErrInactiveUser
	}
	return user, s.holdSession(ctx, tx, p)
}

// holdSession is the half of [Service.lockOwn] that follows the lock of the user's row.
func (s *Service) holdSession(ctx context.Context, tx store.Tx, p Principal) error {
	err := s.opts.Sessions.Hold(ctx, tx, p.User.ID, p.SessionID)
	if errors.Is(err, session.ErrEnded) {
		return fmt.Errorf("%w: %w", ErrInvalidToken, err)
	}
	return err
}

// EndSessions ends all sessions of a user. If the account knows the address that asks, it stays
// known, so that strangers' failures don't keep the owner out: a stolen token makes none known. It
// fails with [ErrNoUser], [ErrInactiveUser], [ErrInvalidToken] if the session that asks has ended,
// or [ErrUnavailable].
func (s *Service) EndSessions(ctx context.Context, c Caller, p Principal) error {
	emailKey, err := account.CanonicalEmail(p.User.Email)
	if err != nil {
		return err
	}
	return store.InTx(ctx, s.opts.DB, func(tx store.Tx) error {
		before, err := s.lockOwn(ctx, tx, p)
		if err != nil {
			return err
		}
		ended, err := tx.UserEndSessions(ctx, db.UserEndSessionsParams{ID: p.User.ID, Now: s.opts.Now()})
		if err != nil {
			return account.Error(err)
		}
		err = tx.AddressKeep(ctx, db.AddressKeepParams{
			Key: s.opts.Limiter.AddressKey(c.Address, emailKey), UserID: p.User.ID,
			SeenAt: account.ValidFrom(ended), NotBefore: before.TokensNotBefore,
		})
		if err != nil {
			return store.Error(err)
		}
		return s.record(ctx, tx, c, event.Event{Type: event.SessionsEnded, UserID: p.User.ID, Actor: event.User})
	})
}

// Revoke ends the session that a token of either kind belongs to (RFC 7009 section 2.1). What isn't
// a token of ours, or has expired, needs no revoking. It returns the id of the user whose session
// has ended, or zero. It fails with [ErrUnavailable].
func (s *Service) Revoke(ctx context.Context, c Caller, token secret.Text) (user uuid.UUID, err error) {
	id, ok := s.opts.Sessions.OfRefreshToken(token)
	if !ok {
		claims, err := s.opts.Tokens.Check(ctx, token.Reveal())
		switch {
		case errors.Is(err, ErrInvalidToken):
			return uuid.Nil, nil // RFC 7009 section 2.2: an invalid token is no error
		case err != nil:
			return uuid.Nil, err
		}
		id = claims.SessionID
	}
	err = store.InTx(ctx, s.opts.DB, func(tx store.Tx) (err error) {
		if user, err = s.opts.Sessions.Revoke(ctx, tx, id); err != nil {
			return err
		}
		return s.record(ctx, tx, c, event.Event{
			Type: event.SessionEnded, UserID: user, Actor: event.Unknown, SessionID: id,
		})
	})
	if errors.Is(err, ErrNoSession) {
		return uuid.Nil, nil
	}
	return user, err
}

// SweepSessions deletes sessions that have ended, in batches, and returns how many.
func (s *Service) SweepSessions(ctx context.Context) (int64, error) {
	return s.opts.Sessions.Sweep(ctx)
}
