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

// lock runs f in a transaction that no other instance or command can change the keys beside.
func (r *Ring) lock(ctx context.Context, f func(context.Context, *db.Queries) error) error {
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	return store.InTx(ctx, r.opts.DB, func(tx store.Tx) error {
		if err := tx.SigningKeyLock(ctx); err != nil {
			return store.Error(err)
		}
		return f(ctx, tx.Queries)
	})
}

// change is a change of the keys in progress. Its keys are those that have not ended, with their
// times only, so that a key that can't be unsealed doesn't prevent the change.
type change struct {
	now  time.Time
	keys keySet // in the order in which they sign
	// spare is a new key, in case that the change needs one. It is made before the lock is taken,
	// because making an RSA key takes long.
	spare  *signingKey
	sealed []byte // the spare key
	lead   time.Duration
}

// prepare makes what a change needs before the lock is taken.
func (r *Ring) prepare() (c change, err error) {
	if c.spare, err = newSigningKey(r.opts.Algorithm, r.opts.Secret); err != nil {
		return c, err
	}
	c.spare.tokenTTL, c.lead = r.opts.TokenTTL, r.opts.Lead
	c.sealed, err = c.spare.seal(r.opts.Secret)
	return c, err
}

// change lets f change the keys, settles their ends, writes them, and reads the result. It fails
// with [ErrSealed] if all keys are sealed under another secret key, because the other instances
// could not unseal a key of this one.
func (r *Ring) change(ctx context.Context, f func(*change) error) error {
	c, err := r.prepare()
	if err != nil {
		return err
	}
	err = r.lock(ctx, func(ctx context.Context, q *db.Queries) error {
		rows, err := q.SigningKeyList(ctx)
		if err != nil {
			return store.Error(err)
		}
		c.now = r.opts.Now()
		rows = unended(rows, c.now)
		if err := r.reseal(ctx, q, rows); err != nil {
			return err
		}
		for _, row := range rows {
			c.keys = append(c.keys, (&signingKey{kid: row.Kid, algorithm: row.Algorithm}).timedBy(row))
		}
		if err := f(&c); err != nil {
			return err
		}
		return c.write(ctx, q)
	})
	if err != nil {
		return err
	}
	if err := r.Follow(ctx); !errors.Is(err, ErrUnreadable) {
		return err
	}
	return nil
}

// reseal seals the keys of the previous secret key under the present one. It fails with [ErrSealed]
// if there are keys and neither secret key unseals any.
func (r *Ring) reseal(ctx context.Context, q *db.Queries, rows []db.SigningKey) error {
	ours := 0
	for _, row := range rows {
		_, err := unseal(row, r.opts.Secret)
		if err == nil {
			ours++
			continue
		}
		if r.opts.Previous.IsZero() || !errors.Is(err, ErrSealed) {
			continue
		}
		key, err := unseal(row, r.opts.Previous)
		if err != nil {
			continue
		}
		ours++
		if key.algorithm == algorithmHS256 {
			continue // its key is the secret key that it was sealed under
		}
		sealed, err := key.seal(r.opts.Secret)
		if err != nil {
			return err
		}
		if err := q.SigningKeyReseal(ctx, db.SigningKeyResealParams{Kid: key.kid, Sealed: sealed}); err != nil {
			return store.Error(err)
		}
	}
	if ours == 0 && len(rows) > 0 {
		return ErrSealed
	}
	return nil
}

// write settles the ends of the keys and stores them all.
func (c *change) write(ctx context.Context, q *db.Queries) error {
	c.keys.settle(c.now)
	for _, key := range c.keys {
		if key == c.spare {
			if err := q.SigningKeyInsert(ctx, db.SigningKeyInsertParams{
				Kid:       key.kid,
				Algorithm: key.algorithm,
				Sealed:    c.sealed,
				SignsFrom: key.signsFrom,
				TokenTtl:  key.tokenTTL,
				CreatedAt: c.now,
			}); err != nil {
				return store.Error(err)
			}
		}
		params := db.SigningKeyUpdateParams{Kid: key.kid, SignsFrom: key.signsFrom, TokenTtl: key.tokenTTL}
		if !key.verifiesUntil.IsZero() {
			params.VerifiesUntil = &key.verifiesUntil
		}
		if err := q.SigningKeyUpdate(ctx, params); err != nil {
			return store.Error(err)
		}
	}
	return nil
}

