package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/gen/db"
)

const (
	// KeysMaxAge is how long others may keep the published keys before they ask for them again.
	KeysMaxAge = 5 * time.Minute
	// KeyLead is how long a new key is published before it signs: until nobody keeps a set without it any more.
	KeyLead = KeysMaxAge + time.Minute
	// KeysFollow is how often an instance should look for what others have done to the keys ([Keyring.Follow]).
	KeysFollow = 10 * time.Second
	// unknownKeyPause bounds how often a token under an unknown key makes an instance look for it.
	unknownKeyPause = time.Second
	// keyLoadTimeout bounds one such look.
	keyLoadTimeout = 2 * time.Second
	// keepEnded is for how long a key that has ended is still listed.
	keepEnded = 7 * 24 * time.Hour
)

// errUnknownKey says that a token names a key that doesn't exist, or no longer.
var errUnknownKey = errors.New("no key of ours has this id")

// KeyStore is where signing keys are kept: a pool that is safe for concurrent use.
type KeyStore interface {
	db.DBTX
	Begin(ctx context.Context) (pgx.Tx, error)
}

// KeyringOptions are what a [Keyring] is made of. Each is required but Previous.
type KeyringOptions struct {
	DB KeyStore
	// Secret seals the keys, and is the key of HS256: at least 32 bytes.
	Secret Secret
	// Previous is the secret key before it was changed, whose keys are taken over; or none.
	Previous Secret
	// Algorithm is one of [Algorithms].
	Algorithm string
	// TokenTTL is how long access tokens live.
	TokenTTL time.Duration
	// Now is the clock.
	Now func() time.Time
}

// Keyring holds the keys that access tokens are signed with. They are in the database, which all instances share, each sealed
// under the secret key; an instance holds them in memory. It is safe for concurrent use.
//
// A new key is published before it signs, and an old one verifies until the last token under it has expired. So nobody who
// checks tokens by the published keys, and asks for them again as often as told, ever meets a key that is not among them.
type Keyring struct {
	store     KeyStore
	queries   *db.Queries
	secret    Secret
	previous  Secret
	algorithm string
	tokenTTL  time.Duration
	now       func() time.Time
	keys      atomic.Pointer[keySet]

	mu       sync.Mutex // is held while an unknown key is looked for
	lookedAt time.Time
	lookErr  error
}

// keySet is what a keyring holds at a moment, in the order in which the keys sign.
type keySet []*signingKey

func (s keySet) find(kid string) *signingKey {
	for _, key := range s {
		if key.kid == kid {
			return key
		}
	}
	return nil
}

// signing is the key that signs: the last that has begun to, and verifies still. Where none has begun, it is the first that will: the one
// before it was retired, or the clock of who made it is ahead of ours.
func (s keySet) signing(now time.Time) *signingKey {
	for _, key := range slices.Backward(s) {
		if !now.Before(key.signsFrom) && key.verifies(now) {
			return key
		}
	}
	for _, key := range s {
		if key.verifies(now) {
			return key
		}
	}
	return nil
}

// newest is the key that signs now or next: the one whose end isn't known.
func (s keySet) newest() *signingKey {
	for _, key := range slices.Backward(s) {
		if key.verifiesUntil.IsZero() {
			return key
		}
	}
	return nil
}

// OpenKeyring reads the keys, and makes one where there is none that signs, or begins to change to the algorithm where they are of another.
// It fails with [ErrSealed] under another secret key, or [ErrUnavailable].
func OpenKeyring(ctx context.Context, o KeyringOptions) (*Keyring, error) {
	switch {
	case o.DB == nil:
		return nil, errors.New("a keyring needs a database")
	case !slices.Contains(Algorithms, o.Algorithm):
		return nil, fmt.Errorf("there is no JWT algorithm %q here", o.Algorithm)
	case o.TokenTTL < time.Second:
		return nil, fmt.Errorf("tokens must live for at least 1s, not %s", o.TokenTTL)
	case o.Now == nil:
		return nil, errors.New("a keyring needs a clock")
	}
	for _, key := range []Secret{o.Secret, o.Previous} {
		if err := CheckKey(key); err != nil && (!key.IsZero() || o.Secret.IsZero()) {
			return nil, err
		}
	}
	k := &Keyring{
		store: o.DB, queries: db.New(o.DB), secret: o.Secret, previous: o.Previous,
		algorithm: o.Algorithm, tokenTTL: o.TokenTTL, now: o.Now,
	}
	former, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	if len(former) == 0 && !k.needsSuccessor(k.loaded()) {
		return k, nil
	}
	return k, k.change(ctx, func(q *db.Queries, keys keySet) error {
		if !k.needsSuccessor(keys) {
			return nil // another instance was faster
		}
		return k.succeed(ctx, q, keys)
	})
}

