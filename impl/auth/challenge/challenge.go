// Package challenge is about codes and tokens of links, which are mailed to an address and have to
// come back. Nothing that is stored opens anything, because both are derived from the secret key.
//
// A client that asks for a challenge gets a request, and keeps it. A code counts only for the
// challenge of its request, and at most [Tries] codes are compared.
package challenge

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// Purpose is what a challenge is for. A code or a link for one purpose is none for another.
type Purpose string

// The purposes. They are stored, and go into each code.
const (
	VerifyEmail   Purpose = "verify_email"
	ResetPassword Purpose = "reset_password"
	LoginCode     Purpose = "login_code"
	// ChangeEmail is mailed to the address that an account is to get.
	ChangeEmail Purpose = "change_email"
	// UndoEmailChange is mailed to the address that an account has left. The address is held for
	// the account as long as the challenge is open: the database gives it to nobody else.
	UndoEmailChange Purpose = "undo_email_change"
	// ContinueLogin is for a login whose password was right, and whose user never proved its
	// mailbox.
	ContinueLogin Purpose = "continue_login"
	// CompleteRegistration is for a registration that waits. Its address has no account.
	CompleteRegistration Purpose = "complete_registration"
	// Invitation is for the first password of a user whom an operator has made. Its code never
	// counts, because the invited person has no request for it: only the token of the link does.
	Invitation Purpose = "invitation"
	// OperatorReset is for a new password that an operator has asked for. Its code never counts, as
	// that of an Invitation.
	OperatorReset Purpose = "operator_reset"
)

const (
	// CodeTTL is how long a code is good: ASVS 6.5.5 has 10 minutes at most for what goes out of
	// band.
	CodeTTL = 10 * time.Minute
	// verifyLinkTTL is for the link of a verification, which people open when they next read their
	// mail. It counts only together with the account's own access token.
	verifyLinkTTL = 24 * time.Hour
	// UndoTTL is how long a change of an email can be undone: a long weekend.
	UndoTTL = 72 * time.Hour
	// InvitationTTL is how long an invitation is good: people come back from a week off.
	InvitationTTL = 7 * 24 * time.Hour
	// OperatorResetTTL is for a mail that its reader hasn't asked for, and doesn't wait for.
	OperatorResetTTL = 24 * time.Hour
	// Tries is the largest number of codes that are compared with that of one challenge (ASVS
	// 6.6.3). With ten challenges an hour, a guesser hits one code in 2,000,000 hours.
	Tries = 5
)

// ttls are for the purposes whose challenges can be answered after their code has expired.
var ttls = map[Purpose]time.Duration{
	VerifyEmail:     verifyLinkTTL,
	UndoEmailChange: UndoTTL,
	Invitation:      InvitationTTL,
	OperatorReset:   OperatorResetTTL,
}

// ttl is how long a challenge can be answered at all.
func (p Purpose) ttl() time.Duration { return cmp.Or(ttls[p], CodeTTL) }

var (
	// ErrWrong reports that an answer is wrong, or that its challenge has expired, was used or was
	// replaced by another.
	ErrWrong = errors.New("the code is not valid")
	// ErrNoMail reports that there is nothing to send any more: the challenge has ended, or nobody
	// has the address.
	ErrNoMail = errors.New("there is nothing to send")
)

// TriesError reports that a challenge has had all its tries.
type TriesError struct {
	// RetryAfter is when the challenge has expired. Another one may be asked for at once.
	RetryAfter time.Duration
}

func (*TriesError) Error() string { return "the challenge has had all its tries" }

// GuessError is an [ErrWrong] whose challenge is a user's. Its client must not learn that.
type GuessError struct{ UserID uuid.UUID }

func (*GuessError) Error() string { return ErrWrong.Error() }

// Unwrap makes every GuessError an [ErrWrong].
func (*GuessError) Unwrap() error { return ErrWrong }

// Challenges makes challenges and checks the answers to them. It is safe for concurrent use.
type Challenges struct {
	Codes
	opts    store.Options
	queries *db.Queries
}

// New returns [Challenges], and refuses a missing dependency.
func New(o store.Options) (*Challenges, error) {
	if o.DB == nil || o.Now == nil {
		return nil, errors.New("challenge: a database and a clock are needed")
	}
	codes, err := NewCodes(o.Secret, o.Previous)
	if err != nil {
		return nil, err
	}
	return &Challenges{Codes: codes, opts: o, queries: db.New(o.DB)}, nil
}

// Request is what a client gets that has asked for a code. It is the same for an address without an
// account.
type Request struct {
	// Request is what the code counts with.
	Request   secret.Text
	ExpiresIn time.Duration
}

// Opened is a new challenge.
type Opened struct {
	Request
	ID uuid.UUID
	// Email is where the mail goes: as the account has it, or else as it was asked for.
	Email string
	// Language is the user's locale; empty where there is none.
	Language string
	At       time.Time
}

