package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/auth/recent"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// ErrInvalidToken says that a text is not an access token that is valid now. What wraps it tells the log why, and never shows the token.
var ErrInvalidToken = errors.New("invalid token")

// tokenType is the header's `typ` (RFC 9068 section 2.1).
const tokenType = "at+jwt"

// Leeway is by how much the clocks of two instances may differ (RFC 8725 section 3.8 leaves it to us).
const Leeway = 30 * time.Second

// TokenOptions are what [Tokens] are made of. Each is required.
type TokenOptions struct {
	// Keys sign.
	Keys *Keyring
	// Issuer and Audience are written into each token and demanded of each.
	Issuer, Audience string
	// TTL is how long a token lives, at least a second.
	TTL time.Duration
	// Now is the clock.
	Now func() time.Time
}

// Tokens issues access tokens and checks them. It is safe for concurrent use.
type Tokens struct {
	keys             *Keyring
	issuer, audience string
	ttl              time.Duration
	now              func() time.Time
	validator        *jwt.Validator
	verified         *verified
}

// NewTokens makes [Tokens], and refuses a missing dependency.
func NewTokens(o TokenOptions) (*Tokens, error) {
	switch {
	case o.Keys == nil:
		return nil, errors.New("tokens need keys")
	case o.Issuer == "" || o.Audience == "":
		return nil, errors.New("tokens need an issuer and an audience")
	case o.TTL < time.Second:
		return nil, fmt.Errorf("tokens must live for at least 1s, not %s", o.TTL)
	case o.Now == nil:
		return nil, errors.New("tokens need a clock")
	}
	return &Tokens{
		verified: recent.New[tokenDigest, verifiedToken](verifiedTokens),
		keys:     o.Keys, issuer: o.Issuer, audience: o.Audience, ttl: o.TTL, now: o.Now,
		validator: jwt.NewValidator(
			jwt.WithIssuer(o.Issuer), jwt.WithAudience(o.Audience),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(Leeway), jwt.WithTimeFunc(o.Now),
		),
	}, nil
}

// Subject is whom a token is issued to.
type Subject struct {
	UserID    uuid.UUID
	SessionID uuid.UUID
	Email     string
	Username  string
}

// Claims are what a checked token says.
type Claims struct {
	UserID    uuid.UUID
	SessionID uuid.UUID
	Subject   string // the email when it was issued
	TokenID   string
	IssuedAt  time.Time // in whole seconds
	ExpiresAt time.Time
}

// AccessToken is a token that was just issued.
type AccessToken struct {
	Text      secret.Text
	ExpiresIn time.Duration
	Claims    Claims
}

// Issue makes an access token, with the claims of the contract's AccessTokenClaims. It fails with [ErrUnavailable] where no key signs.
func (t *Tokens) Issue(s Subject) (AccessToken, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return AccessToken{}, err
	}
	now := t.now()
	key, err := t.keys.signing(now)
	if err != nil {
		return AccessToken{}, err
	}
	issued := now.Unix()
	expires := issued + int64(t.ttl/time.Second)
	token := jwt.NewWithClaims(key.method, jwt.MapClaims{
		"iss": t.issuer, "aud": t.audience, "iat": issued, "exp": expires, "jti": id.String(),
		"sub": s.Email, "username": s.Username, "uid": s.UserID.String(), "sid": s.SessionID.String(),
	})
	token.Header["typ"], token.Header["kid"] = tokenType, key.kid
	text, err := token.SignedString(key.private)
	if err != nil {
		return AccessToken{}, err
	}
	return AccessToken{
		Text:      secret.New(text),
		ExpiresIn: time.Duration(expires-issued) * time.Second,
		Claims: Claims{
			UserID: s.UserID, SessionID: s.SessionID, Subject: s.Email, TokenID: id.String(),
			IssuedAt: time.Unix(issued, 0), ExpiresAt: time.Unix(expires, 0),
		},
	}, nil
}

// Check answers what an access token says, if it is one of ours and valid now. Every failure is an [ErrInvalidToken], or an [ErrUnavailable]
// where the key that the token names can't be looked for.
//
// Nothing of the claims is read before the signature is verified. golang-jwt verifies it, in constant time, and the times;
// its own parser is left out, since it reads the claims first, takes names in any case, and repeats the claims in its errors.
func (t *Tokens) Check(ctx context.Context, text string) (Claims, error) {
	if len(text) > maxTokenBytes {
		return Claims{}, invalid(errTokenSize)
	}
	now := t.now()
	digest := tokenDigest(sha256.Sum256([]byte(text)))
	if known, ok := t.verified.Get(digest); ok && now.Before(known.until) && !now.Before(known.from) {
		if key := t.keys.loaded().find(known.kid); key != nil && key.verifies(now) {
			return known.claims, nil
		}
	}
	known, err := t.verify(ctx, text, now)
	if errors.Is(err, ErrUnavailable) {
		return Claims{}, err
	}
	if err != nil {
		return Claims{}, invalid(err)
	}
	t.verified.Add(digest, known)
	return known.claims, nil
}

// verify decodes and judges a token.
func (t *Tokens) verify(ctx context.Context, text string, now time.Time) (verifiedToken, error) {
	token, err := splitToken(text)
	if err != nil {
		return verifiedToken{}, err
	}
	header, err := strictHeader(token.header)
	if err != nil {
		return verifiedToken{}, err
	}
	key, err := t.keys.find(ctx, header.KeyID, now)
	if err != nil {
		return verifiedToken{}, err
	}
	// The key says by which algorithm, and the token has to agree (RFC 8725 section 3.1).
	if header.Algorithm != key.algorithm {
		return verifiedToken{}, errTokenHeader
	}
	if err := key.method.Verify(token.signed, token.signature, key.public); err != nil {
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
	return verifiedToken{claims: claims, kid: key.kid, from: from.Add(-Leeway), until: claims.ExpiresAt.Add(Leeway)}, nil
}

func invalid(reason error) error { return fmt.Errorf("%w: %w", ErrInvalidToken, reason) }
