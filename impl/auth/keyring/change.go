package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

var (
	// ErrNoKey says that no signing key has the id.
	ErrNoKey = errors.New("no such signing key")
	// ErrUnreadable says that the secret key unseals some signing keys, but not this one.
	ErrUnreadable = errors.New("the secret key doesn't unseal the signing key")
	// ErrOtherAlgorithm says that the newest key has another algorithm than the settings.
	ErrOtherAlgorithm = errors.New("the newest signing key is of another algorithm")
	// ErrSecretSigns says that the key is the secret key and can't be changed by itself.
	ErrSecretSigns = errors.New("HS256 signs with the secret key; change that one")
)

// change is a change of the keys in progress. Its keys are those that have not ended. They are not
// unsealed, so that a key that can't be unsealed doesn't prevent the change.
type change struct {
	ring    *Ring
	queries *db.Queries
	now     time.Time
	keys    keySet // in the order in which they sign
	// spare is a new key, in case that the change needs one. It is made before the lock is taken,
	// because making an RSA key takes long.
	spare *signingKey
}

// lock lets f change the keys in a transaction that no other instance or command can change the
// keys beside. It then settles the ends of the keys and writes them.
func (r *Ring) lock(ctx context.Context, f func(context.Context, *change) error) error {
	spare, err := newSigningKey(r.opts.Algorithm, r.opts.Secret)
	if err != nil {
		return err
	}
	spare.TokenTtl = r.opts.TokenTTL
	if spare.Sealed, err = spare.seal(r.opts.Secret); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	return store.InTx(ctx, r.opts.DB, func(tx store.Tx) error {
		if err := tx.SigningKeyLock(ctx); err != nil {
			return store.Error(err)
		}
		rows, err := tx.SigningKeyList(ctx)
		if err != nil {
			return store.Error(err)
		}
		c := &change{ring: r, queries: tx.Queries, now: r.opts.Now(), spare: spare}
		for _, row := range unended(rows, c.now) {
			c.keys = append(c.keys, &signingKey{SigningKey: row})
		}
		if err := f(ctx, c); err != nil {
			return err
		}
		c.keys.settle(c.now)
		for _, key := range c.keys {
			if err := tx.SigningKeyPut(ctx, db.SigningKeyPutParams(key.SigningKey)); err != nil {
				return store.Error(err)
			}
		}
		return nil
	})
}

// change lets f change the keys, seals them under the present secret key, and reads the result. It
// fails with [ErrSealed] if all keys are sealed under another secret key, because the other
// instances could not unseal a key of this one.
func (r *Ring) change(ctx context.Context, f func(*change) error) error {
	err := r.lock(ctx, func(_ context.Context, c *change) error {
		if err := c.reseal(); err != nil {
			return err
		}
		return f(c)
	})
	if err != nil {
		return err
	}
	if err := r.Follow(ctx); !errors.Is(err, ErrUnreadable) {
		return err
	}
	return nil
}

// reseal seals the keys under the present secret key, also those of the previous one. It fails with
// [ErrSealed] if there are keys and neither secret key unseals any.
func (c *change) reseal() error {
	ours := 0
	for _, key := range c.keys {
		unsealed, err := c.ring.unseal(key.SigningKey)
		if err != nil {
			continue
		}
		ours++
		if key.Algorithm == algorithmHS256 {
			continue // its key is the secret key that it was sealed under
		}
		if key.Sealed, err = unsealed.seal(c.ring.opts.Secret); err != nil {
			return err
		}
	}
	if ours == 0 && len(c.keys) > 0 {
		return ErrSealed
	}
	return nil
}

// retire ends a key.
func (c *change) retire(key *signingKey) { key.VerifiesUntil = new(c.now) }

// waiting returns the keys that have not begun to sign.
func (c *change) waiting() (keys keySet) {
	for _, key := range c.keys {
		if key.verifies(c.now) && c.now.Before(key.SignsFrom) {
			keys = append(keys, key)
		}
	}
	return keys
}

// adapt makes the keys follow the settings. It raises the tokens' lifetime of each key to the one
// of the settings. If the newest key is not the wanted one, a wanted present key goes on to sign,
// and its waiting successors are retired. Any other present key gets a successor.
func (c *change) adapt() error {
	for _, key := range c.keys {
		key.TokenTtl = max(key.TokenTtl, c.ring.opts.TokenTTL)
	}
	present := c.keys.signing(c.now)
	switch {
	case c.ring.isWanted(c.keys.newest()): // perhaps another instance was faster
	case c.ring.isWanted(present):
		for _, key := range c.waiting() {
			if key != present {
				c.retire(key) // it has signed nothing
			}
		}
	default:
		c.succeed()
	}
	return nil
}