// Open makes a challenge for an address, in a transaction. It ends the challenge of the same
// purpose and address that the same network has asked for before. It leaves those of other
// networks: otherwise a stranger could end each code before its owner enters it. It does the same
// for an address without an account.
func (c *Challenges) Open(
	ctx context.Context, tx store.Tx, p Purpose, email, emailKey, network string,
) (Opened, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Opened{}, err
	}
	now := c.opts.Now()
	row, err := tx.ChallengeOpen(ctx, db.ChallengeOpenParams{
		ID: id, Purpose: string(p), EmailKey: emailKey, Email: email, Network: network, Now: now, ExpiresAt: now.Add(p.ttl()),
	})
	if err != nil {
		return Opened{}, store.Error(err)
	}
	return c.opened(p, id, row.Email, row.Locale, now), nil
}

func (c *Challenges) opened(p Purpose, id uuid.UUID, email string, locale *string, at time.Time) Opened {
	return Opened{
		Request: Request{c.Request(p, id), CodeTTL}, ID: id, Email: email, Language: store.OrZero(locale), At: at,
	}
}

// Own is what a challenge of a user is made of, if its mail may go to another address than the
// user's.
type Own struct {
	User uuid.UUID
	// Email is where the mail goes.
	Email string
	// NewEmail is the other address in the mail; empty for none.
	NewEmail string
}

// OpenOwn makes a challenge of a user, in a transaction. It ends the challenge of the same purpose
// that there was for the address that the account has now. It fails with [store.ErrNotFound] if the
// user was deactivated or deleted, or with [store.ErrUnavailable].
func (c *Challenges) OpenOwn(ctx context.Context, tx store.Tx, p Purpose, own Own) (Opened, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Opened{}, err
	}
	now := c.opts.Now()
	row, err := tx.ChallengeOpenOwn(ctx, db.ChallengeOpenOwnParams{
		ID: id, Purpose: string(p), UserID: own.User, Email: own.Email, NewEmail: store.Null(own.NewEmail), Now: now,
		ExpiresAt: now.Add(p.ttl()),
	})
	if err != nil {
		return Opened{}, store.Error(err)
	}
	return c.opened(p, id, own.Email, row.Locale, row.CreatedAt), nil
}

// Answer is what came back.
type Answer struct {
	// Request is what who asked for the challenge got, or nothing.
	Request secret.Text
	// Code is the code or the token of the link.
	Code secret.Text
}

// Proved is a challenge that was answered rightly. It is used up by [Challenges.Use] alone, or with
// its registration.
type Proved struct {
	Purpose Purpose
	ID      uuid.UUID
	// UserID is the zero UUID for a registration.
	UserID uuid.UUID
	// EmailKey is that of the user when the challenge was made. Email is where the mail went.
	EmailKey, Email string
	CreatedAt       time.Time
}

// Try checks an answer. It counts the try before it compares, whatever happens after that.
//
// The token of a link names its challenge. A code belongs to the challenge of the request. A client
// that has proved its own address may leave the request out. emailKey is that address, and empty
// for any other client. Try fails with [ErrWrong], a [*GuessError], a [*TriesError] or
// [store.ErrUnavailable].
func (c *Challenges) Try(ctx context.Context, p Purpose, a Answer, emailKey string) (Proved, error) {
	id, isLink, err := c.named(ctx, p, a, emailKey)
	if err != nil {
		return Proved{}, err
	}
	now := c.opts.Now()
	row, err := c.queries.ChallengeTry(ctx, db.ChallengeTryParams{ID: id, Purpose: string(p), Tries: Tries, Now: now})
	if err = store.Error(err); errors.Is(err, store.ErrNotFound) {
		return Proved{}, c.whyNot(ctx, p, id, now)
	} else if err != nil {
		return Proved{}, err
	}
	isRight := isLink || c.IsCode(p, id, a.Code) && now.Before(row.CreatedAt.Add(CodeTTL))
	proved := Proved{Purpose: p, ID: id, EmailKey: row.EmailKey, Email: row.Email, CreatedAt: row.CreatedAt}
	switch {
	case p == CompleteRegistration && isRight:
		return proved, nil
	case p == CompleteRegistration, row.UserID == nil:
		// Nobody has got the code of an address without an account. Guessed, it opens nothing.
		return Proved{}, ErrWrong
	case !isRight:
		return Proved{}, &GuessError{UserID: *row.UserID}
	}
	proved.UserID = *row.UserID
	return proved, nil
}

// whyNot returns why a challenge takes no try: a [*TriesError] or [ErrWrong].
func (c *Challenges) whyNot(ctx context.Context, p Purpose, id uuid.UUID, now time.Time) error {
	expiresAt, err := c.queries.ChallengeGetSpent(ctx, db.ChallengeGetSpentParams{
		ID: id, Purpose: string(p), Tries: Tries, Now: now,
	})
	if err != nil {
		return store.ErrorOr(err, ErrWrong)
	}
	return &TriesError{RetryAfter: expiresAt.Sub(now)}
}

