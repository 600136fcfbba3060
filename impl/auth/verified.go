package auth

import (
	"crypto/sha256"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth/recent"
)

// verifiedTokens bounds how many tokens are remembered: at about 340 bytes each, 5.3 MiB.
const verifiedTokens = 16384

// verified remembers what tokens say whose signature and claims were found good, so that a token that is sent again and again
// is decoded once. A token is known by the digest of its whole text, so that any other text is looked at anew; and what
// changes with time, its validity, its key, its session and its user, is asked each time.
type verified = recent.Map[tokenDigest, verifiedToken]

type tokenDigest [sha256.Size]byte

// verifiedToken is what a token says; from and until bound when it is valid, leeway included.
type verifiedToken struct {
	claims      Claims
	kid         string
	from, until time.Time
}
