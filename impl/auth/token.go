package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// ErrInvalidToken says that a text is not an access token that is valid now. What wraps it tells the log why, and never shows the token.
var ErrInvalidToken = errors.New("invalid token")

// tokenType is the header's `typ` (RFC 9068 section 2.1).
const tokenType = "at+jwt"

// Leeway is by how much the clocks of two instances may differ (RFC 8725 section 3.8 leaves it to us).
const Leeway = 30 * time.Second

// minKeyBytes is the least length of a key for HS256 (RFC 7518 section 3.2).
const minKeyBytes = 32

// TokenOptions are what [Tokens] are made of. Each is required.
type TokenOptions struct {
	// Key signs with HMAC: at least 32 bytes.
	Key Secret
	// Algorithm is HS256.
	Algorithm string
	// Issuer and Audience are written into each token and demanded of each.
	Issuer, Audience string
	// TTL is how long a token lives, at least a second.
	TTL time.Duration
	// Now is the clock.
	Now func() time.Time
}

// Tokens issues access tokens and checks them. It is safe for concurrent use.
type Tokens struct {
	key              []byte
	kid              string
	issuer, audience string
	ttl              time.Duration
	now              func() time.Time
	validator        *jwt.Validator
	verified         verified
}

// NewTokens makes [Tokens], and refuses a missing dependency and a weak key.
func NewTokens(o TokenOptions) (*Tokens, error) {
	switch {
	case o.Algorithm != jwt.SigningMethodHS256.Alg():
		return nil, fmt.Errorf("the JWT algorithm must be HS256, not %q", o.Algorithm)
	case o.Issuer == "" || o.Audience == "":
		return nil, errors.New("tokens need an issuer and an audience")
	case o.TTL < time.Second:
		return nil, fmt.Errorf("tokens must live for at least 1s, not %s", o.TTL)
	case o.Now == nil:
		return nil, errors.New("tokens need a clock")
	}
	if err := CheckKey(o.Key); err != nil {
		return nil, err
	}
	key := []byte(o.Key.Reveal())
	return &Tokens{
		verified: verified{size: verifiedTokens},
		key:      key, kid: keyID(key), issuer: o.Issuer, audience: o.Audience, ttl: o.TTL, now: o.Now,
		validator: jwt.NewValidator(
			jwt.WithIssuer(o.Issuer), jwt.WithAudience(o.Audience),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(Leeway), jwt.WithTimeFunc(o.Now),
		),
	}, nil
}

// placeholders are parts of the keys in other projects' tutorials and templates, in lower case: everybody has them.
var placeholders = []string{
	"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7", // FastAPI
	"a-string-secret-at-least-256-bits-long", "your-256-bit-secret",    // jwt.io
	"super-secret-jwt-token-with-at-least-32-characters", // Supabase
	"django-insecure", "your-secret", "your_secret", "yoursecret", "changeme", "change-me", "change_me", "changethis", "change-this", "change_this",
	"replace-me", "replace_me", "replaceme",
}

// minKeySymbols is how many different bytes a key must have: 32 random ones have about 30, their hex digits about 14.
const minKeySymbols = 8

// CheckKey refuses a key that can be guessed: shorter than 32 bytes (RFC 7518 section 3.2), of few different bytes, one that
// repeats itself within 32 bytes, a run of the alphabet or the digits, or a well-known placeholder.
func CheckKey(key Secret) error {
	text := key.Reveal()
	if len(text) < minKeyBytes {
		return fmt.Errorf("the secret key must have at least %d bytes, not %d", minKeyBytes, len(text))
	}
	symbols := map[byte]bool{}
	steps := map[byte]int{} // how often each difference of two neighbours occurs
	for i := range len(text) {
		symbols[text[i]] = true
		if i > 0 {
			steps[text[i]-text[i-1]]++
		}
	}
	if len(symbols) < minKeySymbols || steps[1] > len(text)/2 || repeatsItself(text) || hasPlaceholder(text) {
		return errors.New("the secret key is a well-known or trivial one; take random bytes")
	}
	return nil
}

// repeatsItself tells a text that is as secret as its first few bytes.
func repeatsItself(text string) bool {
	for period := 1; period < minKeyBytes && period < len(text); period++ {
		if text[period:] == text[:len(text)-period] {
			return true
		}
	}
	return false
}

