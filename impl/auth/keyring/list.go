package keyring

import (
	"context"
	"time"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// State is what a key does at a moment.
type State string

// The states of a key.
const (
	Waits    State = "waits"    // it is published and has yet to sign
	Signs    State = "signs"    // it signs and verifies
	Verifies State = "verifies" // it only verifies
	Ended    State = "ended"    // it does nothing any more
)

// Key is a signing key without its private part.
type Key struct {
	ID, Algorithm string
	State         State
	CreatedAt     time.Time
	SignsFrom     time.Time
	VerifiesUntil time.Time // zero if no end is known
}

// List returns the signing keys in the order in which they sign. It doesn't need the secret key.
func List(ctx context.Context, conn store.DB, now time.Time) ([]Key, error) {
	rows, err := db.New(conn).SigningKeyList(ctx)
	if err != nil {
		return nil, store.Error(err)
	}
	set := make(keySet, len(rows))
	for i, row := range rows {
		set[i] = &signingKey{SigningKey: row}
	}
	keys, signing := make([]Key, len(rows)), set.signing(now)
	for i, key := range set {
		state := Verifies
		switch {
		case !key.verifies(now):
			state = Ended
		case key == signing:
			state = Signs
		case now.Before(key.SignsFrom):
			state = Waits
		}
		keys[i] = Key{
			ID: key.Kid, Algorithm: key.Algorithm, State: state,
			CreatedAt: key.CreatedAt.UTC(), SignsFrom: key.SignsFrom.UTC(),
		}
		if key.VerifiesUntil != nil {
			keys[i].VerifiesUntil = key.VerifiesUntil.UTC()
		}
	}
	return keys, nil
}
