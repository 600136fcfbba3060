package auth

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// CodeRequest is what a client gets that has asked for a code.
type CodeRequest = challenge.Request

// CodeAnswer is what a mail has brought.
type CodeAnswer = challenge.Answer

// mailCode makes a challenge for an address, and has it mailed. It runs the same statements for an
// address without an account: whether there is anybody to send to, [Service.MailData] looks later.
func (s *Service) mailCode(ctx context.Context, c Caller, p challenge.Purpose, email string) (CodeRequest, error) {
	emailKey, err := account.CanonicalEmail(email)
	if err != nil {
		var invalid InvalidInputError
		invalid.add("email", err)
		return CodeRequest{}, &invalid
	}
	attempt, err := s.opts.Limiter.Code(ctx, string(p), c.who(emailKey))
	if err != nil {
		s.counters.countLimited(err)
		return CodeRequest{}, err
	}
	return s.openCode(ctx, attempt, func(tx store.Tx) (challenge.Opened, error) {
		return s.mailCodeIn(ctx, tx, c, p, email, emailKey, "")
	})
}

// openCode makes the challenge of an attempt that was charged, in a transaction.
func (s *Service) openCode(
	ctx context.Context, attempt ratelimit.Attempt, open func(store.Tx) (challenge.Opened, error),
) (CodeRequest, error) {
	var opened challenge.Opened
	err := store.InTx(ctx, s.opts.DB, func(tx store.Tx) (err error) {
		opened, err = open(tx)
		return err
	})
	s.opts.Limiter.Settle(ctx, attempt, outcome(ctx, err, ratelimit.Registered))
	return opened.Request, store.Error(err)
}

// mailCodeIn makes a challenge for an address and has it mailed, in a transaction. The language is
// that of the account, or else the given one.
func (s *Service) mailCodeIn(
	ctx context.Context, tx store.Tx, c Caller, p challenge.Purpose, email, emailKey, language string,
) (challenge.Opened, error) {
	opened, err := s.opts.Challenges.Open(ctx, tx, p, email, emailKey, ratelimit.Network(c.Address))
	if err != nil {
		return opened, err
	}
	opened.Language = cmp.Or(opened.Language, language)
	return opened, s.mailOpened(ctx, tx, p, opened)
}

// mailOwn makes a challenge of a user and has it mailed, in a transaction.
func (s *Service) mailOwn(
	ctx context.Context, tx store.Tx, p challenge.Purpose, own challenge.Own,
) (challenge.Opened, error) {
	opened, err := s.opts.Challenges.OpenOwn(ctx, tx, p, own)
	if err != nil {
		return opened, err
	}
	return opened, s.mailOpened(ctx, tx, p, opened)
}

// mailOpened has the mail of a challenge sent.
func (s *Service) mailOpened(ctx context.Context, tx store.Tx, p challenge.Purpose, opened challenge.Opened) error {
	kind := LetterKind(p)
	if p == challenge.UndoEmailChange {
		kind = LetterEmailChanged
	}
	return store.Error(s.opts.Enqueue(ctx, tx.Raw, Letter{
		Kind: kind, ID: opened.ID, To: opened.Email, Language: opened.Language, At: opened.At,
	}))
}

// codeTries is the limit of one challenge, as the client sees it.
var codeTries = Budget{Name: "request", Quota: challenge.Tries, Step: challenge.CodeTTL / challenge.Tries}

// maxRetryAfter is what the contract promises.
const maxRetryAfter = time.Hour

// tryCode judges what came back, and counts the try. emailKey is the address that the caller has
// proved to be of its account, or empty. A wrong code is recorded. It fails with [ErrInvalidCode],
// a [*LimitedError] or [ErrUnavailable].
func (s *Service) tryCode(
	ctx context.Context, c Caller, p challenge.Purpose, a CodeAnswer, emailKey string,
) (challenge.Proved, error) {
	proved, err := s.opts.Challenges.Try(ctx, p, a, emailKey)
	var guessed *challenge.GuessError
	if errors.As(err, &guessed) {
		s.noteFailure(c, event.CodeFailed, guessed.UserID)
	}
	var spent *challenge.TriesError
	if errors.As(err, &spent) {
		after := min(max(spent.RetryAfter, time.Second), maxRetryAfter)
		return challenge.Proved{}, &LimitedError{Budget: codeTries, RetryAfter: after}
	}
	return proved, err
}

// redeem locks the user of a proved challenge, and uses the challenge up. The user may have been
// deactivated or deleted meanwhile, or have got another address, which the undo of a change is for:
// then it fails with [ErrInvalidCode].
func (s *Service) redeem(ctx context.Context, tx store.Tx, p challenge.Proved) (db.User, error) {
	user, err := tx.UserGetForUpdate(ctx, p.UserID)
	if err != nil {
		return db.User{}, store.ErrorOr(err, ErrInvalidCode)
	}
	if !user.IsActive || user.EmailKey != p.EmailKey && p.Purpose != challenge.UndoEmailChange {
		return db.User{}, ErrInvalidCode
	}
	return user, s.opts.Challenges.Use(ctx, tx, p)
}

// useOwn judges a code of the user of a session, and carries out in one transaction what it opens.
// The transaction has locked the user's row, and the session lives until its end. It fails with
// [ErrInvalidCode], [ErrInvalidToken] if the session has ended, a [*LimitedError],
// [ErrUnavailable], or as the rest does.
func (s *Service) useOwn(
	ctx context.Context, c Caller, p Principal, purpose challenge.Purpose, a CodeAnswer,
	then func(store.Tx, db.User, challenge.Proved) error,
) error {
	emailKey, err := account.CanonicalEmail(p.User.Email)
	if err != nil {
		return err
	}
	proved, err := s.tryCode(ctx, c, purpose, a, emailKey)
	if err != nil {
		return err
	}
	if proved.UserID != p.User.ID {
		return ErrInvalidCode // of another account, whoever has given it away
	}
	return store.InTx(ctx, s.opts.DB, func(tx store.Tx) error {
		user, err := s.redeem(ctx, tx, proved)
		if err != nil {
			return err
		}
		if err := s.holdSession(ctx, tx, p); err != nil {
			return err
		}
		return then(tx, user, proved)
	})
}

// claimMailbox records that the user has proved its mailbox, and reports whether that is the first
// time. Then somebody else may have made the account, with a password and sessions of their own.
// session is the one that asks, or zero.
func (s *Service) claimMailbox(
	ctx context.Context, tx store.Tx, c Caller, user db.User, session uuid.UUID,
) (first bool, err error) {
	n, err := tx.UserVerifyEmail(ctx, db.UserVerifyEmailParams{ID: user.ID, Now: s.opts.Now()})
	if err != nil || n == 0 {
		return false, store.Error(err)
	}
	actor := event.User
	if session == uuid.Nil {
		actor = event.Unknown
	}
	return true, s.record(ctx, tx, c, event.Event{
		Type: event.EmailVerified, UserID: user.ID, Actor: actor, SessionID: session,
	})
}

// SweepChallenges deletes challenges that have expired, in batches, and returns how many.
func (s *Service) SweepChallenges(ctx context.Context) (int64, error) {
	return s.opts.Challenges.Sweep(ctx)
}
