package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
	"github.com/latchkey-auth/latchkey/impl/auth/session"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// Login opens a session for an email and a password.
//
// Every failure of the credentials is an [ErrInvalidCredentials], a [*LoginError]; an unknown email
// costs the same as a known one. A [*LimitedError] comes before anything is looked up or hashed,
// and [ErrOverloaded] before anything is hashed. [ErrUnavailable] reports that the database can't
// answer. Where an email must be verified, a right password may fail with an [*UnverifiedError], or
// with a [*LimitedError] if too many codes were mailed. [ErrInvalidScope] comes before all of them:
// scope is the list of the scopes that the session is asked for.
func (s *Service) Login(ctx context.Context, c Caller, email string, pass secret.Text, scope string) (Grant, error) {
	grant, err := s.login(ctx, c, email, pass, scope)
	s.counters.count(err)
	return grant, err
}

func (s *Service) login(ctx context.Context, c Caller, email string, pass secret.Text, scope string) (Grant, error) {
	scopes, err := s.opts.Roles.parse(scope)
	if err != nil {
		return Grant{}, err
	}
	emailKey, err := account.CanonicalEmail(email)
	if err != nil || pass.IsZero() {
		// No account can have these, so that the response needs no hash.
		return Grant{}, &LoginError{Reason: "malformed"}
	}
	if !s.opts.Hasher.Queue().HasRoom(hashqueue.Login, c.network()) {
		return Grant{}, ErrOverloaded // before it is charged
	}
	attempt, err := s.opts.Limiter.Login(ctx, c.who(emailKey))
	if err != nil {
		return Grant{}, err
	}
	grant, err := s.loginCharged(ctx, c, attempt, emailKey, pass, scopes)
	s.noteFailedLogin(c, err)
	s.opts.Limiter.Settle(ctx, attempt, outcome(ctx, err, ratelimit.LoggedIn))
	return grant, err
}

// loginAttempts bounds how often a login starts again because its user was changed meanwhile: once
// for a hash that another login has just renewed, and once more.
const loginAttempts = 3

// loginCharged goes from the first factor to a session. It starts anew if the user was changed
// meanwhile.
func (s *Service) loginCharged(
	ctx context.Context,
	c Caller,
	attempt ratelimit.Attempt,
	emailKey string,
	pass secret.Text,
	scopes []string,
) (Grant, error) {
	for range loginAttempts {
		proof, err := s.provePassword(ctx, c.network(), emailKey, pass)
		if err != nil {
			return Grant{}, err
		}
		proof.scopes = scopes
		grant, err := s.conclude(ctx, c, attempt, s.judge(proof))
		if !errors.Is(err, errChanged) {
			return grant, err
		}
	}
	// The password was right each time, so the client isn't told that it was wrong.
	return Grant{}, fmt.Errorf("%w: the user was changed in each of %d attempts", ErrUnavailable, loginAttempts)
}

// proof is a first factor that was proved.
type proof struct {
	userID uuid.UUID
	// hash is the stored hash that the password was checked with, and renewed, if not empty, the
	// one to take its place.
	hash, renewed string
	// methods are how it was proved (RFC 8176).
	methods []string
	// scopes are those that the session is asked for.
	scopes []string
	// emailKey is the account's email, and unverified whether the user has never proved its
	// mailbox. They are those of a password.
	emailKey   string
	unverified bool
	// mailed is the challenge of a mailed code, or nil for a password.
	mailed *challenge.Proved
}

// methodPassword is how RFC 8176 calls a password among the methods of authentication.
const methodPassword = "pwd"

