package auth

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
	// ErrNoKey says that there is no such signing key.
	ErrNoKey = errors.New("no such signing key")
	// ErrUnreadable says of a signing key that the secret key, which unseals others, doesn't unseal it.
	ErrUnreadable = errors.New("the secret key doesn't unseal the signing key")
	// ErrOtherAlgorithm says that the keys are of another algorithm than the setting.
	ErrOtherAlgorithm = errors.New("the newest signing key is of another algorithm")
	// ErrSecretSigns says that a key can't be changed by itself, since it is the secret key.
	ErrSecretSigns = errors.New("HS256 signs with the secret key; change that one")
)

// lock lets one at a time, of all instances and commands, change the keys.
func (k *Keyring) lock(ctx context.Context, f func(context.Context, *db.Queries) error) error {
	ctx, cancel := context.WithTimeout(ctx, keyChangeTimeout)
	defer cancel()
	tx, err := k.store.Begin(ctx)
	if err != nil {
		return store.Error(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // does nothing after the commit
	q := k.queries.WithTx(tx)
	if err := q.SigningKeyLock(ctx); err != nil {
		return store.Error(err)
	}
	if err := f(ctx, q); err != nil {
		return err
	}
	return store.Error(tx.Commit(ctx))
}

// keyChange is a change of the keys that is under way. It knows the keys that have not ended by their times alone, so that one that can't be
// unsealed is in nobody's way.
type keyChange struct {
	now  time.Time
	keys keySet // in the order in which they sign
	// spare is a new key, for a change that needs one: an RSA key takes its time to be made, while others wait for the lock.
	spare  *signingKey
	sealed []byte // the spare one
	lead   time.Duration
}

// prepare makes what a change needs, before the lock.
func (k *Keyring) prepare() (c keyChange, err error) {
	if c.spare, err = newSigningKey(k.algorithm, k.secret); err != nil {
		return c, err
	}
	c.spare.tokenTTL, c.lead = k.tokenTTL, k.lead
	c.sealed, err = c.spare.seal(k.secret)
	return c, err
}

// change lets f change the keys that there are, gives each the end that follows, and then holds what has come of it. It fails with
// [ErrSealed] where all keys are sealed under another secret key: nobody else could unseal one of ours.
func (k *Keyring) change(ctx context.Context, f func(*keyChange) error) error {
	c, err := k.prepare()
	if err != nil {
		return err
	}
	err = k.lock(ctx, func(ctx context.Context, q *db.Queries) error {
		rows, err := q.SigningKeyList(ctx)
		if err != nil {
			return store.Error(err)
		}
		c.now = k.now()
		rows = unended(rows, c.now)
		if err := k.reseal(ctx, q, rows); err != nil {
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
	if err := k.Follow(ctx); !errors.Is(err, ErrUnreadable) {
		return err
	}
	return nil
}

// reseal takes over the keys of the previous secret key. It fails with [ErrSealed] where there are keys and none is ours.
func (k *Keyring) reseal(ctx context.Context, q *db.Queries, rows []db.SigningKey) error {
	ours := 0
	for _, row := range rows {
		_, err := unseal(row, k.secret)
		if err == nil {
			ours++
			continue
		}
		if k.previous.IsZero() || !errors.Is(err, ErrSealed) {
			continue
		}
		key, err := unseal(row, k.previous)
		if err != nil {
			continue
		}
		ours++
		if key.algorithm == algorithmHS256 {
			continue // its key is the secret key that it was sealed under
		}
		sealed, err := key.seal(k.secret)
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

// write gives each key the end that follows from its successor, and keeps what has changed.
func (c *keyChange) write(ctx context.Context, q *db.Queries) error {
	c.keys.settle(c.now)
	for _, key := range c.keys {
		if key == c.spare {
			if err := q.SigningKeyInsert(ctx, db.SigningKeyInsertParams{
				Kid: key.kid, Algorithm: key.algorithm, Sealed: c.sealed, SignsFrom: key.signsFrom, TokenTtl: key.tokenTTL, CreatedAt: c.now,
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

// settle orders the keys, and ends each when the last token under it has expired: the newest has no end, and one that signs no more keeps
// the one that it has.
func (s keySet) settle(now time.Time) {
	slices.SortStableFunc(s, func(a, b *signingKey) int { return a.signsFrom.Compare(b.signsFrom) })
	var successor *signingKey
	for _, key := range slices.Backward(s) {
		switch {
		case !key.verifies(now):
			continue // it was retired
		case successor == nil:
			key.verifiesUntil = time.Time{}
		case key.verifiesUntil.IsZero() || now.Before(successor.signsFrom):
			// An instance that has not seen the successor yet would see it on its next look.
			key.verifiesUntil = successor.signsFrom.Add(KeysFollow + key.tokenTTL + Leeway)
		}
		successor = key
	}
}

// lengthen lets tokens under every key live for as long as the settings say.
func (c *keyChange) lengthen(ttl time.Duration) {
	for _, key := range c.keys {
		key.tokenTTL = max(key.tokenTTL, ttl)
	}
}

// retire ends a key.
func (c *keyChange) retire(key *signingKey) { key.verifiesUntil = c.now }

// waiting answers the keys that have not begun to sign.
func (c *keyChange) waiting() (keys keySet) {
	for _, key := range c.keys {
		if key.verifies(c.now) && c.now.Before(key.signsFrom) {
			keys = append(keys, key)
		}
	}
	return keys
}

// turnTo lets a key sign that is such as the settings ask for: the present one, if it is, and else a new one.
func (c *keyChange) turnTo(k *Keyring) {
	present := c.keys.signing(c.now)
	if present == nil || !k.isWanted(present) {
		c.succeed()
		return
	}
	for _, key := range c.waiting() {
		if key != present {
			c.retire(key) // nothing was signed with it
		}
	}
}

// succeed lets the spare key sign after all others: at once where none signs now, else when it has been published for long enough.
func (c *keyChange) succeed() {
	if c.keys.signing(c.now) == nil {
		c.add(c.now)
	} else {
		c.add(c.now.Add(c.lead))
	}
}

// add lets the spare key sign from a moment on.
func (c *keyChange) add(from time.Time) {
	c.spare.signsFrom = from
	for _, key := range c.keys {
		c.spare.tokenTTL = max(c.spare.tokenTTL, key.tokenTTL)
		if key.verifies(c.now) && !key.signsFrom.Before(c.spare.signsFrom) {
			c.spare.signsFrom = key.signsFrom.Add(time.Millisecond) // it was made by a clock ahead of ours
		}
	}
	// That of HS256 may be here, since it is the secret key's.
	c.keys = append(slices.DeleteFunc(c.keys, func(key *signingKey) bool { return key.kid == c.spare.kid }), c.spare)
}

// Rotate makes a new key, which signs once it has been published for long enough; the present one signs until then. It
// does nothing, and answers false, where the newest key is younger than an age; 0 for always.
func (k *Keyring) Rotate(ctx context.Context, age time.Duration) (rotated bool, err error) {
	if k.algorithm == algorithmHS256 {
		return false, ErrSecretSigns
	}
	isDue := func(keys keySet) bool {
		newest := keys.newest()
		return newest == nil || age == 0 || k.now().Sub(newest.signsFrom) >= age
	}
	if !isDue(k.loaded()) {
		return false, nil
	}
	err = k.change(ctx, func(c *keyChange) error {
		if !isDue(c.keys) {
			return nil // another instance was faster
		}
		rotated = true
		c.succeed()
		return nil
	})
	return rotated, err
}

// Retire ends a key: no token under it is taken any more, by any instance within [KeysFollow]. Where it was the one that signs, the one that
// waits signs at once, or else a new one; where it was one that waits, the present one goes on. It fails with [ErrNoKey], and with
// [ErrSecretSigns] for the key that is the secret key.
func (k *Keyring) Retire(ctx context.Context, kid string) error {
	if k.algorithm == algorithmHS256 && kid == keyID([]byte(k.secret.Reveal())) {
		return ErrSecretSigns
	}
	return k.change(ctx, func(c *keyChange) error {
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
		// What verifies still has been superseded, and would sign for too short a time.
		c.add(c.now)
		return nil
	})
}

// RetireAll ends every key, also those that the secret key doesn't unseal, and makes a new one, which signs at once. No instance ever sees
// the one without the other. It fails with [ErrSecretSigns] where the secret key itself signs and would go on to, and with
// [ErrOtherAlgorithm] as [OpenKeyringAsIs] does.
func RetireAll(ctx context.Context, o KeyringOptions) error {
	k, err := newKeyring(o)
	if err != nil {
		return err
	}
	c, err := k.prepare()
	if err != nil {
		return err
	}
	return k.lock(ctx, func(ctx context.Context, q *db.Queries) error {
		rows, err := q.SigningKeyList(ctx)
		if err != nil {
			return store.Error(err)
		}
		c.now = k.now()
		for _, row := range unended(rows, c.now) {
			switch {
			case k.algorithm == algorithmHS256 && row.Kid == keyID([]byte(k.secret.Reveal())):
				return ErrSecretSigns
			case row.VerifiesUntil == nil && row.Algorithm != k.algorithm:
				return otherAlgorithm(row.Algorithm, k.algorithm)
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

// Sweep forgets keys that ended a week ago.
func (k *Keyring) Sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keyLoadTimeout)
	defer cancel()
	before := k.now().Add(-keepEnded)
	return store.Error(k.queries.SigningKeySweep(ctx, &before))
}
