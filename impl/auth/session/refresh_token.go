package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/secret"
)

// RefreshPrefix begins each refresh token, for scanners that look for secrets in the wrong places.
const RefreshPrefix = "lkr_"

// errRefreshToken says that a text is no refresh token of ours. It never shows the text.
var errRefreshToken = errors.New("not a refresh token")

const (
	refreshBodyBytes = 16 + 4
	refreshBytes     = refreshBodyBytes + sha256.Size
)

// refreshTokens makes and reads refresh tokens. A token is the session's id, the generation, and an
// HMAC of both under a key that is derived from the secret key. With the secret key each token can
// be made again. With the database alone none can.
type refreshTokens struct {
	key []byte
	// former is the key of tokens that are taken and no longer made; nil for none.
	former []byte
}

func newRefreshTokens(key, previous secret.Text) (t refreshTokens, err error) {
	if err := secret.CheckKey(key); err != nil {
		return t, err
	}
	if t.key, err = secret.Derive(key, refreshPurpose); err == nil && !previous.IsZero() {
		t.former, err = secret.Derive(previous, refreshPurpose)
	}
	return t, err
}

// refreshEncoding takes one text for each token.
var refreshEncoding = base64.RawURLEncoding.Strict()

const refreshPurpose = "latchkey refresh tokens"

// issue returns the token of a session's generation; always the same one.
func (t refreshTokens) issue(session uuid.UUID, generation int32) secret.Text {
	body := binary.BigEndian.AppendUint32(session[:], uint32(generation))
	return secret.New(RefreshPrefix + refreshEncoding.EncodeToString(append(body, sign(t.key, body)...)))
}

// read returns the session and the generation of a token. It uses nothing of the token before it
// has checked the HMAC, in constant time.
func (t refreshTokens) read(token secret.Text) (session uuid.UUID, generation int32, err error) {
	text, ok := strings.CutPrefix(token.Reveal(), RefreshPrefix)
	if !ok || len(text) != base64.RawURLEncoding.EncodedLen(refreshBytes) {
		return uuid.Nil, 0, errRefreshToken
	}
	raw, err := refreshEncoding.DecodeString(text)
	if err != nil || len(raw) != refreshBytes || !t.isSigned(raw[:refreshBodyBytes], raw[refreshBodyBytes:]) {
		return uuid.Nil, 0, errRefreshToken
	}
	return uuid.UUID(raw[:16]), int32(binary.BigEndian.Uint32(raw[16:refreshBodyBytes])), nil
}

func (t refreshTokens) isSigned(body, mac []byte) bool {
	return hmac.Equal(mac, sign(t.key, body)) || t.former != nil && hmac.Equal(mac, sign(t.former, body))
}

func sign(key, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	return mac.Sum(nil)
}