// provePassword checks a password. It fails with a [*LoginError], [ErrOverloaded] or
// [ErrUnavailable].
func (s *Service) provePassword(ctx context.Context, network, emailKey string, pass secret.Text) (proof, error) {
	row, err := s.queries.UserGetCredentials(ctx, emailKey)
	if err = account.Error(err); err != nil && !errors.Is(err, ErrNoUser) {
		return proof{}, fmt.Errorf("%w: %w", errNotHashed, err)
	}
	if err != nil || row.PasswordHash == nil {
		return proof{}, s.refuseUnknown(ctx, network, pass, LoginError{Reason: "unknown_email", UserID: row.ID})
	}
	verdict, err := s.opts.Hasher.Verify(ctx, network, *row.PasswordHash, pass)
	switch {
	case errors.Is(err, password.ErrStoredHash):
		return proof{}, s.refuseUnknown(ctx, network, pass, LoginError{Reason: ReasonUnreadableHash, UserID: row.ID})
	case err != nil:
		return proof{}, busy(err)
	case !verdict.Match:
		return proof{}, &LoginError{Reason: "wrong_password", UserID: row.ID}
	case !row.IsActive:
		return proof{}, &LoginError{Reason: reasonInactive, UserID: row.ID}
	}
	p := proof{
		userID: row.ID, hash: *row.PasswordHash, methods: []string{methodPassword},
		emailKey: emailKey, unverified: !row.EmailVerified,
	}
	if verdict.Outdated {
		// Where there is no room for it now, the next login renews the hash.
		if p.renewed, err = s.opts.Hasher.Hash(ctx, network, pass); err != nil && !errors.Is(err, ErrOverloaded) {
			return proof{}, busy(err)
		}
	}
	return p, nil
}

// refuseUnknown takes as long as a wrong password, so that a client doesn't learn whether the email
// has an account.
func (s *Service) refuseUnknown(ctx context.Context, network string, pass secret.Text, reason LoginError) error {
	if err := s.opts.Hasher.VerifyUnknown(ctx, network, pass); err != nil {
		return busy(err)
	}
	return &reason
}

// verdict is what follows from a proved first factor: an admission or a demand.
type verdict interface{ isVerdict() }

// admission opens a session: what was proved suffices.
type admission struct{ proof }

// demand is for a mailed code before a session is opened.
type demand struct{ proof }

func (admission) isVerdict() {}
func (demand) isVerdict()    {}

// judge decides whether what was proved suffices.
func (s *Service) judge(p proof) verdict {
	if s.opts.RequireVerifiedEmail && p.unverified {
		return demand{p}
	}
	return admission{p}
}

// errChanged reports that the user got another password, was deactivated or deleted while the
// password was hashed.
var errChanged = errors.New("the user was changed meanwhile")

// conclude carries out a verdict. It fails with errChanged, an [*UnverifiedError], a
// [*LimitedError] or as the database does.
func (s *Service) conclude(ctx context.Context, c Caller, attempt ratelimit.Attempt, v verdict) (Grant, error) {
	switch v := v.(type) {
	case admission:
		return s.admit(ctx, c, attempt, v.proof)
	case demand:
		return s.demandCode(ctx, c, v.proof)
	}
	return Grant{}, fmt.Errorf("no such verdict: %T", v)
}

// admit opens the session of a proof that suffices, in one transaction.
func (s *Service) admit(ctx context.Context, c Caller, attempt ratelimit.Attempt, p proof) (Grant, error) {
	if err := s.opts.Keys.Ready(); err != nil {
		return Grant{}, err
	}
	var (
		user   db.User
		tokens session.Tokens
		scopes []string
	)
	err := store.InTx(ctx, s.opts.DB, func(tx store.Tx) (err error) {
		if user, err = s.lockForLogin(ctx, tx, c, p); err != nil {
			return err
		}
		tokens, err = s.openSession(ctx, tx, c, user, attempt, beginning{p.methods, p.scopes, event.UserLoggedIn})
		if err != nil {
			return err
		}
		scopes, err = s.scopesNow(ctx, tx, user, p.scopes)
		return err
	})
	if err != nil {
		return Grant{}, err
	}
	return s.grant(account.Of(user), tokens, scopes)
}

// lockForLogin records the login, which locks the user's row. It fails with errChanged unless user
// and password are as they were when the password was checked.
func (s *Service) lockForLogin(ctx context.Context, tx store.Tx, c Caller, p proof) (db.User, error) {
	if p.mailed != nil {
		return s.confirmMailed(ctx, tx, c, p)
	}
	now := s.opts.Now()
	user, err := tx.UserLogIn(ctx, db.UserLogInParams{ID: p.userID, Now: &now})
	if err != nil {
		return db.User{}, store.ErrorOr(err, errChanged)
	}
	return user, s.confirm(ctx, tx, p)
}

