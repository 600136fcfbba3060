package keyring

import (
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/authn"
)

// keySet is the keys of a moment, in the order in which they sign.
type keySet []*signingKey

// find returns the key with an id, or nil.
func (s keySet) find(kid string) *signingKey {
	for _, key := range s {
		if key.Kid == kid {
			return key
		}
	}
	return nil
}

// signing returns the key that signs, or nil:
//
//  1. the last key that has begun to sign and that outlives the tokens it would sign;
//  2. else the first key that has yet to begin, because the one before it was retired or the clock
//     of the instance that made it is ahead;
//  3. else the last key that still verifies.
func (s keySet) signing(now time.Time) *signingKey {
	var superseded *signingKey
	for _, key := range slices.Backward(s) {
		switch {
		case now.Before(key.SignsFrom) || !key.verifies(now):
		case key.verifies(now.Add(key.TokenTtl)):
			return key
		case superseded == nil:
			superseded = key
		}
	}
	for _, key := range s {
		if now.Before(key.SignsFrom) && key.verifies(now) {
			return key
		}
	}
	return superseded
}

// newest returns the key that signs now or next, whose end isn't known, or nil.
func (s keySet) newest() *signingKey {
	for _, key := range slices.Backward(s) {
		if key.VerifiesUntil == nil {
			return key
		}
	}
	return nil
}

// settle sorts the keys and gives each an end: the time when the last token under it has expired.
// The newest key has no end. A key that no longer signs keeps its end.
func (s keySet) settle(now time.Time) {
	slices.SortStableFunc(s, func(a, b *signingKey) int { return a.SignsFrom.Compare(b.SignsFrom) })
	var successor *signingKey
	for _, key := range slices.Backward(s) {
		switch {
		case !key.verifies(now):
			continue // it was retired
		case successor == nil:
			key.VerifiesUntil = nil
		case key.VerifiesUntil == nil || now.Before(successor.SignsFrom):
			// An instance that doesn't know the successor yet learns of it within FollowInterval.
			key.VerifiesUntil = new(successor.SignsFrom.Add(FollowInterval + key.TokenTtl + authn.Leeway))
		}
		successor = key
	}
}
