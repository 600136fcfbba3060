package authn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// fetchInterval is the shortest time between two fetches, whatever tokens are sent. A client
	// that invents key ids causes two requests to the server in that time.
	fetchInterval = 10 * time.Second
	// coldInterval is the same while no key is known, when every token waits for one.
	coldInterval = time.Second
	// maxBeside is for how long a stale set is used while the next one is fetched. After that, a
	// request waits for the fetch, unless the last fetch has failed.
	maxBeside = time.Minute
	// minFresh is for how long a set of keys is kept at least, if the server asks for less.
	minFresh = time.Minute
	// maxStale is how long keys are used after the last successful fetch, whatever the server
	// allows.
	maxStale = 24 * time.Hour
)

// errNoKeys reports that the server responded, but has no key for us. The known keys are dropped.
var errNoKeys = errors.New("the server publishes no key that can be used")

// errOverdue reports that the known keys are too old to be used before the present fetch has ended.
var errOverdue = errors.New("the keys are overdue")

// keyCache keeps the server's keys.
//
// A known key is used without waiting, even if the set has just become stale. The next set is then
// fetched at the same time. Accepted weakness: a key that was withdrawn is accepted until that
// fetch has ended, and while the server can't be reached, for maxStale at most. After a longer
// pause, a request waits for the fetch, unless the last fetch has failed.
//
// An unknown key causes a fetch, at most once in fetchInterval, or in coldInterval while no key is
// known. A client that sends invented key ids can therefore delay a new key by that time, unless
// the server publishes the key before it signs.
type keyCache struct {
	fetch  func(context.Context) (*keySet, time.Duration, error)
	now    func() time.Time
	logger *slog.Logger // nil for the default one

	mu      sync.Mutex
	set     *keySet       // nil where none is known
	staleAt time.Time     // from when on it is fetched again
	deadAt  time.Time     // from when on it isn't used
	began   time.Time     // when the last fetch did
	err     error         // what the last fetch failed with
	flight  chan struct{} // closed when the fetch under way has ended; nil where there is none
}

// find returns the key of an id, and its issuer.
func (c *keyCache) find(ctx context.Context, kid string) (publicKey, string, error) {
	key, issuer, flight, err := c.lookAndFetch(kid)
	if err == nil || flight == nil {
		return key, issuer, err
	}
	select {
	case <-flight:
	case <-ctx.Done():
		return publicKey{}, "", fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.look(kid, c.now())
}

// lookAndFetch returns the known key of an id. It also returns the present fetch, or nil. It starts
// a fetch if the key is unknown or the set is stale.
func (c *keyCache) lookAndFetch(kid string) (publicKey, string, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	key, issuer, err := c.look(kid, now)
	missing, stale := err != nil, !now.Before(c.staleAt)
	interval := fetchInterval
	if c.set == nil {
		interval = coldInterval
	}
	early := !c.began.IsZero() && now.Sub(c.began) < interval
	if c.flight == nil && (missing || stale) && !early {
		c.flight, c.began = make(chan struct{}), now
		// All requests share the fetch. It doesn't end with the request that began it, but by the
		// client's timeout.
		go c.refresh(context.Background(), now, c.flight)
	}
	if !missing && c.flight != nil && c.err == nil && now.Sub(c.staleAt) > maxBeside {
		err = errOverdue
	}
	return key, issuer, c.flight, err
}

// look returns the known key of an id. Its caller holds the lock.
func (c *keyCache) look(kid string, now time.Time) (publicKey, string, error) {
	if c.set == nil || !now.Before(c.deadAt) {
		return publicKey{}, "", fmt.Errorf("%w: %v", ErrUnavailable, c.err)
	}
	key, ok := c.set.keys[kid]
	if !ok {
		return publicKey{}, "", invalid(errTokenKey)
	}
	return key, c.set.issuer, nil
}

// refresh fetches the keys, and logs why it can't. The known keys stay if the server can't be
// reached.
func (c *keyCache) refresh(ctx context.Context, began time.Time, done chan<- struct{}) {
	set, maxAge, err := c.fetch(ctx)
	if err != nil {
		logger := c.logger
		if logger == nil {
			logger = slog.Default()
		}
		logger.WarnContext(ctx, "the keys of access tokens can't be fetched", "error", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	switch {
	case err == nil:
		c.set = set
		c.staleAt = began.Add(max(maxAge, minFresh))
		c.deadAt = began.Add(maxStale)
	case errors.Is(err, errNoKeys):
		c.set = nil
	}
	c.flight = nil
	close(done)
}
