package auth

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// RequestPasswordReset has a code mailed to an address, if it has an account. It fails with an
// [*InvalidInputError], a [*LimitedError] or [ErrUnavailable].
func (s *Service) RequestPasswordReset(ctx context.Context, c Caller, email string) (CodeRequest, error) {
	return s.mailCode(ctx, c, challenge.ResetPassword, email)
}

// ConfirmPasswordReset gives the user another password, and ends all of its sessions. It proves the
// mailbox. The token of a [challenge.UndoEmailChange] gives it the former email again, too. That of
// a [challenge.Invitation] sets the first password. A password that the policy refuses doesn't use
// the code up. It returns the user's id, also if it fails after the code was proved. It fails with
// an [*InvalidInputError], [ErrInvalidCode], a [*LimitedError], [ErrOverloaded] or
// [ErrUnavailable].
func (s *Service) ConfirmPasswordReset(
	ctx context.Context, c Caller, a CodeAnswer, pass secret.Text,
) (uuid.UUID, error) {
	if err := s.checkNewPassword(pass); err != nil {
		return uuid.Nil, err
	}
	if !s.opts.Hasher.Queue().HasRoom(hashqueue.Registration, c.network()) {
		return uuid.Nil, ErrOverloaded // before a try is counted
	}
	proved, err := s.tryCode(ctx, c, s.resetPurpose(a.Code), a, "")
	if err != nil {
		return uuid.Nil, err
	}
	hash, err := s.hashReset(ctx, c, proved, pass)
	isRefused := err != nil
	if err == nil {
		err = s.resetPassword(ctx, c, proved, hash)
	}
	// There is no other link to undo a change with, so that a database that fails must not cost it.
	if isRefused || errors.Is(err, ErrUnavailable) {
		_ = s.opts.Challenges.GiveBack(ctx, proved) // where the database has gone, the try stays counted
	}
	return proved.UserID, err
}

// resetPurpose returns the purpose of the challenge that an answer sets a password with. Only the
// tokens of links have another purpose than a reset that the user has asked for.
func (s *Service) resetPurpose(code secret.Text) challenge.Purpose {
	for _, p := range []challenge.Purpose{challenge.UndoEmailChange, challenge.Invitation, challenge.OperatorReset} {
		if _, ok := s.opts.Challenges.ReadLink(p, code); ok {
			return p
		}
	}
	return challenge.ResetPassword
}

// checkNewPassword checks a new password, also against what a guesser would know about its user.
func (s *Service) checkNewPassword(pass secret.Text, known ...string) error {
	err := s.opts.Policy.Check(pass, known...)
	if err == nil {
		return nil
	}
	var invalid InvalidInputError
	invalid.add("new_password", err)
	return &invalid
}

// hashReset checks the new password against email and username, and hashes it. Only the owner of
// the mailbox gets this far, because a refusal would reveal the username to others.
func (s *Service) hashReset(ctx context.Context, c Caller, p challenge.Proved, pass secret.Text) (string, error) {
	user, err := s.queries.UserGetByID(ctx, p.UserID)
	if err != nil {
		return "", store.ErrorOr(err, ErrInvalidCode) // deleted meanwhile
	}
	if err := s.checkNewPassword(pass, user.Email, user.Username, p.Email); err != nil {
		return "", err
	}
	hash, err := s.opts.Hasher.Hash(ctx, c.network(), pass)
	return hash, busy(err)
}

// resetPassword uses the challenge up, and replaces the former password, in one transaction.
func (s *Service) resetPassword(ctx context.Context, c Caller, p challenge.Proved, hash string) error {
	return store.InTx(ctx, s.opts.DB, func(tx store.Tx) error {
		user, err := s.redeem(ctx, tx, p)
		if err != nil {
			return err
		}
		done := event.PasswordReset
		if p.Purpose == challenge.UndoEmailChange {
			done = event.EmailChangeUndone
			// The other address gets a mail too, because the former mailbox may not belong to the
			// owner.
			if err := s.notify(ctx, tx, LetterPasswordChanged, user); err != nil {
				return err
			}
			if err := s.restoreEmail(ctx, tx, p); err != nil {
				return err
			}
		}
		if user, err = tx.UserEndSessions(ctx, db.UserEndSessionsParams{ID: user.ID, Now: s.opts.Now()}); err != nil {
			return account.Error(err)
		}
		if err := tx.PasswordSet(ctx, db.PasswordSetParams{UserID: user.ID, Hash: hash, Now: s.opts.Now()}); err != nil {
			return account.Error(err)
		}
		if _, err := s.claimMailbox(ctx, tx, c, user, uuid.Nil); err != nil {
			return err
		}
		if user, err = tx.UserTouch(ctx, db.UserTouchParams{ID: user.ID, Now: s.opts.Now()}); err != nil {
			return account.Error(err)
		}
		if _, err := s.knowAddress(ctx, tx, user, s.opts.Limiter.AddressKey(c.Address, user.EmailKey)); err != nil {
			return err
		}
		if err := s.opts.Challenges.End(ctx, tx, user.ID); err != nil {
			return err
		}
		if err := s.notify(ctx, tx, LetterPasswordChanged, user); err != nil {
			return err
		}
		return s.record(ctx, tx, c, event.Event{Type: done, UserID: user.ID, Actor: event.Unknown})
	})
}