// NewMemoryKeyring makes a keyring of one key that ends with it, for who needs a [Service] and issues no token that is to last.
func NewMemoryKeyring(algorithm string, now func() time.Time) (*Keyring, error) {
	key, err := newSigningKey(algorithm, NewSecret(rand.Text()+rand.Text()))
	if err != nil {
		return nil, err
	}
	k := &Keyring{algorithm: algorithm, now: now}
	k.keys.Store(&keySet{key})
	return k, nil
}

// needsSuccessor tells whether the newest key is not the one that the settings ask for.
func (k *Keyring) needsSuccessor(keys keySet) bool {
	newest := keys.newest()
	return newest == nil || newest.algorithm != k.algorithm || k.algorithm == algorithmHS256 && newest.kid != keyID([]byte(k.secret.Reveal()))
}

// Follow looks for what others have done to the keys.
func (k *Keyring) Follow(ctx context.Context) error {
	_, err := k.load(ctx)
	return err
}

// load reads the keys, and tells which of them only the previous secret key could unseal.
func (k *Keyring) load(ctx context.Context) (former keySet, err error) {
	rows, err := k.queries.SigningKeyList(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	keys, former, err := k.open(rows)
	if err == nil {
		k.keys.Store(&keys)
	}
	return former, err
}

// open unseals those keys that have not ended, and tells which of them only the previous secret key could.
func (k *Keyring) open(rows []db.SigningKey) (keys, former keySet, err error) {
	now := k.now()
	for _, row := range rows {
		if row.VerifiesUntil != nil && !now.Before(*row.VerifiesUntil) {
			continue
		}
		key, err := unseal(row, k.secret)
		if errors.Is(err, ErrSealed) && !k.previous.IsZero() {
			if key, err = unseal(row, k.previous); err == nil {
				former = append(former, key)
			}
		}
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, key)
	}
	return keys, former, nil
}

// loaded answers the keys of this moment.
func (k *Keyring) loaded() keySet { return *k.keys.Load() }

// signing is the key that signs. It fails with [ErrUnavailable].
func (k *Keyring) signing(now time.Time) (*signingKey, error) {
	if key := k.loaded().signing(now); key != nil {
		return key, nil
	}
	return nil, fmt.Errorf("%w: no key signs", ErrUnavailable)
}

// find answers a key that verifies. One that isn't known is looked for in the database, but not more often than once a second, whatever is sent.
func (k *Keyring) find(ctx context.Context, kid string, now time.Time) (*signingKey, error) {
	key := k.loaded().find(kid)
	if key == nil {
		if err := k.look(ctx, now); err != nil {
			return nil, err
		}
		key = k.loaded().find(kid)
	}
	if key == nil || !key.verifies(now) {
		return nil, errUnknownKey
	}
	return key, nil
}

// look is [Keyring.Follow] at most once a second. What came of the last time counts until then: that the database couldn't be asked
// must not be told as a bad token.
func (k *Keyring) look(ctx context.Context, now time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if since := now.Sub(k.lookedAt); k.store == nil || since >= 0 && since < unknownKeyPause {
		return k.lookErr
	}
	// The others that wait are answered by this one, even if its own client goes away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyLoadTimeout)
	defer cancel()
	k.lookedAt, k.lookErr = now, k.Follow(ctx)
	return k.lookErr
}

// Published are the public keys that others may check tokens with, those that will sign included, and never a symmetric one.
func (k *Keyring) Published() ([]JWK, error) {
	now := k.now()
	var published []JWK
	for _, key := range k.loaded() {
		if key.algorithm == algorithmHS256 || !key.verifies(now) {
			continue
		}
		jwk, err := key.jwk()
		if err != nil {
			return nil, err
		}
		published = append(published, jwk)
	}
	return published, nil
}
