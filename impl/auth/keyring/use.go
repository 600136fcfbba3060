package keyring

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// errUnknownKey says that a token names a key that never existed or has ended.
var errUnknownKey = errors.New("no key of ours has this id")

// signing returns the key that signs. It fails with [store.ErrUnavailable].
func (r *Ring) signing(now time.Time) (*signingKey, error) {
	if key := r.loaded().signing(now); key != nil {
		return key, nil
	}
	return nil, fmt.Errorf("%w: no key signs", store.ErrUnavailable)
}

// Ready fails with [store.ErrUnavailable] if no key signs.
func (r *Ring) Ready() error {
	_, err := r.signing(r.opts.Now())
	return err
}

// Sign signs a text and returns both in compact form (RFC 7515 section 7.1). It calls text with the
// algorithm and the id of the key that signs, for the header. It fails with [store.ErrUnavailable]
// if no key signs.
func (r *Ring) Sign(now time.Time, text func(algorithm, kid string) (string, error)) (string, error) {
	key, err := r.signing(now)
	if err != nil {
		return "", err
	}
	signed, err := text(key.Algorithm, key.Kid)
	if err != nil {
		return "", err
	}
	signature, err := key.method.Sign(signed, key.private)
	if err != nil {
		return "", err
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// Verifies reports whether the ring holds a key under which tokens are valid now.
func (r *Ring) Verifies(kid string, now time.Time) bool {
	key := r.loaded().find(kid)
	return key != nil && key.verifies(now)
}

// Find returns the algorithm of a key that verifies, and the function that checks its signatures.
// It looks for an unknown key in the database, at most once a second. It fails with
// [store.ErrUnavailable] if it can't look, and with another error if there is no such key.
func (r *Ring) Find(ctx context.Context, kid string, now time.Time) (
	algorithm string, verify func(signed string, signature []byte) error, err error,
) {
	key := r.loaded().find(kid)
	if key == nil {
		// A key that can't be read doesn't make the token a bad one.
		var unreadable unreadableKeys
		err := r.look(ctx)
		if errors.As(err, &unreadable) && !slices.Contains(unreadable, kid) {
			err = nil
		}
		if err != nil {
			return "", nil, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
		key = r.loaded().find(kid)
	}
	if key == nil || !key.verifies(now) {
		return "", nil, errUnknownKey
	}
	return key.Algorithm, key.verify, nil
}

// look calls [Ring.Follow] once for all concurrent callers, and at most once a second. Within that
// second it returns the last result again. It waits no longer than ctx allows.
func (r *Ring) look(ctx context.Context) error {
	if r.opts.DB == nil {
		return nil // a ring of one key
	}
	// The read serves other callers too, so it goes on when the client of this one disconnects.
	beside := context.WithoutCancel(ctx)
	looked := r.looks.DoChan("", func() (_ any, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p) // it belongs to no request in particular
			}
		}()
		if since := r.opts.Now().Sub(r.lookedAt); since < 0 || since >= unknownKeyPause {
			r.lookErr = r.Follow(beside)
			r.lookedAt = r.opts.Now()
		}
		return nil, r.lookErr
	})
	select {
	case result := <-looked:
		return result.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Published returns the public keys that others check tokens with, including those that have yet to
// sign. It never returns a symmetric key. It fails with [store.ErrUnavailable] if no key signs,
// because an empty set would tell others that all tokens are bad.
func (r *Ring) Published() ([]JWK, error) {
	now := r.opts.Now()
	if err := r.Ready(); err != nil {
		return nil, err
	}
	var published []JWK
	for _, key := range r.loaded() {
		if key.Algorithm == algorithmHS256 || !key.verifies(now) {
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
