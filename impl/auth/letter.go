package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
)

// LetterKind is what a mail is about.
type LetterKind string

// The kinds of mails with a code. Each is named as its challenge's purpose.
const (
	LetterVerifyEmail   = LetterKind(challenge.VerifyEmail)
	LetterResetPassword = LetterKind(challenge.ResetPassword)
	LetterLoginCode     = LetterKind(challenge.LoginCode)
)

// Letter is a mail that waits to be sent. Nothing in it opens anything.
type Letter struct {
	Kind LetterKind
	// ID is the challenge of a mail with a code.
	ID uuid.UUID
	// To is the address as the account has it, or else as it was asked for.
	To string
	// Language is empty for the default.
	Language string
	// At is when that happened which the mail tells of.
	At time.Time
}

// Enqueue has a letter sent if the transaction is committed.
type Enqueue func(context.Context, pgx.Tx, Letter) error

// CodeMail is what a mail with a code says.
type CodeMail = challenge.Mail

// MailData returns what a letter says. It returns false for a letter that is not sent any more, or
// never: its challenge has ended, or nobody has the address. It fails with [ErrUnavailable].
func (s *Service) MailData(ctx context.Context, l Letter) (any, bool, error) {
	switch l.Kind {
	case LetterVerifyEmail, LetterResetPassword, LetterLoginCode:
		mail, err := s.challenges.Mail(ctx, l.ID)
		if errors.Is(err, challenge.ErrNoMail) {
			return nil, false, nil
		}
		return mail, err == nil, err
	}
	return nil, false, fmt.Errorf("there is no letter of the kind %q", l.Kind)
}
