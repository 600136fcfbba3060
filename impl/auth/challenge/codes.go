package challenge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/secret"
)

// RequestPrefix and LinkPrefix begin each request and each link token, for scanners that look for
// secrets in the wrong places.
const (
	RequestPrefix = "lkq_"
	LinkPrefix    = "lkl_"
)

const (
	// codeDigits is the length of a code, and codes the number of codes.
	codeDigits = 8
	codes      = 100_000_000

	tokenBytes = len(uuid.UUID{}) + sha256.Size
)

// tokenEncoding takes one text for each token.
var tokenEncoding = base64.RawURLEncoding.Strict()

// Codes makes what a challenge is answered with, and reads it. Each text is an HMAC of the purpose
// and of the challenge's id, under a key of its own that is derived from the secret key. So
// somebody who has the database alone can make none of them. The zero Codes isn't usable.
type Codes struct {
	// keys are those of the secret key, which make texts, and those of the previous one, if any,
	// whose texts are still accepted.
	keys []keys
}

// keys are the keys of one secret key.
type keys struct{ request, code, link []byte }

// NewCodes returns the [Codes] of a secret key, and of the one before it was changed, if any.
func NewCodes(key, previous secret.Text) (Codes, error) {
	if err := secret.CheckKey(key); err != nil {
		return Codes{}, err
	}
	var c Codes
	for _, master := range []secret.Text{key, previous} {
		if master.IsZero() {
			continue
		}
		request, requestErr := secret.Derive(master, "latchkey challenge requests")
		code, codeErr := secret.Derive(master, "latchkey challenge codes")
		link, linkErr := secret.Derive(master, "latchkey challenge links")
		if err := errors.Join(requestErr, codeErr, linkErr); err != nil {
			return Codes{}, err
		}
		c.keys = append(c.keys, keys{request, code, link})
	}
	return c, nil
}

// Request returns what the client that asked for a challenge keeps.
func (c Codes) Request(p Purpose, id uuid.UUID) secret.Text {
	return token(RequestPrefix, c.keys[0].request, p, id)
}

// Link returns the token of the link in the mail, of 256 bits.
func (c Codes) Link(p Purpose, id uuid.UUID) secret.Text {
	return token(LinkPrefix, c.keys[0].link, p, id)
}

// Code returns the code in the mail.
func (c Codes) Code(p Purpose, id uuid.UUID) secret.Text { return code(c.keys[0].code, p, id) }

// ReadRequest returns the challenge that a request belongs to. ok is false unless it is a request
// of this purpose.
func (c Codes) ReadRequest(p Purpose, request secret.Text) (id uuid.UUID, ok bool) {
	return c.read(request, RequestPrefix, p, func(k keys) []byte { return k.request })
}

// ReadLink returns the challenge that the token of a link belongs to. ok is false unless it is a
// token of this purpose.
func (c Codes) ReadLink(p Purpose, link secret.Text) (id uuid.UUID, ok bool) {
	return c.read(link, LinkPrefix, p, func(k keys) []byte { return k.link })
}

// IsCode reports whether a text is the code of a challenge.
func (c Codes) IsCode(p Purpose, id uuid.UUID, text secret.Text) bool {
	is := false
	for _, k := range c.keys {
		is = equal(text, code(k.code, p, id)) || is // always compared
	}
	return is
}

func (c Codes) read(text secret.Text, prefix string, p Purpose, key func(keys) []byte) (uuid.UUID, bool) {
	encoded, ok := strings.CutPrefix(text.Reveal(), prefix)
	if !ok || len(encoded) != base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return uuid.Nil, false
	}
	raw, err := tokenEncoding.DecodeString(encoded)
	if err != nil {
		return uuid.Nil, false
	}
	// Nothing of it is believed before the HMAC.
	id := uuid.UUID(raw[:len(uuid.UUID{})])
	for _, k := range c.keys {
		if equal(text, token(prefix, key(k), p, id)) {
			return id, true
		}
	}
	return uuid.Nil, false
}

func token(prefix string, key []byte, p Purpose, id uuid.UUID) secret.Text {
	return secret.New(prefix + tokenEncoding.EncodeToString(append(id[:], sum(key, p, id)...)))
}

func code(key []byte, p Purpose, id uuid.UUID) secret.Text {
	// 64 bits make each code as likely as the next, but for one part in 10^11.
	n := binary.BigEndian.Uint64(sum(key, p, id)) % codes
	return secret.New(fmt.Sprintf("%0*d", codeDigits, n))
}

// sum is the HMAC of an id and a purpose. The id has a fixed length, so that no two pairs run
// together.
func sum(key []byte, p Purpose, id uuid.UUID) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(id[:])
	mac.Write([]byte(p))
	return mac.Sum(nil)
}

// equal compares in constant time, but for the length.
func equal(a, b secret.Text) bool { return hmac.Equal([]byte(a.Reveal()), []byte(b.Reveal())) }
