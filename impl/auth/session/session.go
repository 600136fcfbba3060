// Package session opens, refreshes and ends sessions. A login opens a session, and its refresh
// token continues it. All refresh tokens of a session are one family: each is exchanged once, for
// the next one.
//
// A session ends in one of these ways:
//
//   - its user logs out, or a client revokes a token of it: [Sessions.End], [Sessions.Revoke]
//   - a refresh token of it is used again: the query SessionRefresh deletes it, see
//     [ErrRefreshReused]
//   - the user has too many sessions: the query SessionTrim deletes the least recently used one
//   - it expires: [Times.Idle], [Times.Lifetime]
//   - all sessions of its user end, as with another password or a deactivation: the query
//     UserEndSessions dates users.tokens_not_before, and [Sessions.Sweep] deletes the rows later
//   - its user is deleted
package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

var (
	// ErrNone reports that the user has no such session.
	ErrNone = errors.New("no such session")
	// ErrInvalidRefresh reports that a refresh token can't be exchanged, for any reason.
	ErrInvalidRefresh = errors.New("invalid refresh token")
	// ErrOtherOwner reports an [ErrInvalidRefresh] of a token that may be valid: the access token
	// that was sent with it belongs to another user.
	ErrOtherOwner = errors.New("the token of another user")
	// ErrRefreshReused reports that a refresh token was exchanged before, and that its session was
	// ended for that reason. Two clients had the token, and one of them was not its owner.
	ErrRefreshReused = errors.New("refresh token reused")
	// ErrBeyondScope reports that a refresh asks for a scope that the session wasn't opened with.
	// The refresh token stays as good as it was.
	ErrBeyondScope = errors.New("beyond the scopes of the session")
	// ErrEnded reports that a session has ended.
	ErrEnded = errors.New("its session has ended")
)

// Times bound how long sessions last.
type Times struct {
	// Idle is how long a refresh token is good for since its session was last refreshed.
	Idle time.Duration
	// Lifetime is how long a session lasts at most, however often it is refreshed.
	Lifetime time.Duration
	// ReuseWindow is how long the predecessor of the newest refresh token gets that token again:
	// for clients that refresh at the same moment, and for clients that an answer didn't reach.
	ReuseWindow time.Duration
}

func (t Times) check() error {
	if t.Idle < time.Second || t.Lifetime < t.Idle || t.ReuseWindow < 0 || t.ReuseWindow >= t.Idle {
		return fmt.Errorf("sessions of %s at most, %s idle, with a window of %s, can't be", t.Lifetime, t.Idle, t.ReuseWindow)
	}
	return nil
}

// Options are what [Sessions] are made of.
type Options struct {
	store.Options
	Times Times
	// PerUser is how many sessions a user has at most.
	PerUser int
}

// Sessions opens, refreshes, lists and ends sessions. It is safe for concurrent use.
type Sessions struct {
	opts      Options
	queries   *db.Queries
	tokens    refreshTokens
	refreshes refreshes
}

// New returns [Sessions], and refuses a missing dependency.
func New(o Options) (*Sessions, error) {
	if o.DB == nil || o.Now == nil || o.PerUser < 1 {
		return nil, errors.New("session: a database, a clock and a number of sessions are needed")
	}
	if err := o.Times.check(); err != nil {
		return nil, err
	}
	tokens, err := newRefreshTokens(o.Secret, o.Previous)
	if err != nil {
		return nil, err
	}
	return &Sessions{opts: o, queries: db.New(o.DB), tokens: tokens}, nil
}

// Beginning is what a session begins with.
type Beginning struct {
	UserID uuid.UUID
	// ValidFrom dates the session: after the last change of the user's credentials.
	ValidFrom time.Time
	// Methods are how the user has proved who it is (RFC 8176).
	Methods []string
	// Scopes are those that were asked for.
	Scopes             []string
	UserAgent, Address string
}

// Tokens is what a client gets of a session, apart from its access token.
type Tokens struct {
	SessionID uuid.UUID
	// AuthTime is when the user last proved who it is, and Methods how (RFC 8176).
	AuthTime time.Time
	Methods  []string
	// Scopes are the scopes that the login requested, also those that the user doesn't hold.
	Scopes    []string
	Refresh   secret.Text
	ExpiresIn time.Duration
}

// Open opens a session in a transaction that has locked the user's row. Beyond the number that a
// user may have it ends those that were used least recently.
func (s *Sessions) Open(ctx context.Context, tx store.Tx, b Beginning) (Tokens, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Tokens{}, err
	}
	now := s.opts.Now()
	err = tx.SessionOpen(ctx, db.SessionOpenParams{
		ID: id, UserID: b.UserID, Now: now, CreatedAt: b.ValidFrom, Idle: s.opts.Times.Idle, Lifetime: s.opts.Times.Lifetime,
		UserAgent: ShortUserAgent(b.UserAgent), Address: b.Address, Methods: b.Methods,
		Scopes: b.Scopes,
	})
	if err != nil {
		return Tokens{}, store.Error(err)
	}
	if err := tx.SessionTrim(ctx, db.SessionTrimParams{UserID: b.UserID, Keep: int32(s.opts.PerUser)}); err != nil {
		return Tokens{}, store.Error(err)
	}
	return Tokens{
		SessionID: id, AuthTime: now, Methods: b.Methods, Scopes: b.Scopes,
		Refresh: s.tokens.issue(id, 1), ExpiresIn: s.opts.Times.Idle,
	}, nil
}

