package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// Caller is who asks, as far as it bears on how often.
type Caller struct {
	// Address is where the request comes from; IPv6 counts by its /64 network.
	Address netip.Addr
	// Session is what a valid access token says that was sent beside, or nil.
	Session *Claims
	// UserAgent is what the client calls itself.
	UserAgent string
}

// Budget is how many attempts may be made at once, and how long it takes until one of them comes back.
type Budget struct {
	Name  string
	Quota int
	Step  time.Duration
}

// Window is how long an exhausted budget takes to be whole again.
func (b Budget) Window() time.Duration { return time.Duration(b.Quota) * b.Step }

// The budgets. An attempt that succeeds to log in is given back, so that these bound failures; a registration is not.
//
// An account's is what NIST SP 800-63B-4 section 3.2.2 bounds: 10 at once and 96 a day, of all strangers together. Who has logged in
// from an address lately, or presents a session, has an own one. An address may be a whole school's.
var (
	loginAccount    = Budget{Name: "account", Quota: 10, Step: 15 * time.Minute}
	loginAddress    = Budget{Name: "address", Quota: 100, Step: 36 * time.Second}
	loginOwn        = Budget{Name: "own", Quota: 10, Step: 5 * time.Minute}
	loginShared     = Budget{Name: "address", Quota: 300, Step: 12 * time.Second} // of an address, to all accounts that know it
	registerAccount = Budget{Name: "account", Quota: 5, Step: 12 * time.Minute}
	registerAddress = Budget{Name: "address", Quota: 50, Step: 72 * time.Second}
	// What can't be forged needs no budget by address: a refresh token that isn't ours costs no statement. That of a session is in its
	// row, which the exchange locks and writes anyway.
	refreshSession = Budget{Name: "session", Quota: 300, Step: time.Second}
)

const (
	// knownFor is how long an address counts as known to an account after a log-in.
	knownFor = 90 * 24 * time.Hour
	// refusedKeys bounds what is remembered of those that were refused, at about 200 bytes each, 13 MB, and refusedFor for how long: by then
	// an attempt may have been given back, or the address become known, at another instance.
	refusedKeys = 65536
	refusedFor  = 5 * time.Second
)

// LimitedError says that a budget is used up. It says the same for an account that doesn't exist.
type LimitedError struct {
	Budget Budget
	// RetryAfter is when the next attempt is allowed.
	RetryAfter time.Duration
}

func (e *LimitedError) Error() string {
	return "too many attempts: the budget " + e.Budget.Name + " is used up"
}

// Limiter bounds how often passwords are guessed and accounts are made. All instances share the budgets, which are in
// the database: one statement for each attempt. It is safe for concurrent use.
type Limiter struct {
	queries *db.Queries
	key     []byte
	now     func() time.Time
	// refused spares the database those who go on although an account's budget was used up: by pair of account and address.
	refused recent[limitKey, refusal]
}

type limitKey [16]byte

// isOf tells whether a session is said to be one of this account. That it is, and lives, is asked where its budget is charged.
func (c *Claims) isOf(emailKey string) bool {
	if c == nil {
		return false
	}
	key, err := CanonicalEmail(c.Subject)
	return err == nil && key == emailKey
}

type refusal struct {
	budget Budget
	at     time.Time
	until  time.Time
}

// holds tells whether the refusal still counts; one that comes from the future was made before the clock was set back.
func (r refusal) holds(now time.Time) bool {
	since := now.Sub(r.at)
	return since >= 0 && since < refusedFor && now.Before(r.until)
}

// NewLimiter makes a [Limiter] that keeps its budgets in the database under keys made with the secret one.
func NewLimiter(conn db.DBTX, key secret.Text, now func() time.Time) (*Limiter, error) {
	if conn == nil || now == nil {
		return nil, fmt.Errorf("a limiter needs a database and a clock")
	}
	if err := secret.CheckKey(key); err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write([]byte("latchkey rate limits"))
	return &Limiter{
		queries: db.New(conn), key: mac.Sum(nil), now: now, refused: recent[limitKey, refusal]{size: refusedKeys},
	}, nil
}

