package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/singleflight"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

const (
	// KeysMaxAge is how long others may keep the published keys before they ask for them again.
	KeysMaxAge = 5 * time.Minute
	// MinKeyLead is how long a new key is published at least before it signs: until nobody who keeps the published keys for as
	// long as they say has a set without it any more.
	MinKeyLead = KeysMaxAge + time.Minute
	// DefaultKeyLead leaves room for gateways that keep the keys for longer than they say: Envoy for 10 minutes.
	DefaultKeyLead = 20 * time.Minute
	// KeysFollow is how often an instance should look for what others have done to the keys ([Keyring.Follow]).
	KeysFollow = 10 * time.Second
	// unknownKeyPause bounds how often a token under an unknown key makes an instance look for it.
	unknownKeyPause = time.Second
	// keyLoadTimeout bounds each look for what has become of the keys.
	keyLoadTimeout = 2 * time.Second
	// keyChangeTimeout bounds each change of them, the wait for others' and the making of an RSA key included.
	keyChangeTimeout = 30 * time.Second
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
	Secret secret.Text
	// Previous is the secret key before it was changed, whose keys are taken over; or none.
	Previous secret.Text
	// Algorithm is one of [Algorithms].
	Algorithm string
	// TokenTTL is how long access tokens live.
	TokenTTL time.Duration
	// Lead is how long a new key is published before it signs, [MinKeyLead] at least.
	Lead time.Duration
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
	secret    secret.Text
	previous  secret.Text
	algorithm string
	tokenTTL  time.Duration
	lead      time.Duration
	now       func() time.Time
	keys      atomic.Pointer[keySet]
	loading   sync.Mutex // is held while the keys are read, so that what is held is never older than what was

	looks    singleflight.Group // looks for unknown keys; what follows is its own
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

// signing is the key that signs: the last that has begun to, and verifies for as long as its tokens live. Where there is none, it is the
// first that will, since the one before it was retired, or the clock of who made it is ahead of ours; and else the last that verifies still.
func (s keySet) signing(now time.Time) *signingKey {
	var superseded *signingKey
	for _, key := range slices.Backward(s) {
		switch {
		case now.Before(key.signsFrom) || !key.verifies(now):
		case key.verifies(now.Add(key.tokenTTL)):
			return key
		case superseded == nil:
			superseded = key
		}
	}
	for _, key := range s {
		if now.Before(key.signsFrom) && key.verifies(now) {
			return key
		}
	}
	return superseded
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
// It fails with [ErrSealed] under another secret key, [ErrUnreadable] or [ErrUnavailable].
func OpenKeyring(ctx context.Context, o KeyringOptions) (*Keyring, error) {
	k, err := newKeyring(o)
	if err != nil {
		return nil, err
	}
	if err := k.Follow(ctx); err != nil {
		return nil, err
	}
	if k.previous.IsZero() && !k.needsChange(k.loaded()) {
		return k, nil
	}
	return k, k.change(ctx, func(c *keyChange) error {
		c.lengthen(k.tokenTTL)
		if !k.needsSuccessor(c.keys) {
			return nil // another instance was faster
		}
		c.turnTo(k)
		return nil
	})
}

// OpenKeyringAsIs is [OpenKeyring] for whoever administers the keys: it changes nothing, suffers a key that is [ErrUnreadable], and fails with
// [ErrOtherAlgorithm] where the newest key is of another algorithm than the options', so that nobody changes the algorithm by leaving out a
// setting.
func OpenKeyringAsIs(ctx context.Context, o KeyringOptions) (*Keyring, error) {
	k, err := newKeyring(o)
	if err != nil {
		return nil, err
	}
	if err := k.Follow(ctx); err != nil && !errors.Is(err, ErrUnreadable) {
		return nil, err
	}
	if newest := k.loaded().newest(); newest != nil && newest.algorithm != k.algorithm {
		return nil, otherAlgorithm(newest.algorithm, k.algorithm)
	}
	return k, nil
}

// newKeyring makes a keyring that holds no key yet.
func newKeyring(o KeyringOptions) (*Keyring, error) {
	switch {
	case o.DB == nil:
		return nil, errors.New("a keyring needs a database")
	case !slices.Contains(Algorithms, o.Algorithm):
		return nil, fmt.Errorf("there is no JWT algorithm %q here", o.Algorithm)
	case o.TokenTTL < time.Second:
		return nil, fmt.Errorf("tokens must live for at least 1s, not %s", o.TokenTTL)
	case o.Lead < MinKeyLead:
		return nil, fmt.Errorf("a new key must be published for at least %s before it signs, not %s", MinKeyLead, o.Lead)
	case o.Now == nil:
		return nil, errors.New("a keyring needs a clock")
	}
	for _, key := range []secret.Text{o.Secret, o.Previous} {
		if err := secret.CheckKey(key); err != nil && (!key.IsZero() || o.Secret.IsZero()) {
			return nil, err
		}
	}
	k := &Keyring{
		store: o.DB, queries: db.New(o.DB), secret: o.Secret, previous: o.Previous,
		algorithm: o.Algorithm, tokenTTL: o.TokenTTL, lead: o.Lead, now: o.Now,
	}
	k.keys.Store(&keySet{})
	return k, nil
}

// NewMemoryKeyring makes a keyring of one key that ends with it, for who needs a [Service] and issues no token that is to last.
func NewMemoryKeyring(algorithm string, now func() time.Time) (*Keyring, error) {
	key, err := newSigningKey(algorithm, secret.New(rand.Text()+rand.Text()))
	if err != nil {
		return nil, err
	}
	k := &Keyring{algorithm: algorithm, lead: DefaultKeyLead, now: now}
	k.keys.Store(&keySet{key})
	return k, nil
}

// needsSuccessor tells whether the newest key is not the one that the settings ask for.
func (k *Keyring) needsSuccessor(keys keySet) bool {
	newest := keys.newest()
	return newest == nil || !k.isWanted(newest)
}

// needsChange tells whether the keys are not as the settings ask for.
func (k *Keyring) needsChange(keys keySet) bool {
	return k.needsSuccessor(keys) || slices.ContainsFunc(keys, func(key *signingKey) bool { return key.tokenTTL < k.tokenTTL })
}

// isWanted tells whether a key is such as the settings ask for.
func (k *Keyring) isWanted(key *signingKey) bool {
	return key.algorithm == k.algorithm && (k.algorithm != algorithmHS256 || key.kid == keyID([]byte(k.secret.Reveal())))
}

// Follow looks for what others have done to the keys. It fails with [ErrUnavailable], and then holds what it held; or with [ErrSealed] or
// [ErrUnreadable] for all keys or some, which then count as none, while the others are followed.
func (k *Keyring) Follow(ctx context.Context) error {
	k.loading.Lock()
	defer k.loading.Unlock()
	ctx, cancel := context.WithTimeout(ctx, keyLoadTimeout)
	defer cancel()
	rows, err := k.queries.SigningKeyList(ctx)
	if err != nil {
		return store.Error(err)
	}
	keys, err := k.read(rows)
	k.keys.Store(&keys)
	return err
}

// read answers those keys that have not ended, but for those that can't be unsealed, and why these can't. A key that is held is not unsealed
// again, so that it is held also when others have sealed it under the secret key that comes next.
func (k *Keyring) read(rows []db.SigningKey) (keys keySet, failed error) {
	held := k.loaded()
	var unreadable unreadableKeys
	for _, row := range unended(rows, k.now()) {
		key := held.find(row.Kid)
		if key == nil {
			var err error
			if key, err = k.unseal(row); err != nil {
				unreadable = append(unreadable, row.Kid)
				continue
			}
		}
		keys = append(keys, key.timedBy(row))
	}
	switch {
	case len(unreadable) == 0:
		return keys, nil
	case len(keys) == 0:
		return nil, ErrSealed
	}
	return keys, unreadable
}

// unreadableKeys are the ids of those that are [ErrUnreadable].
type unreadableKeys []string

func (k unreadableKeys) Error() string { return ErrUnreadable.Error() + " " + strings.Join(k, ", ") }
func (k unreadableKeys) Unwrap() error { return ErrUnreadable }

// unseal reads a key that is sealed under the secret key or the previous one.
func (k *Keyring) unseal(row db.SigningKey) (*signingKey, error) {
	key, err := unseal(row, k.secret)
	if errors.Is(err, ErrSealed) && !k.previous.IsZero() {
		return unseal(row, k.previous)
	}
	return key, err
}

// unended leaves out the keys that have ended.
func unended(rows []db.SigningKey, now time.Time) []db.SigningKey {
	return slices.DeleteFunc(slices.Clone(rows), func(row db.SigningKey) bool {
		return row.VerifiesUntil != nil && !now.Before(*row.VerifiesUntil)
	})
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
		// That a key can't be had must not be told as a bad token.
		var unreadable unreadableKeys
		err := k.look(ctx)
		if errors.As(err, &unreadable) && !slices.Contains(unreadable, kid) {
			err = nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		key = k.loaded().find(kid)
	}
	if key == nil || !key.verifies(now) {
		return nil, errUnknownKey
	}
	return key, nil
}

// look is [Keyring.Follow], once for all who ask meanwhile, and at most once a second: what came of the last time counts until then. It waits
// at most as long as ctx.
func (k *Keyring) look(ctx context.Context) error {
	if k.store == nil {
		return nil // a keyring of one key
	}
	// The others that wait are answered by this one, even if its own client goes away.
	beside := context.WithoutCancel(ctx)
	looked := k.looks.DoChan("", func() (_ any, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p) // that of no request in particular
			}
		}()
		if since := k.now().Sub(k.lookedAt); since < 0 || since >= unknownKeyPause {
			k.lookErr = k.Follow(beside)
			k.lookedAt = k.now()
		}
		return nil, k.lookErr
	})
	select {
	case result := <-looked:
		return result.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Lead is how long a new key is published before it signs.
func (k *Keyring) Lead() time.Duration { return k.lead }

// Ready fails with [ErrUnavailable] where no key signs.
func (k *Keyring) Ready() error {
	_, err := k.signing(k.now())
	return err
}

// Published are the public keys that others may check tokens with, those that will sign included, and never a symmetric one. It fails with
// [ErrUnavailable] where no key signs: that there are none is not what others should learn then.
func (k *Keyring) Published() ([]JWK, error) {
	now := k.now()
	if err := k.Ready(); err != nil {
		return nil, err
	}
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
