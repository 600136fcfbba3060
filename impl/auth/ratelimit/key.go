package ratelimit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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
// previous secret key opens is sealed again; one that neither opens is replaced, which makes all
// budgets whole once.
func OpenKey(ctx context.Context, on store.DB, master, previous secret.Text, now time.Time) ([]byte, error) {
	queries := db.New(on)
	sealed, err := queries.SealedKeyGet(ctx, keyName)
	if err = store.Error(err); errors.Is(err, store.ErrNotFound) {
		if sealed, err = newKey(master); err != nil {
			return nil, err
		}
		if err := queries.SealedKeyInsert(
			ctx,
			db.SealedKeyInsertParams{Name: keyName, Sealed: sealed, Now: now},
		); err != nil {
			return nil, store.Error(err)
		}
		sealed, err = queries.SealedKeyGet(ctx, keyName) // perhaps another server's
		err = store.Error(err)
	}
	if err != nil {
		return nil, err
	}
	key, err := secret.Open(master, keyName, keyName, sealed)
	if !errors.Is(err, secret.ErrSealed) {
		return key, err
	}
	key, err = nil, secret.ErrSealed
	if !previous.IsZero() {
		key, err = secret.Open(previous, keyName, keyName, sealed)
	}
	if err == nil {
		sealed, err = secret.Seal(master, keyName, keyName, key)
	} else if errors.Is(err, secret.ErrSealed) {
		if sealed, err = newKey(master); err == nil {
			key, err = secret.Open(master, keyName, keyName, sealed)
		}
	}
	if err != nil {
		return nil, err
	}
	return key, store.Error(queries.SealedKeyReplace(ctx, db.SealedKeyReplaceParams{Name: keyName, Sealed: sealed}))
}

func newKey(master secret.Text) ([]byte, error) {
	key := make([]byte, keyBytes)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make the key of the rate limits: %w", err)
	}
	return secret.Seal(master, keyName, keyName, key)
}