// Prove records that the user of a session has proved again who it is, in a transaction that has
// locked the user's row. It returns the session's newest refresh token, and fails with [ErrEnded].
func (s *Sessions) Prove(ctx context.Context, tx store.Tx, user, session uuid.UUID, methods []string) (Tokens, error) {
	now := s.opts.Now()
	row, err := tx.SessionProve(ctx, db.SessionProveParams{ID: session, UserID: user, Now: now, Methods: methods})
	if err != nil {
		return Tokens{}, store.ErrorOr(err, ErrEnded)
	}
	return Tokens{
		SessionID: session, AuthTime: now, Methods: row.Methods, Scopes: row.Scopes,
		Refresh: s.tokens.issue(session, row.Generation), ExpiresIn: row.ExpiresAt.Sub(now),
	}, nil
}

// Hold keeps a session from being ended until the end of a transaction that has locked the user's
// row. It fails with [ErrEnded].
func (s *Sessions) Hold(ctx context.Context, tx store.Tx, user, session uuid.UUID) error {
	_, err := tx.SessionHold(ctx, db.SessionHoldParams{ID: session, UserID: user, Now: s.opts.Now()})
	return store.ErrorOr(err, ErrEnded)
}

// Session is one of a user's sessions. UsedAt is when it was last refreshed.
type Session = db.SessionListByUserRow

// maxUserAgent bounds the stored part of a client's name, in bytes.
const maxUserAgent = 256

// ShortUserAgent returns the stored part of a client's name: printable, and not too long.
func ShortUserAgent(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), maxUserAgent)]
}

// List returns a user's sessions that live, the newest first. It fails with [store.ErrUnavailable].
func (s *Sessions) List(ctx context.Context, user uuid.UUID) ([]Session, error) {
	sessions, err := s.queries.SessionListByUser(ctx, db.SessionListByUserParams{UserID: user, Now: s.opts.Now()})
	if err != nil {
		return nil, store.Error(err)
	}
	for i, row := range sessions {
		sessions[i].CreatedAt, sessions[i].UsedAt = row.CreatedAt.UTC(), row.UsedAt.UTC()
		sessions[i].ExpiresAt = row.ExpiresAt.UTC()
	}
	return sessions, nil
}

// End ends a session of a user. It fails with [ErrNone], also for one of another user, or
// [store.ErrUnavailable].
func (s *Sessions) End(ctx context.Context, tx store.Tx, user, session uuid.UUID) error {
	ended, err := tx.SessionEnd(ctx, db.SessionEndParams{ID: session, UserID: user})
	if err == nil && ended == 0 {
		return ErrNone
	}
	return store.Error(err)
}

// Revoke ends a session for a client that has a token of it, and returns its user. It fails with
// [ErrNone] if the session has ended.
func (s *Sessions) Revoke(ctx context.Context, tx store.Tx, session uuid.UUID) (user uuid.UUID, err error) {
	user, err = tx.SessionRevoke(ctx, session)
	return user, store.ErrorOr(err, ErrNone)
}

// OfRefreshToken returns the session of a refresh token, and whether it is a token of ours. The
// session may have ended.
func (s *Sessions) OfRefreshToken(token secret.Text) (uuid.UUID, bool) {
	session, _, err := s.tokens.read(token)
	return session, err == nil
}

// Sweep deletes sessions that have expired, and those of users whose sessions were all ended, in
// batches. It returns how many it has deleted.
func (s *Sessions) Sweep(ctx context.Context) (int64, error) {
	expired, err := store.InBatches(func(batch int32) (int64, error) {
		return s.queries.SessionSweep(ctx, db.SessionSweepParams{DatabaseNow: s.opts.DatabaseTime(), Batch: batch})
	})
	if err != nil {
		return expired, err
	}
	ended, err := store.InBatches(func(batch int32) (int64, error) {
		params := db.SessionSweepEndedParams{DatabaseNow: s.opts.DatabaseTime(), Batch: batch}
		return s.queries.SessionSweepEnded(ctx, params)
	})
	return expired + ended, err
}

// DeleteAll deletes the sessions of a user, in batches, in a transaction that has locked the user's
// row. It leaves those that another transaction has locked.
func (s *Sessions) DeleteAll(ctx context.Context, tx store.Tx, user uuid.UUID) error {
	_, err := store.InBatches(func(batch int32) (int64, error) {
		return tx.SessionDeleteSome(ctx, db.SessionDeleteSomeParams{UserID: user, Batch: batch})
	})
	return err
}
