package ratelimit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/recent"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

const (
	// KnownFor is how long an address counts as known to an account after a login.
	KnownFor = 90 * 24 * time.Hour
	// refusedKeys bounds how many refusals are remembered, at about 200 bytes each, 13 MB.
	refusedKeys = 65536
	// refusedFor is how long a refusal is remembered. By then an attempt may have been given back,
	// or the address have become known, at another instance.
	refusedFor = 5 * time.Second
)

// Limiter charges attempts to budgets. All instances share the budgets, which are in the database.
// A nil Limiter bounds nothing. It is safe for concurrent use.
type Limiter struct {
	opts    store.Options
	queries *db.Queries
	key     []byte
	// refused spares the database clients that go on at an account whose budget is used up.
	refused *recent.Map[budgetKey, refusal]
}

type budgetKey [16]byte

// New returns a [Limiter] with the key that [OpenKey] returns. It needs no secret key.
func New(o store.Options, key []byte) (*Limiter, error) {
	if o.DB == nil || o.Now == nil || len(key) != keyBytes {
		return nil, fmt.Errorf("ratelimit: a database, a clock and a key of %d bytes are needed", keyBytes)
	}
	return &Limiter{
		opts: o, queries: db.New(o.DB), key: key,
		refused: recent.New[budgetKey, refusal](refusedKeys),
	}, nil
}

// Who is who makes an attempt.
type Who struct {
	Address netip.Addr
	// Account is the email, in its canonical form, that the attempt is on.
	Account string
	// Session is the session of that account whose access token was sent with the attempt, or zero.
	// The charge checks whether the session is alive.
	Session uuid.UUID
}

// charge is a budget under one key.
type charge struct {
	Budget
	key budgetKey
}

// Attempt is one try that was charged.
type Attempt struct {
	// AddressKey is the key by which the account knows the address; empty without limits.
	AddressKey []byte
	// narrow is the budget of the account. wide are those of more than it: of the address, none for
	// a session.
	narrow  charge
	wide    []charge
	refused budgetKey
}

// Login charges an attempt to log in to two budgets, or to neither: to that of the account, and to
// that of the address for all accounts. A client that the account knows has a budget of its own for
// both. It fails with a [*LimitedError] or [store.ErrUnavailable].
func (l *Limiter) Login(ctx context.Context, who Who) (Attempt, error) {
	if l == nil {
		return Attempt{}, nil
	}
	a := l.strangers("login", who, loginAccount, loginAddress)
	if who.Session == uuid.Nil {
		if err := l.remembered(a.refused); err != nil {
			return Attempt{}, err
		}
	}
	isSession, err := l.queries.AttemptVouch(ctx, db.AttemptVouchParams{
		SessionID: who.Session, EmailKey: who.Account, PairKey: a.AddressKey,
		Now: l.opts.Now(), KnownSince: l.opts.Now().Add(-KnownFor),
	})
	switch err = store.Error(err); {
	case errors.Is(err, store.ErrNotFound): // a stranger
	case err != nil:
		return Attempt{}, err
	case isSession:
		a.narrow, a.wide = charge{loginOwn, l.keyOf("login", "session", who.Session.String())}, nil
	default:
		a.narrow = charge{loginOwn, budgetKey(a.AddressKey)}
		a.wide = []charge{{loginShared, l.keyOf("login", "shared", Network(who.Address))}}
	}
	return a, l.take(ctx, a)
}

// Registration charges an attempt to register. It fails as [Limiter.Login] does.
func (l *Limiter) Registration(ctx context.Context, who Who) (Attempt, error) {
	return l.stranger(ctx, "register", who, registerAccount, registerAddress)
}

// Code charges a request for a mailed code of a purpose. It fails as [Limiter.Login] does.
func (l *Limiter) Code(ctx context.Context, purpose string, who Who) (Attempt, error) {
	return l.stranger(ctx, "code "+purpose, who, codeAccount, codeAddress)
}

