package auth

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// RequestEmailChange has a code mailed to the address that a user wants to have. It runs the same
// statements for an address that the user can't get. Whether the address is free,
// [Service.MailData] looks later. It fails with an [*InvalidInputError], a [*LimitedError],
// [ErrNoUser] or [ErrUnavailable].
func (s *Service) RequestEmailChange(ctx context.Context, c Caller, user User, email string) (CodeRequest, error) {
	emailKey, err := account.CanonicalEmail(email)
	if err == nil && email == user.Email {
		err = &account.InvalidError{Detail: "The account has this email already."}
	}
	if err != nil {
		var invalid InvalidInputError
		invalid.add("email", err)
		return CodeRequest{}, &invalid
	}
	attempt, err := s.opts.Limiter.EmailChange(ctx, user.ID.String(), c.who(emailKey))
	if err != nil {
		s.counters.countLimited(err)
		return CodeRequest{}, err
	}
	asked, err := s.openCode(ctx, attempt, func(tx store.Tx) (challenge.Opened, error) {
		return s.mailOwn(ctx, tx, challenge.ChangeEmail, challenge.Own{User: user.ID, Email: email})
	})
	return asked, account.Error(err)
}

// isFree reports whether a user could get an email, or with the zero UUID a new user.
func (s *Service) isFree(ctx context.Context, email string, user uuid.UUID) (bool, error) {
	emailKey, err := account.CanonicalEmail(email)
	if err != nil {
		return false, err
	}
	may, err := s.queries.UserMayHaveEmail(ctx, db.UserMayHaveEmailParams{EmailKey: emailKey, ID: user, Now: s.opts.Now()})
	return may, store.Error(err)
}

// ConfirmEmailChange gives a user the address that the code was mailed to. The sessions go on. It
// fails with [ErrInvalidCode], [ErrEmailTaken], [ErrInvalidToken] if the session has ended, a
// [*LimitedError] or [ErrUnavailable].
func (s *Service) ConfirmEmailChange(ctx context.Context, c Caller, p Principal, a CodeAnswer) error {
	return s.useOwn(ctx, c, p, challenge.ChangeEmail, a, func(tx store.Tx, user db.User, proved challenge.Proved) error {
		return s.changeEmail(ctx, tx, c, user, p.SessionID, proved.Email)
	})
}

// changeEmail gives a user, whose row is locked, another address. The former address gets a mail
// with the undo, unless the user takes back an address whose undo is open. The codes that were
// mailed to the former address end.
func (s *Service) changeEmail(
	ctx context.Context, tx store.Tx, c Caller, user db.User, session uuid.UUID, email string,
) error {
	if err := s.openUndo(ctx, tx, user, email); err != nil {
		return err
	}
	user, err := s.setEmail(ctx, tx, user.ID, email)
	if err != nil {
		return err
	}
	if err := s.opts.Challenges.End(ctx, tx, user.ID); err != nil {
		return err
	}
	// The key of an address that an account knows is made of the email, too.
	if _, err := s.knowAddress(ctx, tx, user, s.opts.Limiter.AddressKey(c.Address, user.EmailKey)); err != nil {
		return err
	}
	return s.record(ctx, tx, c, event.Event{
		Type: event.EmailChanged, UserID: user.ID, Actor: event.User, SessionID: session,
	})
}

// openUndo has the undo of a change mailed to the present address of a user. Who takes a former
// address back undoes the changes since, and the address that is left gets no undo: it may be that
// of a thief who had taken the account over.
func (s *Service) openUndo(ctx context.Context, tx store.Tx, user db.User, email string) error {
	emailKey, err := account.CanonicalEmail(email)
	if err != nil {
		return err
	}
	if emailKey != user.EmailKey {
		isBack, err := s.opts.Challenges.TakeBack(ctx, tx, user.ID, emailKey)
		if err != nil || isBack {
			return err
		}
	}
	_, err = s.mailOwn(ctx, tx, challenge.UndoEmailChange, challenge.Own{
		User: user.ID, Email: user.Email, NewEmail: email,
	})
	return err
}

// restoreEmail undoes a change of the email, of a user whose row is locked. The undos of later
// changes end, because their mails may have gone to somebody who has taken the account over. The
// undos of earlier changes stay.
func (s *Service) restoreEmail(ctx context.Context, tx store.Tx, p challenge.Proved) error {
	if err := s.opts.Challenges.EndUndos(ctx, tx, p.UserID, p.CreatedAt); err != nil {
		return err
	}
	_, err := s.setEmail(ctx, tx, p.UserID, p.Email)
	if errors.Is(err, ErrEmailTaken) {
		return ErrInvalidCode // the undo has expired by the clock of another instance
	}
	return err
}

func (s *Service) setEmail(ctx context.Context, tx store.Tx, user uuid.UUID, email string) (db.User, error) {
	emailKey, err := account.CanonicalEmail(email)
	if err != nil {
		return db.User{}, err
	}
	row, err := tx.UserSetEmail(ctx, db.UserSetEmailParams{ID: user, Email: email, EmailKey: emailKey, Now: s.opts.Now()})
	return row, account.Error(err)
}
