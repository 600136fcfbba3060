package auth

import (
	"context"
	"time"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

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
func ListKeys(ctx context.Context, from KeyStore, now time.Time) ([]Key, error) {
	rows, err := db.New(from).SigningKeyList(ctx)
	if err != nil {
		return nil, store.Error(err)
	}
	set := make(keySet, len(rows))
	for i, row := range rows {
		set[i] = (&signingKey{kid: row.Kid}).timedBy(row)
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
