package ratelimit

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

const (
	keyName  = "rate limits"
	keyBytes = 32
)

// OpenKey returns the key that names budgets, which is made once. It is in the database, sealed
// under the secret key, so that another secret key gives nobody fresh budgets. A key that only the
// previous secret key opens is sealed again. A key that neither opens is replaced, which makes all
// budgets whole once.
func OpenKey(ctx context.Context, on store.DB, master, previous secret.Text, now time.Time) ([]byte, error) {
	queries := db.New(on)
	former, err := queries.SealedKeyGet(ctx, keyName)
	if err = store.Error(err); err == nil {
		key, err := secret.Open(master, keyName, keyName, former)
		if !errors.Is(err, secret.ErrSealed) {
			return key, err
		}
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	sealed, err := resealed(master, previous, former)
	if err != nil {
		return nil, err
	}
	err = queries.SealedKeyPut(ctx, db.SealedKeyPutParams{Name: keyName, Sealed: sealed, Former: former, Now: now})
	if err == nil {
		sealed, err = queries.SealedKeyGet(ctx, keyName) // perhaps another server's
	}
	if err != nil {
		return nil, store.Error(err)
	}
	return secret.Open(master, keyName, keyName, sealed)
}

// resealed returns the key under the secret key, if the previous one opens it, and else a new key.
func resealed(master, previous secret.Text, former []byte) ([]byte, error) {
	key := make([]byte, keyBytes)
	rand.Read(key)
	if !previous.IsZero() {
		known, err := secret.Open(previous, keyName, keyName, former)
		if err == nil {
			key = known
		} else if !errors.Is(err, secret.ErrSealed) {
			return nil, err
		}
	}
	return secret.Seal(master, keyName, keyName, key)
}
