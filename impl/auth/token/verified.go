package token

import (
	"crypto/sha256"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth/recent"
)

// verifiedTokens bounds how many tokens are remembered: 5.7 MiB at about 360 bytes each.
const verifiedTokens = 16384

// verified remembers the claims of valid tokens, so that a token that is sent again and again is
// decoded once. Its key is the digest of the whole text, so that any other text is decoded anew.
// What may change is asked each time: the validity in time, the key, the session and the user.
type verified = recent.Map[tokenDigest, verifiedToken]

type tokenDigest [sha256.Size]byte

// verifiedToken is what a token says. It is valid from from until until, leeway included.
type verifiedToken struct {
	claims      Claims
	kid         string
	from, until time.Time
}

// holds reports whether the token is valid at a time.
func (v verifiedToken) holds(now time.Time) bool { return !now.Before(v.from) && now.Before(v.until) }
