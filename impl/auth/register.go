package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// RegistrationMode is who may register.
type RegistrationMode string

// The modes.
const (
	// RegistrationOpen makes the account at once, and reveals whether an email is taken.
	RegistrationOpen RegistrationMode = "open"
	// RegistrationVerified makes the account once the code has come that was mailed to its address.
	RegistrationVerified RegistrationMode = "verified"
	// RegistrationClosed leaves it to the operators to make accounts.
	RegistrationClosed RegistrationMode = "closed"
)

func (m RegistrationMode) check(requireVerified bool) error {
	if !slices.Contains([]RegistrationMode{RegistrationOpen, RegistrationVerified, RegistrationClosed}, m) {
		return fmt.Errorf("auth: there is no mode of registration %q", m)
	}
	if requireVerified && m == RegistrationOpen {
		return errors.New("auth: open registration opens sessions of users whose email is not verified")
	}
	return nil
}

// Registration is what a new user chooses.
type Registration struct {
	Email    string
	Username string
	Password secret.Text
	// Locale is a language tag (BCP 47), empty if there is none.
	Locale string
}

// Registered is what became of a registration.
type Registered struct {
	// Waits reports that the registration waits for the code that was mailed. Code is then what the
	// code counts with. Otherwise the user exists, and Grant is its first session.
	Waits bool
	Code  CodeRequest
	Grant Grant
}

// Register makes a user and opens its first session, or has a code mailed that does so. It fails
// with an [*InvalidInputError], [ErrRegistrationClosed], [ErrEmailTaken], [ErrUsernameTaken], a
// [*LimitedError], [ErrOverloaded] or [ErrUnavailable].
func (s *Service) Register(ctx context.Context, c Caller, r Registration) (Registered, error) {
	registered, err := s.register(ctx, c, r)
	s.counters.countLimited(err)
	return registered, err
}

func (s *Service) register(ctx context.Context, c Caller, r Registration) (Registered, error) {
	if s.opts.Registration == RegistrationClosed {
		return Registered{}, ErrRegistrationClosed
	}
	if err := s.opts.Keys.Ready(); err != nil {
		return Registered{}, err
	}
	keys, err := s.checkRegistration(r)
	if err != nil {
		return Registered{}, err
	}
	if !s.opts.Hasher.Queue().HasRoom(hashqueue.Registration, c.network()) {
		return Registered{}, ErrOverloaded // before it is charged
	}
	if s.opts.Registration == RegistrationVerified {
		return s.registerLater(ctx, c, r, keys)
	}
	attempt, err := s.opts.Limiter.Registration(ctx, c.who(keys.email))
	if err != nil {
		return Registered{}, err
	}
	grant, err := s.openAccount(ctx, c, r, keys, attempt)
	s.opts.Limiter.Settle(ctx, attempt, outcome(ctx, err, ratelimit.Registered))
	return Registered{Grant: grant}, err
}

// openAccount hashes the password, and makes user, password and session in one transaction.
func (s *Service) openAccount(
	ctx context.Context,
	c Caller,
	r Registration,
	keys accountKeys,
	attempt ratelimit.Attempt,
) (grant Grant, err error) {
	hash, err := s.opts.Hasher.Hash(ctx, c.network(), r.Password)
	if err != nil {
		return Grant{}, busy(err)
	}
	var (
		user   db.User
		tokens session.Tokens
	)
	err = store.InTx(ctx, s.opts.DB, func(tx store.Tx) error {
		now := s.opts.Now()
		if user, err = s.createUser(ctx, tx, newUser{Registration: r, keys: keys, hash: hash, loggedInAt: &now}); err != nil {
			return err
		}
		tokens, err = s.openSession(
			ctx, tx, c, user, attempt, beginning{methods: []string{methodPassword}, why: event.UserRegistered},
		)
		return err
	})
	if err != nil {
		return Grant{}, account.Error(err)
	}
	return s.grant(account.Of(user), tokens, nil)
}

// newUser is what a user is made of.
type newUser struct {
	Registration // its password doesn't count
	keys         accountKeys
	// hash is empty for a user without a password.
	hash        string
	displayName string
	// appMetadata is nil for none.
	appMetadata []byte
	isSuperuser bool
	isVerified  bool
	// loggedInAt is nil for a user that an operator makes.
	loggedInAt *time.Time
}

// createUser makes a user with its password.
func (s *Service) createUser(ctx context.Context, tx store.Tx, u newUser) (db.User, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return db.User{}, err
	}
	now := s.opts.Now()
	user, err := tx.UserCreate(ctx, db.UserCreateParams{
		ID: id, Email: u.Email, EmailKey: u.keys.email, Username: u.Username, UsernameKey: u.keys.username,
		EmailVerified: u.isVerified, IsSuperuser: u.isSuperuser, Locale: orNull(u.Locale),
		DisplayName: orNull(u.displayName), AppMetadata: u.appMetadata, LastLoginAt: u.loggedInAt, Now: now,
	})
	if err != nil {
		return db.User{}, account.Error(err)
	}
	if u.hash == "" {
		return user, nil
	}
	return user, account.Error(tx.PasswordSet(ctx, db.PasswordSetParams{UserID: id, Hash: u.hash, Now: now}))
}

// orNull returns the value of a column that is NULL where there is no text.
func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
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
	if err := s.opts.Policy.Check(r.Password, r.Email, r.Username); err != nil {
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
