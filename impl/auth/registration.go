package auth

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
	"github.com/latchkey-auth/latchkey/impl/auth/session"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// registerLater keeps a registration until the code comes that is mailed to its address. It charges
// the registration as a mailed code.
//
// Nothing in it depends on whether the address has an account: the same statements write the same
// rows, and the password is always hashed. [Service.registrationMail] looks later.
func (s *Service) registerLater(ctx context.Context, c Caller, r Registration, keys accountKeys) (Registered, error) {
	attempt, err := s.opts.Limiter.Code(ctx, string(challenge.CompleteRegistration), c.who(keys.email))
	if err != nil {
		return Registered{}, err
	}
	opened, err := s.keepRegistration(ctx, c, r, keys)
	s.opts.Limiter.Settle(ctx, attempt, outcome(ctx, err, ratelimit.Registered))
	return Registered{Waits: true, Code: opened.Request}, err
}

// keepRegistration refuses a taken username, whatever the email is. It hashes the password, and
// writes challenge and registration in one transaction.
func (s *Service) keepRegistration(
	ctx context.Context, c Caller, r Registration, keys accountKeys,
) (opened challenge.Opened, err error) {
	if err := s.checkUsernameFree(ctx, keys.username); err != nil {
		return opened, err
	}
	hash, err := s.opts.Hasher.Hash(ctx, c.network(), r.Password)
	if err != nil {
		return opened, busy(err)
	}
	err = store.InTx(ctx, s.opts.DB, func(tx store.Tx) error {
		opened, err = s.mailCodeIn(ctx, tx, c, challenge.CompleteRegistration, r.Email, keys.email, r.Locale)
		if err != nil {
			return err
		}
		return store.Error(tx.RegistrationPut(ctx, db.RegistrationPutParams{
			ChallengeID: opened.ID, Username: r.Username, UsernameKey: keys.username, Hash: hash, Locale: orNull(r.Locale),
		}))
	})
	return opened, err
}

func (s *Service) checkUsernameFree(ctx context.Context, key string) error {
	_, err := s.queries.UserGetByUsernameKey(ctx, key)
	if err = account.Error(err); err == nil {
		return ErrUsernameTaken
	}
	if errors.Is(err, ErrNoUser) {
		return nil
	}
	return err
}

// CompleteRegistration makes the user of a registration that waits, and opens its first session.
// The code counts only with the request: the token of the link alone makes nobody.
//
// It fails with [ErrInvalidCode] where registration isn't verified. It also fails with a
// [*LimitedError], [ErrUnavailable], or [ErrEmailTaken] or [ErrUsernameTaken] if another user has
// got the name meanwhile.
func (s *Service) CompleteRegistration(ctx context.Context, c Caller, a CodeAnswer) (Grant, error) {
	if a.Request.IsZero() {
		return Grant{}, ErrInvalidCode
	}
	// No try is counted where no key would sign the access token.
	if err := s.opts.Keys.Ready(); err != nil {
		return Grant{}, err
	}
	proved, err := s.tryCode(ctx, c, challenge.CompleteRegistration, a, "")
	if err != nil {
		return Grant{}, err
	}
	if s.opts.Registration != RegistrationVerified {
		return Grant{}, ErrInvalidCode // of a registration from before the setting was changed
	}
	var (
		user   db.User
		tokens session.Tokens
	)
	err = store.InTx(ctx, s.opts.DB, func(tx store.Tx) (err error) {
		user, tokens, err = s.openRegistered(ctx, tx, c, proved)
		return err
	})
	if err != nil {
		return Grant{}, account.Error(err)
	}
	return s.grant(account.Of(user), tokens, nil)
}

// openRegistered takes a registration, and makes user, password and session of it.
func (s *Service) openRegistered(
	ctx context.Context, tx store.Tx, c Caller, proved challenge.Proved,
) (user db.User, tokens session.Tokens, err error) {
	now := s.opts.Now()
	row, err := tx.RegistrationTake(ctx, db.RegistrationTakeParams{ID: proved.ID, Now: now})
	if err != nil {
		return user, tokens, store.ErrorOr(err, ErrInvalidCode) // taken or replaced meanwhile
	}
	user, err = s.createUser(ctx, tx, newUser{
		Registration: Registration{Email: row.Email, Username: row.Username, Locale: store.OrZero(row.Locale)},
		keys:         accountKeys{row.EmailKey, row.UsernameKey}, hash: row.Hash, isVerified: true, loggedInAt: &now,
	})
	if err != nil {
		return user, tokens, err
	}
	attempt := ratelimit.Attempt{AddressKey: s.opts.Limiter.AddressKey(c.Address, row.EmailKey)}
	// The client that has the request has chosen the password.
	b := beginning{methods: []string{methodPassword, methodEmailCode}, why: event.UserRegistered}
	if tokens, err = s.openSession(ctx, tx, c, user, attempt, b); err != nil {
		return user, tokens, err
	}
	return user, tokens, s.record(ctx, tx, c, event.Event{
		Type: event.EmailVerified, UserID: user.ID, Actor: event.User, SessionID: tokens.SessionID,
	})
}

// registrationMail returns what the mail of a registration says: its code, or that its address has
// an account. Whoever sent the registration can't measure which.
func (s *Service) registrationMail(ctx context.Context, l Letter) (any, bool, error) {
	row, err := s.queries.RegistrationGetMail(ctx, db.RegistrationGetMailParams{ID: l.ID, Now: s.opts.Now()})
	if err = store.Error(err); errors.Is(err, store.ErrNotFound) {
		return nil, false, nil
	} else if err != nil {
		return nil, false, err
	}
	isFree, err := s.isFree(ctx, row.Email, uuid.Nil)
	if err != nil {
		return nil, false, err
	}
	if !isFree {
		return Notice{Email: l.To, At: l.At}, true, nil
	}
	mail := s.opts.Challenges.MailOf(challenge.CompleteRegistration, l.ID, row.Email, "", row.CreatedAt, row.ExpiresAt)
	return mail, true, nil
}
