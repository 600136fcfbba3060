package auth

import (
	"context"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// RequestLoginCode has a code mailed to an address, if it has an account. It fails with an
// [*InvalidInputError], a [*LimitedError] or [ErrUnavailable].
func (s *Service) RequestLoginCode(ctx context.Context, c Caller, email string) (CodeRequest, error) {
	return s.mailCodeTo(ctx, c, challenge.LoginCode, email)
}

// methodEmailCode is how RFC 8176 calls a one-time password among the methods of authentication.
const methodEmailCode = "otp"

// ContinueLogin opens a session for a mailed code. A client has to present its request: the token of
// the link alone logs nobody in. It fails with [ErrInvalidCode], a [*LimitedError] or
// [ErrUnavailable].
func (s *Service) ContinueLogin(ctx context.Context, c Caller, a CodeAnswer) (Grant, error) {
	grant, err := s.continueLogin(ctx, c, a)
	s.counters.count(err)
	return grant, err
}

func (s *Service) continueLogin(ctx context.Context, c Caller, a CodeAnswer) (Grant, error) {
	// No try is counted where no key would sign the access token.
	if err := s.keys.Ready(); err != nil {
		return Grant{}, err
	}
	if a.Request.IsZero() {
		return Grant{}, ErrInvalidCode
	}
	mailed, err := s.tryCode(ctx, c, challenge.LoginCode, a, "")
	if err != nil {
		return Grant{}, err
	}
	attempt := ratelimit.Attempt{AddressKey: s.limiter.AddressKey(c.Address, mailed.EmailKey)}
	p := proof{userID: mailed.UserID, methods: []string{methodEmailCode}, mailed: &mailed}
	return s.conclude(ctx, c, attempt, s.judge(p))
}

// confirmMailed uses the code up, and records the login.
//
// Whoever proves the mailbox first may not be who made the account. So the password and the
// sessions from before end: otherwise somebody could register another's address, wait until its
// owner logs in by a code, and go on with the account.
func (s *Service) confirmMailed(
	ctx context.Context, tx store.Tx, c Caller, mailed challenge.Proved,
) (db.User, error) {
	user, err := s.redeem(ctx, tx, mailed)
	if err != nil {
		return db.User{}, err
	}
	first, err := s.claimMailbox(ctx, tx, c, user, uuid.Nil)
	if err != nil {
		return db.User{}, err
	}
	if first {
		if _, err := tx.UserEndSessions(ctx, db.UserEndSessionsParams{ID: user.ID, Now: s.now()}); err != nil {
			return db.User{}, account.Error(err)
		}
		err := tx.PasswordSet(ctx, db.PasswordSetParams{UserID: user.ID, Hash: s.hasher.Unusable(), Now: s.now()})
		if err != nil {
			return db.User{}, account.Error(err)
		}
	}
	now := s.now()
	user, err = tx.UserLogIn(ctx, db.UserLogInParams{ID: user.ID, Now: &now})
	return user, account.Error(err)
}
