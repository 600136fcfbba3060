package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// Registration is what a new user chooses.
type Registration struct {
	Email    string
	Username string
	Password secret.Text
}

// Register makes a user and logs it in, at the price of two statements and one hash.
// It fails with an [*InvalidInputError], [ErrEmailTaken], [ErrUsernameTaken], a [*LimitedError], [ErrOverloaded] or [ErrUnavailable].
func (s *Service) Register(ctx context.Context, c Caller, r Registration) (Grant, error) {
	session, err := s.newSession(c)
	if err != nil {
		return Grant{}, err
	}
	now := s.now()
	row, err := s.create(ctx, &c, r, db.UserCreateParams{
		Now: now, LastLoginAt: &now,
		SessionID: session.id, UserAgent: session.userAgent, Address: session.address, Idle: session.idle, Lifetime: session.lifetime,
	})
	if err != nil {
		return Grant{}, err
	}
	return s.grant(userOf(row), session.id, 1, session.idle)
}

// create fills in what every new user has and inserts it. Without a caller, it is the operator who makes one.
func (s *Service) create(ctx context.Context, c *Caller, r Registration, p db.UserCreateParams) (user db.User, err error) {
	emailKey, usernameKey, err := s.checkRegistration(r)
	if err != nil {
		return db.User{}, err
	}
	network := "" // an operator's
	if c != nil {
		network = networkOf(c.Address)
		if !s.hasher.Queue().HasRoom(hashqueue.Registration, network) {
			return db.User{}, ErrOverloaded // before it is charged
		}
		taken, limited := s.limiter.registration(ctx, *c, emailKey)
		s.counters.countLimited(limited)
		if limited != nil {
			return db.User{}, limited
		}
		defer func() { s.limiter.settle(ctx, taken, err) }()
		p.PairKey = taken.pair
	}
	hash, err := s.hasher.Hash(ctx, network, r.Password)
	if err != nil {
		return db.User{}, busy(err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return db.User{}, err
	}
	p.ID = id
	p.Email, p.EmailKey = r.Email, emailKey
	p.Username, p.UsernameKey = r.Username, usernameKey
	p.PasswordHash = hash
	row, err := s.users.UserCreate(ctx, p)
	return db.User(row), storeError(err)
}

// checkRegistration answers the keys by which email and username are compared, or everything that is wrong at once.
func (s *Service) checkRegistration(r Registration) (emailKey, usernameKey string, err error) {
	var invalid InvalidInputError
	emailKey, err = CanonicalEmail(r.Email)
	if err != nil {
		invalid.add("email", err)
	}
	usernameKey, err = CanonicalUsername(r.Username)
	if err != nil {
		invalid.add("username", err)
	}
	if err := s.policy.Check(r.Password, r.Email, r.Username); err != nil {
		invalid.add("password", err)
	}
	if len(invalid.Fields) > 0 {
		return "", "", &invalid
	}
	return emailKey, usernameKey, nil
}

func (e *InvalidInputError) add(field string, err error) {
	entry := FieldError{Field: field, Code: "invalid_format", Detail: err.Error()}
	var broken *password.PolicyError
	if errors.As(err, &broken) {
		entry.Code, entry.Detail = broken.Code, broken.Detail
	}
	e.Fields = append(e.Fields, entry)
}

// loginAttempts bounds how often a log-in starts anew since its user was changed beside it: once for a hash
// that another log-in has just renewed, and once to spare.
const loginAttempts = 3

// Login opens a session for an email and a password: one charge of the limits, one query, one hash, one write.
//
// Every failure of the credentials is an [ErrInvalidCredentials], a [*LoginError]; an unknown email costs the same
// as a known one. A [*LimitedError] comes before anything is looked up or hashed, [ErrOverloaded] before anything is hashed, and
// [ErrUnavailable] says that the database can't answer. No token is given for a user that was deactivated or deleted, or
// got another password, while the password was being checked: the write finds no row then.
func (s *Service) Login(ctx context.Context, c Caller, email string, pass secret.Text) (Grant, error) {
	grant, err := s.login(ctx, c, email, pass)
	s.counters.count(err)
	return grant, err
}

func (s *Service) login(ctx context.Context, c Caller, email string, pass secret.Text) (Grant, error) {
	key, err := CanonicalEmail(email)
	if err != nil || pass.IsZero() {
		// No account can have these, whoever asks; so the answer needs no hash to tell nothing.
		return Grant{}, &LoginError{Reason: "malformed"}
	}
	if !s.hasher.Queue().HasRoom(hashqueue.Login, networkOf(c.Address)) {
		return Grant{}, ErrOverloaded // before it is charged
	}
	taken, err := s.limiter.login(ctx, c, key)
	if err != nil {
		return Grant{}, err
	}
	grant, err := s.openSession(ctx, c, taken, key, pass)
	s.limiter.settle(ctx, taken, err)
	return grant, err
}

// openSession checks the password and opens the session, by an attempt that was charged.
func (s *Service) openSession(ctx context.Context, c Caller, taken attempt, emailKey string, pass secret.Text) (Grant, error) {
	session, err := s.newSession(c)
	if err != nil {
		return Grant{}, err
	}
	for range loginAttempts {
		row, err := s.checkPassword(ctx, networkOf(c.Address), emailKey, pass)
		if err != nil {
			return Grant{}, err
		}
		recorded, err := s.recordLogin(ctx, networkOf(c.Address), taken, row, pass, session)
		if errors.Is(err, ErrNoUser) {
			continue
		}
		if err != nil {
			return Grant{}, err
		}
		return s.grant(userOf(recorded), session.id, 1, session.idle)
	}
	// Its password was right each time, so it isn't told that it was wrong.
	return Grant{}, fmt.Errorf("%w: the user was changed in each of %d attempts", ErrUnavailable, loginAttempts)
}

// checkedUser is a user whose password was right, and whether the hash is to be renewed.
type checkedUser struct {
	db.User
	outdated bool
}

func (s *Service) checkPassword(ctx context.Context, network, emailKey string, pass secret.Text) (checkedUser, error) {
	row, err := s.users.UserGetByEmailKey(ctx, emailKey)
	if err = notHashed(storeError(err)); errors.Is(err, ErrNoUser) {
		if err := s.hasher.VerifyUnknown(ctx, network, pass); err != nil {
			return checkedUser{}, busy(err)
		}
		return checkedUser{}, &LoginError{Reason: "unknown_email"}
	}
	if err != nil {
		return checkedUser{}, err
	}
	verdict, err := s.hasher.Verify(ctx, network, row.PasswordHash, pass)
	switch {
	case errors.Is(err, password.ErrStoredHash):
		// Whoever tries it learns no more than of an email without an account.
		if err := s.hasher.VerifyUnknown(ctx, network, pass); err != nil {
			return checkedUser{}, busy(err)
		}
		return checkedUser{}, &LoginError{Reason: ReasonUnreadableHash, UserID: row.ID}
	case err != nil:
		return checkedUser{}, busy(err)
	case !verdict.Match:
		return checkedUser{}, &LoginError{Reason: "wrong_password", UserID: row.ID}
	case !row.IsActive:
		return checkedUser{}, &LoginError{Reason: "inactive_user", UserID: row.ID}
	}
	return checkedUser{row, verdict.Outdated}, nil
}

// recordLogin is the one write of a log-in; [ErrNoUser] says that the user is no longer as it was checked.
func (s *Service) recordLogin(ctx context.Context, network string, taken attempt, user checkedUser, pass secret.Text, session newSession) (db.User, error) {
	hash := user.PasswordHash
	if user.outdated {
		// Where there is no room for it now, the next log-in renews it.
		if renewed, err := s.hasher.Hash(ctx, network, pass); err == nil {
			hash = renewed
		} else if !errors.Is(err, ErrOverloaded) {
			return db.User{}, busy(err)
		}
	}
	now := s.now()
	row, err := s.users.UserRecordLogin(ctx, db.UserRecordLoginParams{
		ID: user.ID, CheckedHash: user.PasswordHash, NewHash: hash, Now: &now,
		PairKey: taken.pair, ForgivenKey: taken.forgiven, AddressKey: taken.address, AddressStep: taken.addressStep,
		SessionID: session.id, UserAgent: session.userAgent, Address: session.address, Idle: session.idle, Lifetime: session.lifetime,
		Crowd: s.crowd(),
	})
	if err != nil {
		return db.User{}, storeError(err)
	}
	if row.Sessions >= s.crowd() {
		// A statement of its own, since it has to see the sessions of log-ins at the same moment too. If it fails, the next
		// log-in makes up for it.
		_ = s.users.SessionTrim(ctx, db.SessionTrimParams{UserID: user.ID, Keep: int32(s.perUser)})
	}
	return db.User{
		ID: row.ID, Email: row.Email, EmailKey: row.EmailKey, Username: row.Username, UsernameKey: row.UsernameKey, PasswordHash: row.PasswordHash,
		EmailVerified: row.EmailVerified, IsActive: row.IsActive, IsSuperuser: row.IsSuperuser, TokensNotBefore: row.TokensNotBefore,
		LastLoginAt: row.LastLoginAt, CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}, nil
}

// crowd is the number of sessions from which on a log-in looks whether there are too many. It leaves room for
// log-ins at the same moment, which don't see each other's sessions.
func (s *Service) crowd() int32 { return int32(max(0, s.perUser-64)) }

// errNotHashed reports that an attempt ended before its password was hashed.
var errNotHashed = errors.New("no password was hashed")

// notHashed marks an error of a step before the hash.
func notHashed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errNotHashed, err)
}

// busy turns a wait for a hashing slot that outlasted the request's deadline into [ErrUnavailable].
func busy(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: no time left to hash: %w", ErrUnavailable, err)
	}
	return err
}
