// Package keyring keeps the keys that access tokens are signed with. The keys are in the database,
// sealed under the secret key; all instances share them. A [Ring] holds them in memory.
//
// A new key is published before it signs. An old key verifies until the last token under it has
// expired. A service that checks tokens by the published keys, and fetches them as often as it is
// told to, therefore never meets a token under a key that it doesn't have.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

const (
	// MaxAge is how long others may cache the published keys.
	MaxAge = 5 * time.Minute
	// MinLead is the shortest time between the publication of a new key and its first signature. By
	// then every cache of the keys that keeps to [MaxAge] has expired.
	MinLead = MaxAge + time.Minute
	// FollowInterval is how often an instance should call [Ring.Follow].
	FollowInterval = 10 * time.Second
	// unknownKeyPause is the shortest time between two reads that tokens under unknown keys cause.
	unknownKeyPause = time.Second
	// loadTimeout bounds each read of the keys.
	loadTimeout = 2 * time.Second
	// changeTimeout bounds each change of the keys, with the wait for the changes of others.
	changeTimeout = 30 * time.Second
	// keepEnded is how long a key that has ended is still listed.
	keepEnded = 7 * 24 * time.Hour
)

// Options are what a [Ring] is made of. All are required, except Previous and DatabaseNow. Secret
// seals the keys and is the key of HS256. It has at least 32 bytes. Keys that are sealed under
// Previous are sealed anew under Secret.
type Options struct {
	store.Options
	// Algorithm is one of [Algorithms].
	Algorithm string
	// TokenTTL is how long access tokens live.
	TokenTTL time.Duration
	// Lead is how long a new key is published before it signs, at least [MinLead].
	Lead time.Duration
}

// Ring holds the signing keys in memory. It is safe for concurrent use.
type Ring struct {
	opts    Options
	queries *db.Queries
	keys    atomic.Pointer[keySet]
	// loading is held while the keys are read, so that a slow read can't replace a newer one.
	loading sync.Mutex

	looks    singleflight.Group // reads for unknown keys; the next two fields belong to it
	lookedAt time.Time
	lookErr  error
}

// Open reads the keys. It makes a key if none signs, and a successor if the newest key has another
// algorithm. It fails with [ErrSealed] under another secret key, [ErrUnreadable] or
// [store.ErrUnavailable].
func Open(ctx context.Context, o Options) (*Ring, error) {
	r, err := newRing(o)
	if err != nil {
		return nil, err
	}
	if err := r.Follow(ctx); err != nil {
		return nil, err
	}
	if r.opts.Previous.IsZero() && !r.needsChange(r.loaded()) {
		return r, nil
	}
	return r, r.change(ctx, (*change).adapt)
}

// OpenAsIs is [Open] for commands that administer the keys. It changes nothing and allows keys that
// are [ErrUnreadable]. It fails with [ErrOtherAlgorithm] if the newest key has another algorithm
// than the options, so that a missing setting doesn't change the algorithm.
func OpenAsIs(ctx context.Context, o Options) (*Ring, error) {
	r, err := newRing(o)
	if err != nil {
		return nil, err
	}
	if err := r.Follow(ctx); err != nil && !errors.Is(err, ErrUnreadable) {
		return nil, err
	}
	if newest := r.loaded().newest(); newest != nil && newest.Algorithm != r.opts.Algorithm {
		return nil, otherAlgorithm(newest.Algorithm, r.opts.Algorithm)
	}
	return r, nil
}

// newRing makes a ring without keys.
func newRing(o Options) (*Ring, error) {
	switch {
	case o.DB == nil:
		return nil, errors.New("a keyring needs a database")
	case !slices.Contains(Algorithms, o.Algorithm):
		return nil, fmt.Errorf("there is no JWT algorithm %q here", o.Algorithm)
	case o.TokenTTL < time.Second:
		return nil, fmt.Errorf("tokens must live for at least 1s, not %s", o.TokenTTL)
	case o.Lead < MinLead:
		return nil, fmt.Errorf("a new key must be published for at least %s before it signs, not %s", MinLead, o.Lead)
	case o.Now == nil:
		return nil, errors.New("a keyring needs a clock")
	}
	for _, key := range []secret.Text{o.Secret, o.Previous} {
		if err := secret.CheckKey(key); err != nil && (!key.IsZero() || o.Secret.IsZero()) {
			return nil, err
		}
	}
	r := &Ring{opts: o, queries: db.New(o.DB)}
	r.keys.Store(&keySet{})
	return r, nil
}

