package auth

import (
	"context"
	"errors"
	"time"

	"github.com/latchkey-auth/latchkey/gen/db"
)

var (
	// ErrNoKey says that there is no such signing key.
	ErrNoKey = errors.New("no such signing key")
	// ErrSecretSigns says that a key can't be changed by itself, since it is the secret key.
	ErrSecretSigns = errors.New("HS256 signs with the secret key; change that one")
)

// change lets one at a time, of all instances and commands, change the keys, and then holds what has come of it.
func (k *Keyring) change(ctx context.Context, f func(*db.Queries, keySet) error) error {
	tx, err := k.store.Begin(ctx)
	if err != nil {
		return storeError(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // does nothing after the commit
	q := k.queries.WithTx(tx)
	if err := q.SigningKeyLock(ctx); err != nil {
		return storeError(err)
	}
	rows, err := q.SigningKeyList(ctx)
	if err != nil {
		return storeError(err)
	}
	keys, former, err := k.open(rows)
	if err != nil {
		return err
	}
	for _, key := range former {
		if key.algorithm == algorithmHS256 {
			continue // its key is the secret key that it was sealed under
		}
		sealed, err := key.seal(k.secret)
		if err != nil {
			return err
		}
		if err := q.SigningKeyReseal(ctx, db.SigningKeyResealParams{Kid: key.kid, Sealed: sealed}); err != nil {
			return storeError(err)
		}
	}
	if err := f(q, keys); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return storeError(err)
	}
	return k.Follow(ctx)
}

// succeed makes the key that signs next: at once where none signs now, else when it has been published for long enough.
// The others verify until the last token under them has expired.
func (k *Keyring) succeed(ctx context.Context, q *db.Queries, keys keySet) error {
	now := k.now()
	next, err := newSigningKey(k.algorithm, k.secret)
	if err != nil {
		return err
	}
	sealed, err := next.seal(k.secret)
	if err != nil {
		return err
	}
	from := now
	if present := keys.signing(now); present != nil && present.kid != next.kid {
		from = now.Add(KeyLead)
	}
	if err := q.SigningKeyInsert(ctx, db.SigningKeyInsertParams{
		Kid: next.kid, Algorithm: next.algorithm, Sealed: sealed, SignsFrom: from, CreatedAt: now,
	}); err != nil {
		return storeError(err)
	}
	// An instance that has not seen the successor yet would see it on its next look.
	until := from.Add(KeysFollow + k.tokenTTL + Leeway)
	return storeError(q.SigningKeyExpire(ctx, db.SigningKeyExpireParams{Successor: next.kid, SignsFrom: from, Now: now, Until: until}))
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
	err = k.change(ctx, func(q *db.Queries, keys keySet) error {
		if !isDue(keys) {
			return nil // another instance was faster
		}
		rotated = true
		return k.succeed(ctx, q, keys)
	})
	return rotated, err
}

// Retire ends a key: no token under it is taken any more, by any instance within [KeysFollow]. Where it was the one that signs, the one that
// waits signs at once, or else a new one. It fails with [ErrNoKey], and with [ErrSecretSigns] for the key that is the secret key.
func (k *Keyring) Retire(ctx context.Context, kid string) error {
	if k.algorithm == algorithmHS256 && kid == keyID([]byte(k.secret.Reveal())) {
		return ErrSecretSigns
	}
	return k.change(ctx, func(q *db.Queries, keys keySet) error {
		now := k.now()
		n, err := q.SigningKeyRetire(ctx, db.SigningKeyRetireParams{Kid: kid, Now: &now})
		if err != nil {
			return storeError(err)
		}
		if n == 0 {
			return ErrNoKey
		}
		if key := keys.find(kid); key != nil {
			key.verifiesUntil = now
		}
		if keys.newest() == nil || keys.signing(now) == nil {
			return k.succeed(ctx, q, keys)
		}
		return nil
	})
}

// RetireAll ends every key, also those that the secret key doesn't unseal, and makes a new one, which signs at once.
func RetireAll(ctx context.Context, o KeyringOptions) error {
	if o.DB == nil {
		return errors.New("a keyring needs a database")
	}
	if err := db.New(o.DB).SigningKeyDeleteAll(ctx); err != nil {
		return storeError(err)
	}
	_, err := OpenKeyring(ctx, o)
	return err
}

// Sweep forgets keys that ended a week ago.
func (k *Keyring) Sweep(ctx context.Context) error {
	before := k.now().Add(-keepEnded)
	return storeError(k.queries.SigningKeySweep(ctx, &before))
}

// KeyState is what a key does at a moment.
type KeyState string

// What a key does: it is published and will sign, signs, only verifies, or does nothing any more.
const (
	KeyWaits    KeyState = "waits"
	KeySigns    KeyState = "signs"
	KeyVerifies KeyState = "verifies"
	KeyEnded    KeyState = "ended"
)

// Key is a signing key without its private part.
type Key struct {
	ID, Algorithm string
	State         KeyState
	CreatedAt     time.Time
	SignsFrom     time.Time
	VerifiesUntil time.Time // zero where no end is known
}

// ListKeys lists the signing keys in the order in which they sign, for whoever administers the service; the secret key isn't needed.
func ListKeys(ctx context.Context, store KeyStore, now time.Time) ([]Key, error) {
	rows, err := db.New(store).SigningKeyList(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	set := make(keySet, len(rows))
	for i, row := range rows {
		set[i] = &signingKey{kid: row.Kid, signsFrom: row.SignsFrom}
		if row.VerifiesUntil != nil {
			set[i].verifiesUntil = *row.VerifiesUntil
		}
	}
	keys, signing := make([]Key, len(rows)), set.signing(now)
	for i, key := range set {
		state := KeyVerifies
		switch {
		case !key.verifies(now):
			state = KeyEnded
		case key == signing:
			state = KeySigns
		case now.Before(key.signsFrom):
			state = KeyWaits
		}
		keys[i] = Key{
			ID: key.kid, Algorithm: rows[i].Algorithm, State: state,
			CreatedAt: rows[i].CreatedAt.UTC(), SignsFrom: key.signsFrom.UTC(), VerifiesUntil: key.verifiesUntil.UTC(),
		}
		if key.verifiesUntil.IsZero() {
			keys[i].VerifiesUntil = time.Time{}
		}
	}
	return keys, nil
}