func hasPlaceholder(text string) bool {
	lower := strings.ToLower(text)
	return slices.ContainsFunc(placeholders, func(p string) bool { return strings.Contains(lower, p) })
}

// keyID names a key without telling of it: part of an HMAC under it.
func keyID(key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("latchkey key id"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// Subject is whom a token is issued to.
type Subject struct {
	UserID   uuid.UUID
	Email    string
	Username string
	// At is when the login was recorded, which dates the token; the present where it is zero.
	At time.Time
	// NotBefore is when the user's credentials last changed: tokens issued in that second or before it are refused.
	NotBefore time.Time
}

// Claims are what a checked token says.
type Claims struct {
	UserID    uuid.UUID
	Subject   string // the email when it was issued
	TokenID   string
	IssuedAt  time.Time // in whole seconds
	ExpiresAt time.Time
}

// AccessToken is a token that was just issued.
type AccessToken struct {
	Text      Secret
	ExpiresIn time.Duration
	Claims    Claims
}

// Issue makes an access token, with the claims of the contract's AccessTokenClaims. A token for a user whose credentials were changed within
// this very second is dated one second later, so that it is not taken for one from before the change.
func (t *Tokens) Issue(s Subject) (AccessToken, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return AccessToken{}, err
	}
	now := t.now().Unix()
	issued := now
	if !s.At.IsZero() {
		issued = s.At.Unix()
	}
	if !s.NotBefore.IsZero() {
		issued = max(issued, s.NotBefore.Unix()+1)
	}
	expires := issued + int64(t.ttl/time.Second)
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": t.issuer, "aud": t.audience, "iat": issued, "exp": expires, "jti": id.String(),
		"sub": s.Email, "username": s.Username, "uid": s.UserID.String(),
	})
	token.Header["typ"], token.Header["kid"] = tokenType, t.kid
	text, err := token.SignedString(t.key)
	if err != nil {
		return AccessToken{}, err
	}
	return AccessToken{
		Text:      NewSecret(text),
		ExpiresIn: time.Duration(expires-now) * time.Second,
		Claims:    Claims{UserID: s.UserID, Subject: s.Email, TokenID: id.String(), IssuedAt: time.Unix(issued, 0), ExpiresAt: time.Unix(expires, 0)},
	}, nil
}

// Check answers what an access token says, if it is one of ours and valid now. Every failure is an [ErrInvalidToken].
//
// Nothing of the claims is read before the signature is verified. golang-jwt verifies it, in constant time, and the times;
// its own parser is left out, since it reads the claims first, takes names in any case, and repeats the claims in its errors.
func (t *Tokens) Check(text string) (Claims, error) {
	if len(text) > maxTokenBytes {
		return Claims{}, invalid(errTokenSize)
	}
	digest := tokenDigest(sha256.Sum256([]byte(text)))
	if known, ok := t.verified.get(digest); ok {
		if now := t.now(); now.Before(known.until) && !now.Before(known.from) {
			return known.claims, nil
		}
	}
	known, err := t.verify(text)
	if err != nil {
		return Claims{}, invalid(err)
	}
	t.verified.add(digest, known)
	return known.claims, nil
}

// verify decodes and judges a token.
func (t *Tokens) verify(text string) (verifiedToken, error) {
	token, err := splitToken(text)
	if err != nil {
		return verifiedToken{}, err
	}
	if err := t.strictHeader(token.header); err != nil {
		return verifiedToken{}, err
	}
	if err := jwt.SigningMethodHS256.Verify(token.signed, token.signature, t.key); err != nil {
		return verifiedToken{}, errTokenSignature
	}
	claims, registered, err := t.strictClaims(token.payload)
	if err != nil {
		return verifiedToken{}, err
	}
	if err := t.validator.Validate(registered); err != nil {
		return verifiedToken{}, err // by names of claims alone
	}
	from := registered.IssuedAt.Time
	if registered.NotBefore != nil && registered.NotBefore.After(from) {
		from = registered.NotBefore.Time
	}
	return verifiedToken{claims: claims, from: from.Add(-Leeway), until: claims.ExpiresAt.Add(Leeway)}, nil
}

func invalid(reason error) error { return fmt.Errorf("%w: %w", ErrInvalidToken, reason) }
