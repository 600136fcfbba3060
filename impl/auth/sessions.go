package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

var (
	// ErrNoSession says that the user has no such session.
	ErrNoSession = errors.New("no such session")
	// ErrInvalidRefresh says that a refresh token can't be exchanged, whatever is wrong with it.
	ErrInvalidRefresh = errors.New("invalid refresh token")
	// ErrRefreshReused says that a refresh token was exchanged before, and that its session has been ended for it: one of the
	// two who had it was not its owner.
	ErrRefreshReused = errors.New("refresh token reused")

	errSessionEnded = errors.New("its session has ended")
)

// SessionTimes bound how long sessions last.
type SessionTimes struct {
	// Idle is how long a refresh token is good for since its session was last refreshed.
	Idle time.Duration
	// Lifetime is how long a session lasts at most, however often it is refreshed.
	Lifetime time.Duration
	// ReuseWindow is how long the predecessor of the newest refresh token gets that token again: for those who
	// refresh at the same moment, and for whom an answer didn't reach.
	ReuseWindow time.Duration
}

func (t SessionTimes) check() error {
	if t.Idle < time.Second || t.Lifetime < t.Idle || t.ReuseWindow < 0 || t.ReuseWindow >= t.Idle {
		return fmt.Errorf("sessions of %s at most, %s idle, with a window of %s, can't be", t.Lifetime, t.Idle, t.ReuseWindow)
	}
	return nil
}

// DefaultSessionsPerUser is that of `latchkey serve`.
const DefaultSessionsPerUser = 100

// DefaultSessionTimes are those of `latchkey serve`.
var DefaultSessionTimes = SessionTimes{Idle: 30 * 24 * time.Hour, Lifetime: 90 * 24 * time.Hour, ReuseWindow: 10 * time.Second}

// Grant is what a log-in, a registration and a refresh give.
type Grant struct {
	User             User // of a refresh, only its id, email and username
	Access           AccessToken
	Refresh          secret.Text
	RefreshExpiresIn time.Duration
}

// newSession is what a session begins with.
type newSession struct {
	id                 uuid.UUID
	userAgent, address string
	idle, lifetime     time.Duration
}

// newSession fails with [ErrUnavailable] where no key would sign its tokens.
func (s *Service) newSession(c Caller) (newSession, error) {
	if err := s.tokens.keys.Ready(); err != nil {
		return newSession{}, err
	}
	id, err := uuid.NewV7()
	address := "unknown"
	if c.Address.IsValid() {
		address = c.Address.String()
	}
	return newSession{
		id: id, userAgent: shortUserAgent(c.UserAgent), address: address, idle: s.sessions.Idle, lifetime: s.sessions.Lifetime,
	}, err
}

// grant makes the tokens of a session's generation.
func (s *Service) grant(user User, session uuid.UUID, generation int32, expiresIn time.Duration) (Grant, error) {
	access, err := s.tokens.Issue(Subject{UserID: user.ID, SessionID: session, Email: user.Email, Username: user.Username})
	if err != nil {
		return Grant{}, err
	}
	return Grant{User: user, Access: access, Refresh: s.refreshTokens.issue(session, generation), RefreshExpiresIn: expiresIn}, nil
}

// Session is one of a user's sessions.
type Session struct {
	ID        uuid.UUID
	UserAgent string
	Address   string
	CreatedAt time.Time
	UsedAt    time.Time // when it was last refreshed
	ExpiresAt time.Time
}

// maxUserAgent bounds what is kept of a client's own name, in bytes.
const maxUserAgent = 256

// shortUserAgent is what is kept of it: printable, and not too long.
func shortUserAgent(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), maxUserAgent)]
}

// Refresh exchanges a refresh token for new tokens, by one statement. Of all who present one token at the same moment, and of
// those who present it again within the window, each gets the same successor.
//
// It fails with [ErrInvalidRefresh], also beside a valid access token of another user, [ErrRefreshReused], a [*LimitedError] or [ErrUnavailable].
func (s *Service) Refresh(ctx context.Context, c Caller, token secret.Text) (Grant, error) {
	grant, err := s.refresh(ctx, c, token)
	s.counters.countRefresh(err)
	return grant, err
}