// attempt is one try that was charged, with what is needed to give it back.
type attempt struct {
	pair, address, forgiven []byte
	addressStep, step       time.Duration
	refusedKey              limitKey
}

// login charges an attempt to log in. It fails with a [*LimitedError] or [ErrUnavailable].
func (l *Limiter) login(ctx context.Context, c Caller, emailKey string) (attempt, error) {
	if l == nil {
		return attempt{}, nil
	}
	return l.take(ctx, c, "login", emailKey, loginAccount, loginAddress)
}

// registration charges an attempt to register. It fails as login does.
func (l *Limiter) registration(ctx context.Context, c Caller, emailKey string) (attempt, error) {
	if l == nil {
		return attempt{}, nil
	}
	return l.take(ctx, Caller{Address: c.Address}, "register", emailKey, registerAccount, registerAddress)
}

// settle tells what has come of an attempt that was charged. One that no password was hashed for is given back: whoever was told to try again
// must not be held back for it. So is one that the database has failed after the hash; but not where it is the client that has gone, or has used up
// the request's time: else whoever hangs up each time would have hashes for nothing.
func (l *Limiter) settle(ctx context.Context, taken attempt, err error) {
	if l == nil {
		return
	}
	var failed *LoginError
	switch {
	case err == nil:
		l.refused.add(taken.refusedKey, refusal{}) // whoever has got in is known from now on
	case errors.As(err, &failed): // it stays charged
	case errors.Is(err, errNotHashed), errors.Is(err, hashqueue.ErrGivenUp), errors.Is(err, ErrOverloaded), errors.Is(err, ErrUnavailable) && ctx.Err() == nil:
		l.giveBack(ctx, taken)
	}
}

// giveBack undoes a charge. The client may have gone; and where the database has too, so has the budget's change.
func (l *Limiter) giveBack(ctx context.Context, taken attempt) {
	_ = l.queries.AttemptReturn(context.WithoutCancel(ctx), db.AttemptReturnParams{
		AddressKey: taken.address, AddressStep: taken.addressStep, AccountKey: taken.forgiven, AccountStep: taken.step,
	})
}

// refreshes is the budget of a session's refreshes; the zero one, which is never used up, where there are to be no limits.
func (l *Limiter) refreshes() Budget {
	if l == nil {
		return Budget{}
	}
	return refreshSession
}

// pairOf is the key by which the account knows an address; nil without limits.
func (l *Limiter) pairOf(c Caller, emailKey string) []byte {
	if l == nil {
		return nil
	}
	key := l.keyOf("login", "pair", addressOf(c.Address), emailKey)
	return key[:]
}