// NewMemory makes a ring of one key that is in no database. private is an *ecdsa.PrivateKey, an
// ed25519.PrivateKey, an *rsa.PrivateKey, or the bytes of a key for HS256.
func NewMemory(algorithm string, private any, now func() time.Time) (*Ring, error) {
	key, err := signingKeyOf(algorithm, private, nil)
	if err != nil {
		return nil, err
	}
	r := &Ring{opts: Options{Options: store.Options{Now: now}, Algorithm: algorithm, Lead: MinLead}}
	r.keys.Store(&keySet{key})
	return r, nil
}

// needsChange reports whether the keys differ from the settings.
func (r *Ring) needsChange(keys keySet) bool {
	return !r.isWanted(keys.newest()) ||
		slices.ContainsFunc(keys, func(key *signingKey) bool { return key.TokenTtl < r.opts.TokenTTL })
}

// isWanted reports whether there is a key that has the algorithm of the settings and, for HS256, is
// the secret key.
func (r *Ring) isWanted(key *signingKey) bool {
	return key != nil && key.Algorithm == r.opts.Algorithm &&
		(key.Algorithm != algorithmHS256 || r.isSecret(key.Kid))
}

// isSecret reports whether a key is the secret key, which signs with HS256.
func (r *Ring) isSecret(kid string) bool {
	return r.opts.Algorithm == algorithmHS256 && kid == keyID([]byte(r.opts.Secret.Reveal()))
}

// Follow reads the keys from the database. If it fails with [store.ErrUnavailable], the ring keeps
// the keys that it holds. If it fails with [ErrSealed] or [ErrUnreadable], the ring drops the keys
// that can't be unsealed and follows the others.
func (r *Ring) Follow(ctx context.Context) error {
	r.loading.Lock()
	defer r.loading.Unlock()
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	rows, err := r.queries.SigningKeyList(ctx)
	if err != nil {
		return store.Error(err)
	}
	keys, err := r.read(rows)
	r.keys.Store(&keys)
	return err
}

// read returns the keys that have not ended, without those that can't be unsealed, and fails with
// the ids of these. A key that the ring holds already is not unsealed again. It therefore stays
// usable after another instance has sealed it under the next secret key.
func (r *Ring) read(rows []db.SigningKey) (keys keySet, failed error) {
	held := r.loaded()
	var unreadable unreadableKeys
	for _, row := range unended(rows, r.opts.Now()) {
		key := held.find(row.Kid)
		if key == nil || key.Algorithm != row.Algorithm { // the seal is bound to the algorithm
			var err error
			if key, err = r.unseal(row); err != nil {
				unreadable = append(unreadable, row.Kid)
				continue
			}
		}
		current := *key
		current.SigningKey = row
		keys = append(keys, &current)
	}
	switch {
	case len(unreadable) == 0:
		return keys, nil
	case len(keys) == 0:
		return nil, ErrSealed
	}
	return keys, unreadable
}

// unreadableKeys is an [ErrUnreadable] with the ids of the keys.
type unreadableKeys []string

func (k unreadableKeys) Error() string { return ErrUnreadable.Error() + " " + strings.Join(k, ", ") }
func (k unreadableKeys) Unwrap() error { return ErrUnreadable }

// unseal reads a key that is sealed under the secret key or the previous one.
func (r *Ring) unseal(row db.SigningKey) (*signingKey, error) {
	key, err := unseal(row, r.opts.Secret)
	if errors.Is(err, ErrSealed) && !r.opts.Previous.IsZero() {
		return unseal(row, r.opts.Previous)
	}
	return key, err
}

// unended leaves out the keys that have ended.
func unended(rows []db.SigningKey, now time.Time) []db.SigningKey {
	return slices.DeleteFunc(slices.Clone(rows), func(row db.SigningKey) bool {
		return row.VerifiesUntil != nil && !now.Before(*row.VerifiesUntil)
	})
}

// loaded returns the keys of this moment.
func (r *Ring) loaded() keySet { return *r.keys.Load() }

// Lead is how long a new key is published before it signs.
func (r *Ring) Lead() time.Duration { return r.opts.Lead }
