package auth

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
	"github.com/latchkey-auth/latchkey/impl/auth/session"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// Registration is what a new user chooses.
type Registration struct {
	Email    string
	Username string
	Password secret.Text
}

// Register makes a user and opens its first session. It fails with an [*InvalidInputError],
// [ErrEmailTaken], [ErrUsernameTaken], a [*LimitedError], [ErrOverloaded] or [ErrUnavailable].
func (s *Service) Register(ctx context.Context, c Caller, r Registration) (Grant, error) {
	grant, err := s.register(ctx, c, r)
	s.counters.countLimited(err)
	return grant, err
}

func (s *Service) register(ctx context.Context, c Caller, r Registration) (Grant, error) {
	if err := s.keys.Ready(); err != nil {
		return Grant{}, err
	}
	keys, err := s.checkRegistration(r)
	if err != nil {
		return Grant{}, err
	}
	if !s.hasher.Queue().HasRoom(hashqueue.Registration, c.network()) {
		return Grant{}, ErrOverloaded // before it is charged
	}
	attempt, err := s.limiter.Registration(ctx, c.who(keys.email))
	if err != nil {
		return Grant{}, err
	}
	grant, err := s.openAccount(ctx, c, r, keys, attempt)
	s.limiter.Settle(ctx, attempt, outcome(ctx, err, ratelimit.Registered))
	return grant, err
}

// openAccount hashes the password, and makes user, password and session in one transaction.
func (s *Service) openAccount(
	ctx context.Context,
	c Caller,
	r Registration,
	keys accountKeys,
	attempt ratelimit.Attempt,
) (grant Grant, err error) {
	hash, err := s.hasher.Hash(ctx, c.network(), r.Password)
	if err != nil {
		return Grant{}, busy(err)
	}
	var (
		user   db.User
		tokens session.Tokens
	)
	err = store.InTx(ctx, s.db, func(tx store.Tx) error {
		now := s.now()
		if user, err = s.createUser(ctx, tx, r, keys, hash, false, &now); err != nil {
			return err
		}
		tokens, err = s.openSession(ctx, tx, c, user, attempt, []string{methodPassword}, event.UserRegistered)
		return err
	})
	if err != nil {
		return Grant{}, account.Error(err)
	}
	return s.grant(account.Of(user), tokens)
}

// createUser makes a user with its password. loggedInAt is nil for a user that an operator makes.
func (s *Service) createUser(
	ctx context.Context,
	tx store.Tx,
	r Registration,
	keys accountKeys,
	hash string,
	superuser bool,
	loggedInAt *time.Time,
) (db.User, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return db.User{}, err
	}
	now := s.now()
	user, err := tx.UserCreate(ctx, db.UserCreateParams{
		ID: id, Email: r.Email, EmailKey: keys.email, Username: r.Username, UsernameKey: keys.username,
		IsSuperuser: superuser, LastLoginAt: loggedInAt, Now: now,
	})
	if err != nil {
		return db.User{}, account.Error(err)
	}
	return user, account.Error(tx.PasswordSet(ctx, db.PasswordSetParams{UserID: id, Hash: hash, Now: now}))
}

// accountKeys are the forms by which an account's email and username are compared.
type accountKeys struct{ email, username string }

// checkRegistration returns the keys of email and username, or everything that is wrong at once, an
// [*InvalidInputError].
func (s *Service) checkRegistration(r Registration) (keys accountKeys, err error) {
	var invalid InvalidInputError
	if keys.email, err = account.CanonicalEmail(r.Email); err != nil {
		invalid.add("email", err)
	}
	if keys.username, err = account.CanonicalUsername(r.Username); err != nil {
		invalid.add("username", err)
	}
	if err := s.policy.Check(r.Password, r.Email, r.Username); err != nil {
		invalid.add("password", err)
	}
	if len(invalid.Fields) > 0 {
		return accountKeys{}, &invalid
	}
	return keys, nil
}

func (e *InvalidInputError) add(field string, err error) {
	entry := FieldError{Field: field, Code: "invalid_format", Detail: err.Error()}
	var broken *password.PolicyError
	if errors.As(err, &broken) {
		entry.Code, entry.Detail = broken.Code, broken.Detail
	}
	e.Fields = append(e.Fields, entry)
}
