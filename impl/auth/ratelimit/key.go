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
	sealed, err := queries.SealedKeyGet(ctx, keyName)
	if err = store.Error(err); errors.Is(err, store.ErrNotFound) {
		if sealed, err = newKey(master); err != nil {
			return nil, err
		}
		err = queries.SealedKeyInsert(ctx, db.SealedKeyInsertParams{Name: keyName, Sealed: sealed, Now: now})
		if err == nil {
			sealed, err = queries.SealedKeyGet(ctx, keyName) // perhaps another server's
		}
	}
	if err != nil {
		return nil, store.Error(err)
	}
	key, err := secret.Open(master, keyName, keyName, sealed)
	if !errors.Is(err, secret.ErrSealed) {
		return key, err
	}
	replacement, err := resealed(master, previous, sealed)
	if err != nil {
		return nil, err
	}
	err = queries.SealedKeyReplace(ctx, db.SealedKeyReplaceParams{Name: keyName, Sealed: replacement, Former: sealed})
	if err == nil {
		sealed, err = queries.SealedKeyGet(ctx, keyName) // perhaps another server's
	}
	if err != nil {
		return nil, store.Error(err)
	}
	return secret.Open(master, keyName, keyName, sealed)
}

// resealed returns the key under the secret key, if the previous one opens it, and else a new key.
func resealed(master, previous secret.Text, sealed []byte) ([]byte, error) {
	if previous.IsZero() {
		return newKey(master)
	}
	key, err := secret.Open(previous, keyName, keyName, sealed)
	if errors.Is(err, secret.ErrSealed) {
		return newKey(master)
	}
	if err != nil {
		return nil, err
	}
	return secret.Seal(master, keyName, keyName, key)
}

func newKey(master secret.Text) ([]byte, error) {
	key := make([]byte, keyBytes)
	rand.Read(key)
	return secret.Seal(master, keyName, keyName, key)
}