// OperatorCode charges a mail that an operator has sent to a user: to the budget of the account
// alone. It fails as [Limiter.Login] does.
func (l *Limiter) OperatorCode(ctx context.Context, purpose, account string) (Attempt, error) {
	if l == nil {
		return Attempt{}, nil
	}
	a := Attempt{narrow: charge{codeAccount, l.keyOf("code "+purpose, "account", account)}}
	return a, l.take(ctx, a)
}

// EmailChange charges a request to change the email of a user to three budgets, or to none: to that
// of the user, to that of the new address for all users, and to that of the client's address. It
// fails as [Limiter.Login] does.
func (l *Limiter) EmailChange(ctx context.Context, user string, who Who) (Attempt, error) {
	if l == nil {
		return Attempt{}, nil
	}
	const what = "code change_email"
	a := l.strangers(what, who, codeAccount, codeAddress)
	a.wide = append(a.wide, charge{codeAccount, l.keyOf(what, "user", user)})
	a.refused = l.keyOf(what, "refused", Network(who.Address), who.Account, user)
	return l.try(ctx, a)
}

// Rename charges an attempt to take another username. Account is the id of the user. It fails as
// [Limiter.Login] does.
func (l *Limiter) Rename(ctx context.Context, who Who) error {
	_, err := l.stranger(ctx, "rename", who, registerAccount, registerAddress)
	return err
}

// stranger charges an attempt for which nobody can vouch.
func (l *Limiter) stranger(ctx context.Context, what string, who Who, account, address Budget) (Attempt, error) {
	if l == nil {
		return Attempt{}, nil
	}
	return l.try(ctx, l.strangers(what, who, account, address))
}

// try charges an attempt, unless its last refusal still holds.
func (l *Limiter) try(ctx context.Context, a Attempt) (Attempt, error) {
	if err := l.remembered(a.refused); err != nil {
		return Attempt{}, err
	}
	return a, l.take(ctx, a)
}

// strangers returns an attempt of a client that nobody vouches for, not charged yet.
func (l *Limiter) strangers(what string, who Who, account, address Budget) Attempt {
	from := Network(who.Address)
	return Attempt{
		AddressKey: l.AddressKey(who.Address, who.Account),
		narrow:     charge{account, l.keyOf(what, "account", who.Account)},
		wide:       []charge{{address, l.keyOf(what, "address", from)}},
		refused:    l.keyOf(what, "refused", from, who.Account),
	}
}

// take charges the wide budgets and then the narrow one. If one of them is used up, it gives back
// those before it: attacking a locked account uses up nobody else's budget.
func (l *Limiter) take(ctx context.Context, a Attempt) error {
	for n, c := range append(slices.Clone(a.wide), a.narrow) {
		if err := l.takeOne(ctx, c, a.refused); err != nil {
			l.giveBack(ctx, a.wide[:n]...)
			return err
		}
	}
	return nil
}

func (l *Limiter) takeOne(ctx context.Context, c charge, refused budgetKey) error {
	now := l.opts.Now()
	n, err := l.queries.BudgetTake(
		ctx,
		db.BudgetTakeParams{Key: c.key[:], Now: now, Step: c.Step, WindowLength: c.Window()},
	)
	if err != nil || n > 0 {
		return store.Error(err)
	}
	wholeAt, err := l.queries.BudgetGet(ctx, c.key[:])
	if err = store.Error(err); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	until := wholeAt.Add(c.Step - c.Window())
	if !until.After(now) {
		until = now.Add(c.Step) // others have used it up, or given it back, at this moment
	}
	if c.Name == loginAccount.Name {
		l.refused.Add(refused, refusal{c.Budget, now, until})
	}
	return &LimitedError{Budget: c.Budget, RetryAfter: min(max(until.Sub(now), time.Second), c.Window())}
}

// refusal is a budget that was used up.
type refusal struct {
	budget    Budget
	at, until time.Time
}

