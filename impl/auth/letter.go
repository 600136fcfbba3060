package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// LetterKind is what a mail is about.
type LetterKind string

// The kinds of mails with a code. Each is named as its challenge's purpose.
const (
	LetterVerifyEmail   = LetterKind(challenge.VerifyEmail)
	LetterResetPassword = LetterKind(challenge.ResetPassword)
	LetterLoginCode     = LetterKind(challenge.LoginCode)
	LetterChangeEmail   = LetterKind(challenge.ChangeEmail)
	LetterContinueLogin = LetterKind(challenge.ContinueLogin)
	LetterInvitation    = LetterKind(challenge.Invitation)
	LetterOperatorReset = LetterKind(challenge.OperatorReset)
	// LetterCompleteRegistration has a code, or says that there is an account with the address
	// already.
	LetterCompleteRegistration = LetterKind(challenge.CompleteRegistration)
)

// LetterEmailChanged has the link of a [challenge.UndoEmailChange].
const LetterEmailChanged LetterKind = "email_changed"

// The kinds of notices, about what has happened.
const (
	LetterPasswordChanged LetterKind = "password_changed"
	LetterAccountDeleted  LetterKind = "account_deleted"
	LetterNewDevice       LetterKind = "new_device"
)

// Letter is a mail that waits to be sent. Nothing in it opens anything.
type Letter struct {
	Kind LetterKind
	// ID is the challenge of a mail with a code, the event of a login, or one of a notice's own.
	ID uuid.UUID
	// To is the address as the account has it, or else as it was asked for.
	To string
	// Language is empty for the default.
	Language string
	// At is when the event of the mail happened.
	At time.Time
}

// Enqueue has a letter sent if the transaction is committed.
type Enqueue func(context.Context, pgx.Tx, Letter) error

// noticeLife is how long a notice is worth sending. Without an end, who changes a password again
// and again would have mails sent for weeks, because a recipient gets ten an hour.
const noticeLife = 24 * time.Hour

// Notice is the data of a mail that has nothing beyond its letter. A notice of a
// [LetterCompleteRegistration] says that the address has an account.
type Notice struct {
	Email string
	At    time.Time
}

// LoginNotice is what the mail about a login from an unknown address says.
type LoginNotice struct {
	Notice
	Username, Address, UserAgent string
}

// notify sends the user a mail about an event of the account.
func (s *Service) notify(ctx context.Context, tx store.Tx, kind LetterKind, user db.User) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	return s.notifyOf(ctx, tx, kind, user, id)
}

// notifyOf is [Service.notify] of something that has an id.
func (s *Service) notifyOf(ctx context.Context, tx store.Tx, kind LetterKind, user db.User, id uuid.UUID) error {
	return store.Error(s.opts.Enqueue(ctx, tx.Raw, Letter{
		Kind: kind, ID: id, To: user.Email, Language: store.OrZero(user.Locale), At: s.opts.Now(),
	}))
}

// CodeMail is what a mail with a code says.
type CodeMail = challenge.Mail

// MailData returns what a letter says. It returns false for a letter that is not sent any more, or
// never: its challenge has ended, or nobody has the address. It fails with [ErrUnavailable].
func (s *Service) MailData(ctx context.Context, l Letter) (any, bool, error) {
	switch l.Kind {
	case LetterVerifyEmail, LetterResetPassword, LetterLoginCode, LetterContinueLogin, LetterChangeEmail,
		LetterEmailChanged, LetterInvitation, LetterOperatorReset:
		mail, err := s.opts.Challenges.Mail(ctx, l.ID)
		if errors.Is(err, challenge.ErrNoMail) {
			return nil, false, nil
		}
		if err != nil || l.Kind != LetterChangeEmail {
			return mail, err == nil, err
		}
		isFree, err := s.isFree(ctx, mail.Email, mail.UserID)
		return mail, isFree, err
	case LetterCompleteRegistration:
		return s.registrationMail(ctx, l)
	case LetterPasswordChanged, LetterAccountDeleted, LetterNewDevice:
		if s.opts.Now().Sub(l.At) > noticeLife {
			return nil, false, nil
		}
		notice := Notice{Email: l.To, At: l.At}
		if l.Kind == LetterNewDevice {
			return s.loginNotice(ctx, l.ID, notice)
		}
		return notice, true, nil
	}
	return nil, false, fmt.Errorf("there is no letter of the kind %q", l.Kind)
}

// loginNotice returns the data of the mail about a login, from its event. It returns false if the
// user was deleted.
func (s *Service) loginNotice(ctx context.Context, login uuid.UUID, notice Notice) (any, bool, error) {
	row, err := s.queries.EventGetLogin(ctx, login)
	if err = store.Error(err); errors.Is(err, store.ErrNotFound) {
		return nil, false, nil
	} else if err != nil {
		return nil, false, err
	}
	return LoginNotice{
		Notice: notice, Username: row.Username,
		Address: store.OrZero(row.Address), UserAgent: row.UserAgent,
	}, true, nil
}
