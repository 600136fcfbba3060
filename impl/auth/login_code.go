package auth

import (
	"context"
	"slices"

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
	return s.mailCode(ctx, c, challenge.LoginCode, email)
}

// methodEmailCode is how RFC 8176 calls a one-time password among the methods of authentication.
const methodEmailCode = "otp"

// ContinueLogin opens a session for a mailed code, alone or after the password. A client has to
// present its request: the token of the link alone logs nobody in. scope is the list of the scopes
// that the session is asked for, also after a password. It fails with [ErrInvalidScope],
// [ErrInvalidCode], a [*LimitedError] or [ErrUnavailable].
func (s *Service) ContinueLogin(ctx context.Context, c Caller, a CodeAnswer, scope string) (Grant, error) {
	grant, err := s.continueLogin(ctx, c, a, scope)
	s.counters.count(err)
	return grant, err
}

func (s *Service) continueLogin(ctx context.Context, c Caller, a CodeAnswer, scope string) (Grant, error) {
	scopes, err := s.opts.Roles.parse(scope)
	if err != nil {
		return Grant{}, err
	}
	// No try is counted where no key would sign the access token.
	if err := s.opts.Keys.Ready(); err != nil {
		return Grant{}, err
	}
	if a.Request.IsZero() {
		return Grant{}, ErrInvalidCode
	}
	purpose, methods := challenge.LoginCode, []string{methodEmailCode}
	if _, ok := s.opts.Challenges.ReadRequest(challenge.ContinueLogin, a.Request); ok {
		// Only who has proved the password gets such a request.
		purpose, methods = challenge.ContinueLogin, []string{methodPassword, methodEmailCode}
	}
	mailed, err := s.tryCode(ctx, c, purpose, a, "")
	if err != nil {
		return Grant{}, err
	}
	attempt := ratelimit.Attempt{AddressKey: s.opts.Limiter.AddressKey(c.Address, mailed.EmailKey)}
	p := proof{userID: mailed.UserID, methods: methods, scopes: scopes, mailed: &mailed}
	return s.conclude(ctx, c, attempt, s.judge(p))
}

// confirmMailed uses the code up, and records the login.
//
// Whoever proves the mailbox first may not be who made the account. So the sessions from before
// end, and the password unless it was proved as well: otherwise somebody could register another's
// address, wait until its owner logs in by a code, and go on with the account.
func (s *Service) confirmMailed(ctx context.Context, tx store.Tx, c Caller, p proof) (db.User, error) {
	user, err := s.redeem(ctx, tx, *p.mailed)
	if err != nil {
		return db.User{}, err
	}
	first, err := s.claimMailbox(ctx, tx, c, user, uuid.Nil)
	if err != nil {
		return db.User{}, err
	}
	if first {
		if _, err := tx.UserEndSessions(ctx, db.UserEndSessionsParams{ID: user.ID, Now: s.opts.Now()}); err != nil {
			return db.User{}, account.Error(err)
		}
	}
	if first && !slices.Contains(p.methods, methodPassword) {
		// With the password ends what a login with it still waits for.
		if err := s.opts.Challenges.End(ctx, tx, user.ID); err != nil {
			return db.User{}, err
		}
		err := tx.PasswordSet(ctx, db.PasswordSetParams{UserID: user.ID, Hash: s.opts.Hasher.Unusable(), Now: s.opts.Now()})
		if err != nil {
			return db.User{}, account.Error(err)
		}
	}
	now := s.opts.Now()
	user, err = tx.UserLogIn(ctx, db.UserLogInParams{ID: user.ID, Now: &now})
	return user, account.Error(err)
}
