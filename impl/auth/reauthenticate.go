package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
	"github.com/latchkey-auth/latchkey/impl/auth/session"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/auth/token"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// ErrWrongPassword reports that a user who is logged in didn't prove who it is.
var ErrWrongPassword = errors.New("wrong password")

// clockSkew is how far the clocks of two servers may differ.
const clockSkew = time.Minute

// IsFresh reports whether a session has proved within maxAge who its user is (RFC 9470 section 3).
// A proof from the future counts for nothing: a clock was set back since.
func (s *Service) IsFresh(p Principal, maxAge time.Duration) bool {
	age := s.opts.Now().Sub(p.AuthTime)
	return age <= maxAge && age >= -clockSkew
}

// Reauthenticate proves again by the password that the user of a session is there, and returns
// tokens of the same session. It fails with [ErrWrongPassword], [ErrInvalidToken], a
// [*LimitedError], [ErrOverloaded] or [ErrUnavailable].
func (s *Service) Reauthenticate(
	ctx context.Context,
	c Caller,
	p Principal,
	pass secret.Text,
) (grant Grant, err error) {
	if err := s.opts.Keys.Ready(); err != nil {
		return Grant{}, err
	}
	err = s.proveAgain(ctx, c, p, pass, func(_ ratelimit.Attempt, proved proof) error {
		return store.InTx(ctx, s.opts.DB, func(tx store.Tx) error {
			user, err := s.lockProved(ctx, tx, proved)
			if err != nil {
				return err
			}
			grant, err = s.goOn(ctx, tx, c, p, user, methodPassword)
			return err
		})
	})
	return grant, err
}

// ReauthenticateByCode is [Service.Reauthenticate] by a code that [Service.RequestLoginCode] has
// mailed to the user's own address. A client has to present its request. It fails with
// [ErrInvalidCode], [ErrInvalidToken], a [*LimitedError] or [ErrUnavailable].
func (s *Service) ReauthenticateByCode(
	ctx context.Context, c Caller, p Principal, a CodeAnswer,
) (grant Grant, err error) {
	if err := s.opts.Keys.Ready(); err != nil {
		return Grant{}, err
	}
	if a.Request.IsZero() {
		return Grant{}, ErrInvalidCode
	}
	err = s.useOwn(ctx, c, p, challenge.LoginCode, a, func(tx store.Tx, user db.User, _ challenge.Proved) (err error) {
		if err := s.claimMailboxIn(ctx, tx, c, p, user); err != nil {
			return err
		}
		grant, err = s.goOn(ctx, tx, c, p, user, methodEmailCode)
		return err
	})
	return grant, err
}

// goOn returns tokens of a session whose user has proved again by a method who it is. The
// transaction has locked the user's row.
func (s *Service) goOn(
	ctx context.Context, tx store.Tx, c Caller, p Principal, user db.User, method string,
) (Grant, error) {
	tokens, err := s.renewProof(ctx, tx, p, method)
	if err != nil {
		return Grant{}, err
	}
	err = s.record(ctx, tx, c, event.Event{
		Type: event.SessionReauthenticated, UserID: user.ID, Actor: event.User,
		SessionID: p.SessionID, Methods: []string{method},
	})
	if err != nil {
		return Grant{}, err
	}
	scopes, err := s.scopesNow(ctx, tx, user, tokens.Scopes)
	if err != nil {
		return Grant{}, err
	}
	return s.grant(account.Of(user), tokens, scopes)
}

// ChangePassword replaces the password of a user who proves the present one, and ends every other
// session. It fails as [Service.Reauthenticate] does, or with an [*InvalidInputError].
func (s *Service) ChangePassword(ctx context.Context, c Caller, p Principal, current, chosen secret.Text) error {
	if err := s.checkNewPassword(chosen, p.User.Email, p.User.Username); err != nil {
		return err
	}
	return s.proveAgain(ctx, c, p, current, func(attempt ratelimit.Attempt, proved proof) error {
		hash, err := s.opts.Hasher.Hash(ctx, c.network(), chosen)
		if err != nil {
			return busy(err)
		}
		return store.InTx(ctx, s.opts.DB, func(tx store.Tx) error {
			user, err := s.lockProved(ctx, tx, proved)
			if err != nil {
				return err
			}
			if _, err := s.renewProof(ctx, tx, p, methodPassword); err != nil {
				return err
			}
			if err := tx.PasswordSet(ctx, db.PasswordSetParams{UserID: user.ID, Hash: hash, Now: s.opts.Now()}); err != nil {
				return account.Error(err)
			}
			if err := s.endOthers(ctx, tx, p, attempt); err != nil {
				return err
			}
			if err := s.opts.Challenges.End(ctx, tx, user.ID); err != nil {
				return err
			}
			if err := s.notify(ctx, tx, LetterPasswordChanged, user); err != nil {
				return err
			}
			return s.record(ctx, tx, c, event.Event{
				Type: event.PasswordChanged, UserID: user.ID, Actor: event.User, SessionID: p.SessionID,
			})
		})
	})
}

