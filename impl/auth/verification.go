package auth

import (
	"context"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// RequestEmailVerification has a code mailed to the user's own address. It fails with
// [ErrEmailVerified], a [*LimitedError] or [ErrUnavailable].
func (s *Service) RequestEmailVerification(ctx context.Context, c Caller, user User) (CodeRequest, error) {
	if user.EmailVerified {
		return CodeRequest{}, ErrEmailVerified
	}
	return s.mailCode(ctx, c, challenge.VerifyEmail, user.Email)
}

// ConfirmEmailVerification records that the user has proved its mailbox. The first time it ends all
// of the user's sessions but the one that asks: somebody else may have opened them. It fails with
// [ErrInvalidCode], [ErrInvalidToken] if the session has ended, a [*LimitedError] or
// [ErrUnavailable].
func (s *Service) ConfirmEmailVerification(ctx context.Context, c Caller, p Principal, a CodeAnswer) error {
	return s.useOwn(ctx, c, p, challenge.VerifyEmail, a, func(tx store.Tx, user db.User, _ challenge.Proved) error {
		return s.claimMailboxIn(ctx, tx, c, p, user)
	})
}

// claimMailboxIn records that the user of a session has proved its mailbox. The first time it ends
// all other sessions.
func (s *Service) claimMailboxIn(ctx context.Context, tx store.Tx, c Caller, p Principal, user db.User) error {
	first, err := s.claimMailbox(ctx, tx, c, user, p.SessionID)
	if err != nil || !first {
		return err
	}
	return store.Error(tx.SessionEndOthers(ctx, db.SessionEndOthersParams{UserID: user.ID, Kept: p.SessionID}))
}