// named returns the challenge that an answer is for, and whether the answer is the token of its
// link.
func (c *Challenges) named(ctx context.Context, p Purpose, a Answer, emailKey string) (uuid.UUID, bool, error) {
	request, hasRequest := c.ReadRequest(p, a.Request)
	link, isLink := c.ReadLink(p, a.Code)
	switch {
	case !a.Request.IsZero() && !hasRequest, hasRequest && isLink && request != link:
		return uuid.Nil, false, ErrWrong
	case isLink:
		return link, true, nil
	case hasRequest:
		return request, false, nil
	case emailKey == "":
		return uuid.Nil, false, ErrWrong
	}
	id, err := c.queries.ChallengeGetID(ctx, db.ChallengeGetIDParams{EmailKey: emailKey, Purpose: string(p)})
	return id, false, store.ErrorOr(err, ErrWrong)
}

// GiveBack takes back the try of a right answer that was refused for another reason.
func (c *Challenges) GiveBack(ctx context.Context, p Proved) error {
	return store.Error(c.queries.ChallengeGiveBack(context.WithoutCancel(ctx), p.ID))
}

// Use uses a challenge up, in the transaction of what it opens, which has locked the user's row. Of
// several that have proved the same challenge, all but one fail with [ErrWrong].
func (c *Challenges) Use(ctx context.Context, tx store.Tx, p Proved) error {
	now := c.opts.Now()
	n, err := tx.ChallengeUse(ctx, db.ChallengeUseParams{ID: p.ID, UserID: &p.UserID, Now: &now})
	if err == nil && n == 0 {
		return ErrWrong
	}
	return store.Error(err)
}

// End ends all challenges of a user but the undos of email changes, in a transaction that has
// locked the user's row: a code that was mailed before must not undo a new password or a
// deactivation.
func (c *Challenges) End(ctx context.Context, tx store.Tx, user uuid.UUID) error {
	return store.Error(tx.ChallengeEnd(ctx, user))
}

// EndUndos ends the undos of a user's email changes since a moment, or all for the zero time, in a
// transaction that has locked the user's row.
func (c *Challenges) EndUndos(ctx context.Context, tx store.Tx, user uuid.UUID, since time.Time) error {
	return store.Error(tx.ChallengeEndUndos(ctx, db.ChallengeEndUndosParams{UserID: user, Since: since}))
}

// TakeBack ends the undos of a user's email changes since the user has left an address, and reports
// whether it has ended any. The transaction has locked the user's row.
func (c *Challenges) TakeBack(ctx context.Context, tx store.Tx, user uuid.UUID, emailKey string) (bool, error) {
	n, err := tx.ChallengeTakeBack(ctx, db.ChallengeTakeBackParams{UserID: user, EmailKey: emailKey, Now: c.opts.Now()})
	return n > 0, store.Error(err)
}

// Mail is what the mail of a challenge says.
type Mail struct {
	Purpose         Purpose
	Email, Username string
	// UserID is the user who gets what the code is for.
	UserID uuid.UUID
	// NewEmail is the address that the account got, of the undo of a change.
	NewEmail   string
	Code, Link secret.Text
	// At is when it was asked for. CodeEndsAt and LinkEndsAt are when code and link expire.
	At, CodeEndsAt, LinkEndsAt time.Time
}

// Mail returns what the mail of a challenge says. It fails with [ErrNoMail] or
// [store.ErrUnavailable].
func (c *Challenges) Mail(ctx context.Context, id uuid.UUID) (Mail, error) {
	row, err := c.queries.ChallengeGetMail(ctx, db.ChallengeGetMailParams{ID: id, Now: c.opts.Now()})
	if err != nil {
		return Mail{}, store.ErrorOr(err, ErrNoMail)
	}
	mail := c.MailOf(Purpose(row.Purpose), id, row.Email, row.Username, row.CreatedAt, row.ExpiresAt)
	mail.UserID, mail.NewEmail = row.UserID, store.OrZero(row.NewEmail)
	return mail, nil
}

// MailOf returns what the mail of a challenge says that was asked for and ends at these times.
func (c *Challenges) MailOf(p Purpose, id uuid.UUID, email, username string, at, ends time.Time) Mail {
	return Mail{
		Purpose: p, Email: email, Username: username, Code: c.Code(p, id), Link: c.Link(p, id),
		At: at.UTC(), CodeEndsAt: at.UTC().Add(CodeTTL), LinkEndsAt: ends.UTC(),
	}
}

// Sweep deletes challenges that have expired, in batches. It returns how many it has deleted.
func (c *Challenges) Sweep(ctx context.Context) (int64, error) {
	return store.InBatches(func(batch int32) (int64, error) {
		return c.queries.ChallengeSweep(ctx, db.ChallengeSweepParams{DatabaseNow: c.opts.DatabaseTime(), Batch: batch})
	})
}