// confirm fails with errChanged unless the password is the one that was checked. The user's row is
// locked. The password is read by a statement of its own: one that waits for the row sees the other
// tables as they were before.
func (s *Service) confirm(ctx context.Context, tx store.Tx, p proof) error {
	hash, err := tx.PasswordGet(ctx, p.userID)
	if err = store.Error(err); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if hash != p.hash {
		return errChanged
	}
	if p.renewed == "" {
		return nil
	}
	return store.Error(tx.PasswordRenewHash(ctx, db.PasswordRenewHashParams{UserID: p.userID, Hash: p.renewed}))
}

// beginning is how a session begins: the methods that have proved who the user is (RFC 8176), the
// scopes that were asked for, and what opens the session.
type beginning struct {
	methods, scopes []string
	why             event.Type
}

// openSession is the one place that opens sessions, and records their cause. The transaction has
// locked the user's row. The account knows the address from then on. If it didn't before, the user
// gets a mail about the login.
func (s *Service) openSession(
	ctx context.Context,
	tx store.Tx,
	c Caller,
	user db.User,
	attempt ratelimit.Attempt,
	b beginning,
) (session.Tokens, error) {
	tokens, err := s.opts.Sessions.Open(ctx, tx, session.Beginning{
		UserID: user.ID, ValidFrom: account.ValidFrom(user), Methods: b.methods, Scopes: b.scopes,
		UserAgent: c.UserAgent, Address: c.address(),
	})
	if err != nil {
		return tokens, err
	}
	isKnown, err := s.knowAddress(ctx, tx, user, attempt.AddressKey)
	if err != nil {
		return tokens, err
	}
	id, err := event.NewID(s.opts.Now())
	if err != nil {
		return tokens, err
	}
	err = s.record(ctx, tx, c, event.Event{
		ID: id, Type: b.why, UserID: user.ID, Actor: event.User, SessionID: tokens.SessionID, Methods: tokens.Methods,
	})
	if err != nil || isKnown || b.why != event.UserLoggedIn {
		return tokens, err
	}
	return tokens, s.notifyOf(ctx, tx, LetterNewDevice, user, id)
}

// knowAddress makes an address known to the account, by the key that the limits have for both. It
// reports whether the account has known the address before. Without limits there is no key: then no
// address is recorded, and each counts as known.
func (s *Service) knowAddress(ctx context.Context, tx store.Tx, user db.User, key []byte) (isKnown bool, err error) {
	if len(key) == 0 {
		return true, nil
	}
	isKnown, err = tx.AddressKnow(ctx, db.AddressKnowParams{
		Key: key, SeenAt: account.ValidFrom(user), UserID: user.ID, NotBefore: user.TokensNotBefore,
		KnownSince: s.opts.Now().Add(-ratelimit.KnownFor),
	})
	return isKnown, store.Error(err)
}

// errNotHashed reports that an attempt ended before its password was hashed.
var errNotHashed = errors.New("no password was hashed")

// outcome returns the outcome for the limits, of an attempt that failed with an error or that
// succeeded. A demand for a code is a success: only the right password leads to it, so it can't be
// used for guesses, and it must not block the user. The codes have limits of their own.
func outcome(ctx context.Context, err error, success ratelimit.Outcome) ratelimit.Outcome {
	var unverified *UnverifiedError
	switch {
	case err == nil, errors.As(err, &unverified):
		return success
	case errors.Is(err, errNotHashed), errors.Is(err, hashqueue.ErrGivenUp), errors.Is(err, ErrOverloaded),
		errors.Is(err, ErrUnavailable) && ctx.Err() == nil:
		return ratelimit.NotTried
	}
	return ratelimit.Failed
}

// busy turns a wait for a hash that outlasted the request's deadline into [ErrUnavailable].
func busy(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: no time left to hash: %w", ErrUnavailable, err)
	}
	return err
}
