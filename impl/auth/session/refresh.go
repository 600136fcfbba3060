package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// Budget bounds how often a session is refreshed; the rate limits choose it. The zero Budget is
// never used up.
type Budget struct{ Step, Window time.Duration }

// LimitedError reports that a session's budget is used up.
type LimitedError struct{ RetryAfter time.Duration }

func (e *LimitedError) Error() string { return "the session is refreshed too often" }

// Refreshed is what a refresh token was exchanged for.
type Refreshed struct {
	UserID          uuid.UUID
	Email, Username string
	AppMetadata     []byte
	// IsSuperuser and Roles are what the user may do; Roles only of a session with scopes.
	IsSuperuser bool
	Roles       []string
	Tokens
}

// Presenter is who presents a refresh token.
type Presenter struct {
	// Owner is the user of an access token that was sent with the refresh, or zero.
	Owner              uuid.UUID
	Address, UserAgent string
	// Scopes are those that the access token is narrowed to, or none for all of the session.
	Scopes []string
}

// Refresh exchanges a refresh token, by one statement. All requests that present one token at the
// same moment, or again within the window, get the same successor.
//
// It fails with [ErrInvalidRefresh], also where the owner is another user, [ErrRefreshReused],
// [ErrBeyondScope], a [*LimitedError] or [store.ErrUnavailable]. For a token of a session that is
// known, a failure has the user's id.
func (s *Sessions) Refresh(ctx context.Context, token secret.Text, by Presenter, budget Budget) (Refreshed, error) {
	session, generation, err := s.tokens.read(token)
	if err != nil {
		return Refreshed{}, fmt.Errorf("%w: %w", ErrInvalidRefresh, err)
	}
	eventID, err := uuid.NewV7()
	if err != nil {
		return Refreshed{}, err
	}
	row, err := s.refreshes.do(
		ctx,
		refreshKey{session: session, generation: generation, owner: by.Owner, scopes: strings.Join(by.Scopes, " ")},
		func(ctx context.Context) (db.SessionRefreshRow, error) {
			return s.queries.SessionRefresh(ctx, db.SessionRefreshParams{
				ID:           session,
				Generation:   generation,
				Owner:        by.Owner,
				Scopes:       by.Scopes,
				EventID:      eventID,
				Address:      by.Address,
				UserAgent:    ShortUserAgent(by.UserAgent),
				DatabaseNow:  s.opts.DatabaseTime(),
				ReuseWindow:  s.opts.Times.ReuseWindow,
				Idle:         s.opts.Times.Idle,
				BudgetStep:   budget.Step,
				BudgetWindow: budget.Window,
			})
		},
	)
	switch err := store.Error(err); {
	case errors.Is(err, store.ErrNotFound):
		return Refreshed{}, fmt.Errorf("%w: no such session", ErrInvalidRefresh)
	case err != nil:
		return Refreshed{}, err
	case by.Owner != uuid.Nil && row.UserID != by.Owner:
		return Refreshed{}, fmt.Errorf("%w: %w", ErrInvalidRefresh, ErrOtherOwner)
	}
	if err := refusal(row, budget); err != nil {
		return Refreshed{UserID: row.UserID}, err
	}
	return Refreshed{
		UserID:      row.UserID,
		Email:       row.Email,
		Username:    row.Username,
		AppMetadata: row.AppMetadata,
		IsSuperuser: row.IsSuperuser,
		Roles:       row.Roles,
		Tokens: Tokens{
			SessionID: session,
			AuthTime:  row.AuthenticatedAt,
			Methods:   row.Methods,
			Scopes:    row.Scopes,
			Refresh:   s.tokens.issue(session, row.Generation),
			ExpiresIn: row.ExpiresAt.Sub(row.Now),
		},
	}, nil
}

// refusal returns why a session's token was not exchanged, or nil if it was.
func refusal(row db.SessionRefreshRow, budget Budget) error {
	switch {
	case row.IsReused:
		return ErrRefreshReused
	case row.IsLimited:
		return &LimitedError{
			RetryAfter: max(row.BudgetAt.Add(budget.Step-budget.Window).Sub(row.Now), time.Second),
		}
	case !row.IsAlive:
		return fmt.Errorf("%w: %w", ErrInvalidRefresh, ErrEnded)
	case row.IsBeyondScope:
		return ErrBeyondScope
	case row.Generation == 0:
		return fmt.Errorf("%w: the session has no such token", ErrInvalidRefresh)
	}
	return nil
}