// remembered returns the [*LimitedError] of a refusal that still holds, or nil. A refusal from the
// future was made before the clock was set back.
func (l *Limiter) remembered(key budgetKey) error {
	r, ok := l.refused.Get(key)
	now := l.opts.Now()
	if since := now.Sub(r.at); !ok || since < 0 || since >= refusedFor || !now.Before(r.until) {
		return nil
	}
	return &LimitedError{Budget: r.budget, RetryAfter: r.until.Sub(now)}
}

// Outcome is what became of an attempt that was charged.
type Outcome int

// The outcomes.
const (
	// Failed stays charged: a wrong password, or a client that has gone after its password was
	// hashed. Otherwise a client that hangs up each time would have hashes for nothing.
	Failed Outcome = iota
	// Registered stays charged, and no refusal of before holds any more.
	Registered
	// LoggedIn is given back to the address, and makes the account's budget whole: guesses count
	// while they fail.
	LoggedIn
	// NotTried is refunded: nothing was hashed, or the database has failed. A client that was asked
	// to try again must not be limited for it.
	NotTried
)

// Settle records the outcome of an attempt. The client may have gone; and where the database has
// too, the attempt stays charged.
func (l *Limiter) Settle(ctx context.Context, a Attempt, o Outcome) {
	if l == nil {
		return
	}
	switch o {
	case Registered:
		l.refused.Add(a.refused, refusal{})
	case LoggedIn:
		l.refused.Add(a.refused, refusal{})
		l.giveBack(ctx, a.wide...)
		_ = l.queries.BudgetForgive(context.WithoutCancel(ctx), a.narrow.key[:])
	case NotTried:
		l.giveBack(ctx, a.wide...)
		l.giveBack(ctx, a.narrow)
	}
}

func (l *Limiter) giveBack(ctx context.Context, charges ...charge) {
	for _, c := range charges {
		_ = l.queries.BudgetReturn(context.WithoutCancel(ctx), db.BudgetReturnParams{Key: c.key[:], Step: c.Step})
	}
}

// Refresh is the budget of a session's refreshes. The zero one is never used up.
func (l *Limiter) Refresh() Budget {
	if l == nil {
		return Budget{}
	}
	return refreshSession
}

// AddressKey returns the key by which an account knows an address; nil without limits.
func (l *Limiter) AddressKey(address netip.Addr, account string) []byte {
	if l == nil {
		return nil
	}
	key := l.keyOf("login", "pair", Network(address), account)
	return key[:]
}

// keyOf names a budget without telling whose it is.
func (l *Limiter) keyOf(parts ...string) budgetKey {
	mac := hmac.New(sha256.New, l.key)
	for _, part := range parts {
		// Each with its length before it, so that no two lists run together.
		_, _ = fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	return budgetKey(mac.Sum(nil)[:len(budgetKey{})])
}

// Network returns what counts as one address. A client with an IPv6 address has at least a /64 of
// them (RFC 6177, RFC 7934).
func Network(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return network.String()
		}
	}
	return addr.String()
}

// sweepPages is how many pages of the budgets one statement looks at, so that none runs for long:
// some 20,000 budgets.
const sweepPages = 256

// Sweep deletes what no longer bounds anybody, in batches, and returns how many rows it has
// deleted. It goes through the budgets once, from the first page to the last. What comes in behind
// is for the next sweep.
func (l *Limiter) Sweep(ctx context.Context) (total int64, err error) {
	pages, err := l.queries.BudgetPages(ctx)
	if err != nil {
		return 0, store.Error(err)
	}
	for page := int64(0); page < pages; page += sweepPages {
		n, err := l.queries.BudgetSweep(
			ctx,
			db.BudgetSweepParams{DatabaseNow: l.opts.DatabaseTime(), FirstPage: page, EndPage: page + sweepPages},
		)
		total += n
		if err != nil {
			return total, store.Error(err)
		}
	}
	addresses, err := store.InBatches(func(batch int32) (int64, error) {
		return l.queries.AddressSweep(
			ctx, db.AddressSweepParams{DatabaseNow: l.opts.DatabaseTime(), KnownFor: KnownFor, Batch: batch},
		)
	})
	return total + addresses, err
}