// endOthers ends every session of a user but the one that asks. The account knows the caller's
// address from then on, as after a login.
func (s *Service) endOthers(ctx context.Context, tx store.Tx, p Principal, attempt ratelimit.Attempt) error {
	ended, err := tx.UserEndSessions(ctx, db.UserEndSessionsParams{ID: p.User.ID, Now: s.opts.Now()})
	if err != nil {
		return account.Error(err)
	}
	from := account.ValidFrom(ended)
	keep := db.SessionKeepParams{ID: p.SessionID, UserID: p.User.ID, ValidFrom: from}
	if err := tx.SessionKeep(ctx, keep); err != nil {
		return store.Error(err)
	}
	if _, err := s.knowAddress(ctx, tx, ended, attempt.AddressKey); err != nil {
		return err
	}
	_, err = tx.UserTouch(ctx, db.UserTouchParams{ID: p.User.ID, Now: s.opts.Now()})
	return account.Error(err)
}

// lockProved locks the row of an active user. It fails with errChanged unless user and password are
// as they were when the password was checked.
func (s *Service) lockProved(ctx context.Context, tx store.Tx, p proof) (db.User, error) {
	user, err := tx.UserGetForUpdate(ctx, p.userID)
	if err = account.Error(err); errors.Is(err, ErrNoUser) || err == nil && !user.IsActive {
		return db.User{}, errChanged
	} else if err != nil {
		return db.User{}, err
	}
	return user, s.confirm(ctx, tx, p)
}

// renewProof records the proof in the session. It fails with [ErrInvalidToken] if that has ended.
func (s *Service) renewProof(ctx context.Context, tx store.Tx, p Principal, method string) (session.Tokens, error) {
	tokens, err := s.opts.Sessions.Prove(ctx, tx, p.User.ID, p.SessionID, []string{method})
	if errors.Is(err, session.ErrEnded) {
		return tokens, fmt.Errorf("%w: %w", ErrInvalidToken, err)
	}
	return tokens, err
}

// proveAgain checks the password of a user who is logged in, and then carries out what was asked
// for. The attempt is charged as a login is. It starts anew if the user was changed meanwhile.
func (s *Service) proveAgain(
	ctx context.Context, c Caller, p Principal, pass secret.Text, then func(ratelimit.Attempt, proof) error,
) error {
	emailKey, err := account.CanonicalEmail(p.User.Email)
	if err != nil {
		return err
	}
	if !s.opts.Hasher.Queue().HasRoom(hashqueue.Login, c.network()) {
		return ErrOverloaded // before it is charged
	}
	c.Session = &token.Claims{UserID: p.User.ID, SessionID: p.SessionID, Subject: p.User.Email}
	attempt, err := s.opts.Limiter.Login(ctx, c.who(emailKey))
	if err != nil {
		s.counters.countLimited(err)
		return err
	}
	err = errChanged
	for n := 0; n < loginAttempts && errors.Is(err, errChanged); n++ {
		var proved proof
		if proved, err = s.provePassword(ctx, c.network(), emailKey, pass); err == nil && proved.userID == p.User.ID {
			err = then(attempt, proved)
		} else if err == nil {
			err = errChanged // the email belongs to another user by now
		}
	}
	s.noteFailedLogin(c, err)
	s.opts.Limiter.Settle(ctx, attempt, outcome(ctx, err, ratelimit.LoggedIn))
	return notProved(err)
}

// notProved returns the error of a failed proof for a user who is logged in.
func notProved(err error) error {
	var failed *LoginError
	switch {
	case errors.Is(err, errChanged):
		return fmt.Errorf("%w: the user was changed in each of %d attempts", ErrUnavailable, loginAttempts)
	case !errors.As(err, &failed):
		return err
	case failed.Reason == reasonInactive:
		return ErrInactiveUser
	}
	return fmt.Errorf("%w: %s", ErrWrongPassword, failed.Reason)
}
