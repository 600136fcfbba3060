package auth

import (
	"context"
	"errors"

	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// demandCode has a code mailed to a user whose password was right, and fails with an
// [*UnverifiedError]. [Service.ContinueLogin] continues from there. The code is charged as a mailed
// code, so that somebody who knows the password can't fill the mailbox. A login that this limit
// refuses counts as failed, which bounds its hashes too. demandCode fails with errChanged if the
// user was changed or has proved its mailbox meanwhile.
func (s *Service) demandCode(ctx context.Context, c Caller, p proof) (Grant, error) {
	attempt, err := s.opts.Limiter.Code(ctx, string(challenge.ContinueLogin), c.who(p.emailKey))
	if err != nil {
		return Grant{}, err
	}
	var opened challenge.Opened
	err = store.InTx(ctx, s.opts.DB, func(tx store.Tx) error {
		user, err := tx.UserGetForUpdate(ctx, p.userID)
		if err != nil {
			return store.ErrorOr(err, errChanged)
		}
		if !user.IsActive || user.EmailVerified || user.EmailKey != p.emailKey {
			return errChanged
		}
		if err := s.confirm(ctx, tx, p); err != nil {
			return err
		}
		opened, err = s.mailCodeIn(ctx, tx, c, challenge.ContinueLogin, user.Email, user.EmailKey, "")
		return err
	})
	if errors.Is(err, errChanged) {
		s.opts.Limiter.Settle(ctx, attempt, ratelimit.NotTried)
	} else {
		s.opts.Limiter.Settle(ctx, attempt, outcome(ctx, err, ratelimit.Registered))
	}
	if err != nil {
		return Grant{}, err
	}
	return Grant{}, &UnverifiedError{Code: opened.Request, UserID: p.userID}
}