// lengthen raises the tokens' lifetime of each key to the one of the settings.
func (c *change) lengthen(ttl time.Duration) {
	for _, key := range c.keys {
		key.tokenTTL = max(key.tokenTTL, ttl)
	}
}

// retire ends a key.
func (c *change) retire(key *signingKey) { key.verifiesUntil = c.now }

// waiting returns the keys that have not begun to sign.
func (c *change) waiting() (keys keySet) {
	for _, key := range c.keys {
		if key.verifies(c.now) && c.now.Before(key.signsFrom) {
			keys = append(keys, key)
		}
	}
	return keys
}

// turnTo makes the keys follow the settings of a ring: a wanted present key goes on to sign, and
// its waiting successors are retired. Any other present key gets a successor.
func (c *change) turnTo(r *Ring) {
	present := c.keys.signing(c.now)
	if present == nil || !r.isWanted(present) {
		c.succeed()
		return
	}
	for _, key := range c.waiting() {
		if key != present {
			c.retire(key) // it has signed nothing
		}
	}
}

// succeed adds the spare key. It signs at once if no key signs now, else after the lead.
func (c *change) succeed() {
	if c.keys.signing(c.now) == nil {
		c.add(c.now)
	} else {
		c.add(c.now.Add(c.lead))
	}
}

// add adds the spare key, which signs from a time on, and after all other keys.
func (c *change) add(from time.Time) {
	c.spare.signsFrom = from
	for _, key := range c.keys {
		c.spare.tokenTTL = max(c.spare.tokenTTL, key.tokenTTL)
		if key.verifies(c.now) && !key.signsFrom.Before(c.spare.signsFrom) {
			c.spare.signsFrom = key.signsFrom.Add(time.Millisecond) // the clock that made it is ahead
		}
	}
	// The key of HS256 may be here already, because it is the secret key.
	c.keys = append(slices.DeleteFunc(c.keys, func(key *signingKey) bool { return key.kid == c.spare.kid }), c.spare)
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
		return newest == nil || age == 0 || r.opts.Now().Sub(newest.signsFrom) >= age
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
	if r.opts.Algorithm == algorithmHS256 && kid == keyID([]byte(r.opts.Secret.Reveal())) {
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
			waiting[0].signsFrom = c.now
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
	c, err := r.prepare()
	if err != nil {
		return err
	}
	return r.lock(ctx, func(ctx context.Context, q *db.Queries) error {
		rows, err := q.SigningKeyList(ctx)
		if err != nil {
			return store.Error(err)
		}
		c.now = r.opts.Now()
		for _, row := range unended(rows, c.now) {
			switch {
			case r.opts.Algorithm == algorithmHS256 && row.Kid == keyID([]byte(r.opts.Secret.Reveal())):
				return ErrSecretSigns
			case row.VerifiesUntil == nil && row.Algorithm != r.opts.Algorithm:
				return otherAlgorithm(row.Algorithm, r.opts.Algorithm)
			}
		}
		if err := q.SigningKeyDeleteAll(ctx); err != nil {
			return store.Error(err)
		}
		c.succeed()
		return c.write(ctx, q)
	})
}

func otherAlgorithm(present, wanted string) error {
	return fmt.Errorf("%w: %s, not %s", ErrOtherAlgorithm, present, wanted)
}

// Sweep deletes keys that ended more than a week ago, by the database's clock.
func (r *Ring) Sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	params := db.SigningKeySweepParams{KeepEnded: keepEnded, DatabaseNow: r.databaseNow()}
	return store.Error(r.queries.SigningKeySweep(ctx, params))
}