func (l *Limiter) take(ctx context.Context, c Caller, what, emailKey string, account, address Budget) (attempt, error) {
	network := addressOf(c.Address)
	accountKey, addressKey := l.keyOf(what, "account", emailKey), l.keyOf(what, "address", network)
	pairKey, sharedKey := l.keyOf("login", "pair", network, emailKey), l.keyOf("login", "shared", network)
	refusedKey := l.keyOf(what, "refused", network, emailKey)
	now := l.now()
	params := db.AttemptTakeParams{
		AccountKey: accountKey[:], AddressKey: addressKey[:], SharedKey: sharedKey[:], EmailKey: emailKey, Now: now, KnownSince: now.Add(-knownFor),
		SharedStep: loginShared.Step, SharedWindow: loginShared.Window(), OwnStep: loginOwn.Step, OwnWindow: loginOwn.Window(),
		AddressStep: address.Step, AddressWindow: address.Window(), AccountStep: account.Step, AccountWindow: account.Window(),
	}
	if what == "login" {
		params.VouchingKey = pairKey[:] // that somebody has logged in is no reason to let more register
	}
	if c.Session.isOf(emailKey) {
		sessionKey := l.keyOf(what, "session", c.Session.SessionID.String())
		params.SessionKey, params.SessionID = sessionKey[:], c.Session.SessionID
	} else if known, ok := l.refused.get(refusedKey); ok && known.holds(now) {
		return attempt{}, &LimitedError{Budget: known.budget, RetryAfter: known.until.Sub(now)}
	}
	row, err := l.queries.AttemptTake(ctx, params)
	if err != nil {
		return attempt{}, storeError(err)
	}
	narrow, wide := account, address
	taken := attempt{
		pair: pairKey[:], refusedKey: refusedKey, forgiven: accountKey[:], step: account.Step, address: addressKey[:], addressStep: address.Step,
	}
	if len(row.VouchedKey) > 0 {
		narrow, wide = loginOwn, loginShared
		taken.forgiven, taken.step, taken.address, taken.addressStep = row.VouchedKey, loginOwn.Step, sharedKey[:], loginShared.Step
	}
	if !row.IsWideTaken {
		taken.address = nil // a session's
	}
	if row.IsAllowed {
		return taken, nil
	}
	if row.IsWideTaken {
		taken.forgiven = nil
		l.giveBack(ctx, taken)
	}
	refused := narrow
	if !row.IsNarrow {
		refused = wide
	}
	return attempt{}, l.refuse(refused, refusedKey, now, row.WholeAt)
}

// refuse answers what a budget that is used up says, and remembers it where it is that of an account.
func (l *Limiter) refuse(budget Budget, key limitKey, now, wholeAt time.Time) error {
	until := wholeAt.Add(budget.Step - budget.Window())
	if !until.After(now) {
		until = now.Add(budget.Step) // others have used it up at this moment
	}
	if budget.Name == loginAccount.Name {
		l.refused.add(key, refusal{budget, now, until})
	}
	return &LimitedError{Budget: budget, RetryAfter: min(max(until.Sub(now), time.Second), budget.Window())}
}

// keyOf names a budget without telling whose it is.
func (l *Limiter) keyOf(parts ...string) limitKey {
	mac := hmac.New(sha256.New, l.key)
	for _, part := range parts {
		// Each with its length before it, so that no two lists run together.
		_, _ = fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	return limitKey(mac.Sum(nil)[:len(limitKey{})])
}

// networkOf returns the network of an address: a /48 of IPv6 (RFC 6177), or a /24 of IPv4, the least that is routed.
func networkOf(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	bits := 24
	if addr.Is6() {
		bits = 48
	}
	network, err := addr.Prefix(bits)
	if err != nil {
		return ""
	}
	return network.String()
}

// addressOf returns what counts as one address. A client with an IPv6 address has at least a /64 of them (RFC 6177, RFC 7934).
func addressOf(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		network, err := addr.Prefix(64)
		if err == nil {
			return network.String()
		}
	}
	return addr.String()
}

// Sweep forgets what no longer bounds anybody, in batches, and answers how many entries it has deleted. The budgets are gone through once,
// from the first page to the last; what comes in behind is for the next sweep.
func (l *Limiter) Sweep(ctx context.Context) (total int64, err error) {
	now := l.now()
	pages, err := l.queries.AttemptPages(ctx)
	if err != nil {
		return 0, storeError(err)
	}
	for page := int64(0); page < pages; page += sweepPages {
		n, err := l.queries.AttemptSweep(ctx, db.AttemptSweepParams{Now: now, FirstPage: page, EndPage: page + sweepPages})
		total += n
		if err != nil {
			return total, storeError(err)
		}
	}
	for {
		n, err := l.queries.KnownAddressSweep(ctx, db.KnownAddressSweepParams{KnownSince: now.Add(-knownFor), Batch: sweepBatch})
		total += n
		if err != nil || n < sweepBatch {
			return total, storeError(err)
		}
	}
}

const (
	// sweepBatch is how many rows one statement of a sweep deletes at most, so that none runs for long.
	sweepBatch = 1000
	// sweepPages is how many pages of the budgets one looks at, for the same reason: some 20,000 of them.
	sweepPages = 256
)