func (s *Service) refresh(ctx context.Context, c Caller, token secret.Text) (Grant, error) {
	session, generation, err := s.refreshTokens.read(token)
	if err != nil {
		return Grant{}, fmt.Errorf("%w: %w", ErrInvalidRefresh, err)
	}
	// Nothing is rotated where no key would sign what comes of it.
	if err := s.tokens.keys.Ready(); err != nil {
		return Grant{}, err
	}
	budget := s.limiter.refreshes()
	key := refreshKey{session: session, generation: generation}
	if c.Session != nil {
		key.owner = c.Session.UserID
	}
	row, err := s.refreshes.do(ctx, key, func(ctx context.Context) (db.SessionRefreshRow, error) {
		return s.users.SessionRefresh(ctx, db.SessionRefreshParams{
			ID: session, Generation: generation, Owner: key.owner, DatabaseNow: s.databaseNow(), ReuseWindow: s.sessions.ReuseWindow, Idle: s.sessions.Idle,
			BudgetStep: budget.Step, BudgetWindow: budget.Window(),
		})
	})
	switch err := storeError(err); {
	case errors.Is(err, ErrNoUser):
		return Grant{}, fmt.Errorf("%w: no such session", ErrInvalidRefresh)
	case err != nil:
		return Grant{}, err
	case row.IsReused:
		return Grant{}, fmt.Errorf("%w: of user %s", ErrRefreshReused, row.UserID)
	case row.IsLimited:
		return Grant{}, &LimitedError{Budget: budget, RetryAfter: max(row.BudgetAt.Add(budget.Step-budget.Window()).Sub(row.Now), time.Second)}
	case !row.IsAlive:
		return Grant{}, fmt.Errorf("%w: %w", ErrInvalidRefresh, errSessionEnded)
	case row.Generation == 0:
		return Grant{}, fmt.Errorf("%w: the session has no such token", ErrInvalidRefresh)
	}
	return s.grant(User{ID: row.UserID, Email: row.Email, Username: row.Username}, session, row.Generation, row.ExpiresAt.Sub(row.Now))
}

// Sessions lists a user's sessions that live, the newest first.
func (s *Service) Sessions(ctx context.Context, user uuid.UUID) ([]Session, error) {
	rows, err := s.users.SessionListByUser(ctx, db.SessionListByUserParams{UserID: user, Now: s.now()})
	if err != nil {
		return nil, storeError(err)
	}
	sessions := make([]Session, len(rows))
	for i, row := range rows {
		sessions[i] = Session{
			ID: row.ID, UserAgent: row.UserAgent, Address: row.Address,
			CreatedAt: row.CreatedAt.UTC(), UsedAt: row.RotatedAt.UTC(), ExpiresAt: row.ExpiresAt.UTC(),
		}
	}
	return sessions, nil
}

// EndSession ends a session of a user. It fails with [ErrNoSession], also for one of another user, or [ErrUnavailable].
func (s *Service) EndSession(ctx context.Context, user, session uuid.UUID) error {
	ended, err := s.users.SessionEnd(ctx, db.SessionEndParams{ID: session, UserID: user})
	if err == nil && ended == 0 {
		return ErrNoSession
	}
	return storeError(err)
}

// EndSessions ends all sessions of a user, in one statement whatever their number. If the account knows the address that
// asks, it stays known, so that strangers' failures don't keep the owner out. It fails with [ErrUnavailable].
func (s *Service) EndSessions(ctx context.Context, c Caller, user User) error {
	key, err := CanonicalEmail(user.Email)
	if err != nil {
		return err
	}
	return storeError(s.users.UserEndSessions(ctx, db.UserEndSessionsParams{ID: user.ID, Now: s.now(), PairKey: s.limiter.pairOf(c, key)}))
}

// Revoke ends the session that a token of either kind is of (RFC 7009 section 2.1). What isn't a token of ours, or has
// expired, needs no revoking. It fails with [ErrUnavailable].
func (s *Service) Revoke(ctx context.Context, token secret.Text) error {
	session, _, err := s.refreshTokens.read(token)
	if err != nil {
		claims, err := s.tokens.Check(ctx, token.Reveal())
		switch {
		case errors.Is(err, ErrInvalidToken):
			return nil // RFC 7009 section 2.2: an invalid token is no error
		case err != nil:
			return err
		}
		session = claims.SessionID
	}
	return storeError(s.users.SessionRevoke(ctx, session))
}

// SweepSessions forgets sessions that have ended, in batches, and answers how many.
func (s *Service) SweepSessions(ctx context.Context) (total int64, err error) {
	for {
		n, err := s.users.SessionSweep(ctx, db.SessionSweepParams{Now: s.now(), Batch: sweepBatch})
		total += n
		if err != nil || n < sweepBatch {
			return total, storeError(err)
		}
	}
}
