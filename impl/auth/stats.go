package auth

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// Stats are figures for who watches over the service, all counted at this instance since its start
// but for what says otherwise.
type Stats struct {
	LoginsSucceeded, LoginsFailed uint64
	// LimitedByAccount, LimitedByAddress, LimitedByOwn and LimitedBySession count attempts that a
	// budget refused.
	LimitedByAccount, LimitedByAddress, LimitedByOwn, LimitedBySession uint64
	// Refreshed counts exchanged refresh tokens, RefreshesReused those that ended their session
	// since they were exchanged before.
	Refreshed, RefreshesReused uint64
	// HashesWaiting and HashesRunning are passwords that wait and that are hashed at the moment.
	// HashesRefused counts those for which there was no room or no time.
	HashesWaiting, HashesRunning int
	HashesRefused                uint64
	// HashBytes is the memory that hashing uses or keeps.
	HashBytes uint64
}

// counters are the part of the figures that only grows.
type counters struct {
	succeeded, failed, byAccount, byAddress, byOwn, bySession, refreshed, reused atomic.Uint64
}

// Stats returns the figures of this moment.
func (s *Service) Stats() Stats {
	stats := Stats{
		LoginsSucceeded:  s.counters.succeeded.Load(),
		LoginsFailed:     s.counters.failed.Load(),
		LimitedByAccount: s.counters.byAccount.Load(),
		LimitedByAddress: s.counters.byAddress.Load(),
		LimitedByOwn:     s.counters.byOwn.Load(),
		LimitedBySession: s.counters.bySession.Load(),
		Refreshed:        s.counters.refreshed.Load(),
		RefreshesReused:  s.counters.reused.Load(),
	}
	hashes := s.opts.Hasher.Queue().Stats()
	stats.HashesWaiting, stats.HashesRunning, stats.HashesRefused = hashes.Waiting, hashes.Running, hashes.Refused
	stats.HashBytes = hashes.Bytes
	return stats
}

// count counts a login by its outcome.
func (c *counters) count(err error) {
	var failed *LoginError
	switch {
	case err == nil:
		c.succeeded.Add(1)
	case errors.As(err, &failed), errors.Is(err, ErrInvalidCode):
		c.failed.Add(1)
	default:
		c.countLimited(err)
	}
}

// countLimited keeps the figures of what a budget has refused.
func (c *counters) countLimited(err error) {
	var limited *LimitedError
	switch {
	case !errors.As(err, &limited), limited.Budget == codeTries:
	case limited.Budget.Name == "address":
		c.byAddress.Add(1)
	case limited.Budget.Name == "own":
		c.byOwn.Add(1)
	default:
		c.byAccount.Add(1)
	}
}

// countRefresh keeps the figures of a refresh's outcome.
func (c *counters) countRefresh(err error) {
	var limited *LimitedError
	switch {
	case err == nil:
		c.refreshed.Add(1)
	case errors.Is(err, ErrRefreshReused):
		c.reused.Add(1)
	case errors.As(err, &limited):
		c.bySession.Add(1)
	}
}

// Mails are the mails of all instances that were not sent.
type Mails struct {
	// Waiting wait for their first attempt or are being sent, and Retrying have failed before.
	Waiting, Retrying int64
	// GivenUp were refused by the mail server, or failed for two days. They are forgotten after a
	// week.
	GivenUp int64
}

// Mails asks the database for the mails that were not sent. It fails with [ErrUnavailable].
func (s *Service) Mails(ctx context.Context) (Mails, error) {
	row, err := s.queries.MailCount(ctx)
	return Mails{Waiting: row.Waiting, Retrying: row.Retrying, GivenUp: row.GivenUp}, store.Error(err)
}
