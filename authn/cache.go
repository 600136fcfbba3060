package authn

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// fetchInterval is the least time between two fetches, whatever tokens are sent: the price of a
	// made-up key id is two requests to the server in that time.
	fetchInterval = 10 * time.Second
	// coldInterval is the same while no key is known, when every token waits for one.
	coldInterval = time.Second
	// maxBeside is for how long after it became stale a set is used without waiting for the next:
	// longer only for who has been idle, or while the server is down.
	maxBeside = time.Minute
	// minFresh is for how long a set of keys is kept at least, if the server asks for less.
	minFresh = time.Minute
	// maxStale is for how long after the last fetch that succeeded keys are used at all, whatever the
	// server asks for.
	maxStale = 24 * time.Hour
)

// errNoKeys is what a fetch fails with where the server did answer, and has no key for us. It takes
// back those that are known.
var errNoKeys = errors.New("the server publishes no key that can be used")

// errOverdue says that what is known is too old to be used without waiting for the fetch that is
// under way.
var errOverdue = errors.New("the keys are overdue")

// keyCache keeps the server's keys.
//
// A key that is known is used without waiting, although it has just become stale: the set is then
// fetched beside. Accepted by that: a key that was withdrawn is still taken until that fetch has
// ended, and, bounded by maxStale, while the server can't be reached. Whoever comes after a longer
// pause waits for the fetch, unless the last one has failed.
//
// A key that isn't known is fetched, once in fetchInterval, or in coldInterval while none is.
// Somebody who sends made-up key ids can therefore keep a new key from being known for that long,
// unless the server publishes it before it signs with it.
type keyCache struct {
	fetch func(context.Context) (*keySet, time.Duration, error)
	now   func() time.Time

	mu      sync.Mutex
	set     *keySet       // nil where none is known
	staleAt time.Time     // from when on it is fetched again
	deadAt  time.Time     // from when on it isn't used
	began   time.Time     // when the last fetch did
	err     error         // what the last fetch failed with
	flight  chan struct{} // closed when the fetch under way has ended; nil where there is none
}

// find returns the key of an id, and the issuer whose it is.
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

// lookAndFetch returns what is known, and the fetch that may tell more, which it starts if there is
// reason to.
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
		// The fetch is everybody's: it doesn't end with the request that began it, but by the client's
		// timeout.
		go c.refresh(context.Background(), now, c.flight)
	}
	if !missing && c.flight != nil && c.err == nil && now.Sub(c.staleAt) > maxBeside {
		err = errOverdue
	}
	return key, issuer, c.flight, err
}

// look returns what is known. Its caller holds the lock.
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

// refresh fetches the keys. What is known stays where the server can't be asked.
func (c *keyCache) refresh(ctx context.Context, began time.Time, done chan<- struct{}) {
	set, maxAge, err := c.fetch(ctx)
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