// succeed adds the spare key. It signs at once if no key signs now, else after the lead.
func (c *change) succeed() {
	if c.keys.signing(c.now) == nil {
		c.add(c.now)
	} else {
		c.add(c.now.Add(c.ring.opts.Lead))
	}
}

// add adds the spare key, which signs from a time on, and after all other keys.
func (c *change) add(from time.Time) {
	c.spare.CreatedAt, c.spare.SignsFrom = c.now, from
	for _, key := range c.keys {
		c.spare.TokenTtl = max(c.spare.TokenTtl, key.TokenTtl)
		if key.verifies(c.now) && !key.SignsFrom.Before(c.spare.SignsFrom) {
			c.spare.SignsFrom = key.SignsFrom.Add(time.Millisecond) // the clock that made it is ahead
		}
	}
	// The key of HS256 may be here already, because it is the secret key.
	c.keys = append(slices.DeleteFunc(c.keys, func(key *signingKey) bool { return key.Kid == c.spare.Kid }), c.spare)
}

// Rotate makes a new key, which signs after the lead; the present key signs until then. It does
// nothing, and returns false, if the newest key is younger than age. An age of 0 always rotates. It
// fails with [ErrSecretSigns] for HS256.
func (r *Ring) Rotate(ctx context.Context, age time.Duration) (rotated bool, err error) {
	if r.opts.Algorithm == algorithmHS256 {
		return false, ErrSecretSigns
	}
	isDue := func(keys keySet) bool {
		newest := keys.newest()
		return newest == nil || age == 0 || r.opts.Now().Sub(newest.SignsFrom) >= age
	}
	if !isDue(r.loaded()) {
		return false, nil
	}
	err = r.change(ctx, func(c *change) error {
		if !isDue(c.keys) {
			return nil // another instance was faster
		}
		rotated = true
		c.succeed()
		return nil
	})
	return rotated, err
}

// Retire ends a key. All instances refuse tokens under it within [FollowInterval]. If it was the
// key that signs, the key that waits signs at once, or else a new key. If it was a key that waits,
// the present key goes on. It fails with [ErrNoKey], and with [ErrSecretSigns] for the secret key.
func (r *Ring) Retire(ctx context.Context, kid string) error {
	if r.isSecret(kid) {
		return ErrSecretSigns
	}
	return r.change(ctx, func(c *change) error {
		ended := c.keys.find(kid)
		if ended == nil {
			return ErrNoKey
		}
		present := c.keys.signing(c.now)
		c.retire(ended)
		if ended != present {
			return nil
		}
		if waiting := c.waiting(); len(waiting) > 0 {
			waiting[0].SignsFrom = c.now
			return nil
		}
		// A superseded key still verifies, but not for long enough to sign.
		c.add(c.now)
		return nil
	})
}

// RetireAll ends every key, including those that the secret key doesn't unseal, and makes a new
// key, which signs at once. Both happen in one transaction. It fails with [ErrSecretSigns] if the
// secret key is a signing key that would sign again, and with [ErrOtherAlgorithm] as [OpenAsIs]
// does.
func RetireAll(ctx context.Context, o Options) error {
	r, err := newRing(o)
	if err != nil {
		return err
	}
	return r.lock(ctx, func(ctx context.Context, c *change) error {
		for _, key := range c.keys {
			switch {
			case r.isSecret(key.Kid):
				return ErrSecretSigns
			case key.VerifiesUntil == nil && key.Algorithm != r.opts.Algorithm:
				return otherAlgorithm(key.Algorithm, r.opts.Algorithm)
			}
		}
		c.keys = nil
		c.succeed()
		return store.Error(c.queries.SigningKeyDeleteAll(ctx))
	})
}

func otherAlgorithm(present, wanted string) error {
	return fmt.Errorf("%w: %s, not %s", ErrOtherAlgorithm, present, wanted)
}

// Sweep deletes keys that ended more than a week ago, by the database's clock.
func (r *Ring) Sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	params := db.SigningKeySweepParams{KeepEnded: keepEnded, DatabaseNow: r.opts.DatabaseTime()}
	return store.Error(r.queries.SigningKeySweep(ctx, params))
}
