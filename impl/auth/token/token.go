// Package token issues access tokens and checks them. They are JWTs of the profile of RFC 9068. The
// public package authn has the one parser of them; this package adds the keys of the service, HS256
// included, and a memory of the tokens that were verified.
package token

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/authn"
	"github.com/latchkey-auth/latchkey/impl/auth/recent"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// ErrInvalid reports that a text is not an access token that is valid now. The error that wraps it
// has the reason, for the log, and never shows the token.
var ErrInvalid = authn.ErrInvalidToken

// Keys are the keys that tokens are signed with. A keyring's ring implements them.
type Keys interface {
	// Sign signs a text, which it asks for with the algorithm and the id of the key that signs, and
	// returns both in compact form. It fails with [store.ErrUnavailable] if no key signs.
	Sign(now time.Time, text func(algorithm, kid string) (string, error)) (string, error)
	// Find returns the algorithm of a key, and the function that checks its signatures. It fails
	// with [store.ErrUnavailable] if it can't look for the key, and with another error if there is
	// none.
	Find(ctx context.Context, kid string, now time.Time) (
		algorithm string, verify func(signed string, signature []byte) error, err error)
	// Verifies reports whether tokens under a key are still valid.
	Verifies(kid string, now time.Time) bool
}

// Options are what an [Issuer] is made of. All are required.
type Options struct {
	Keys Keys
	// Issuer and Audience are written into each token and demanded of each.
	Issuer, Audience string
	// TTL is how long a token lives, at least a second.
	TTL time.Duration
	// Now is the clock.
	Now func() time.Time
}

// Issuer issues access tokens, and checks whether it issued a token. It is safe for concurrent use.
type Issuer struct {
	opts     Options
	verified *verified
}

// New makes an [Issuer] and refuses a missing option.
func New(o Options) (*Issuer, error) {
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
	return &Issuer{opts: o, verified: recent.New[tokenDigest, verifiedToken](verifiedTokens)}, nil
}

// Name is the `iss` of the tokens.
func (i *Issuer) Name() string { return i.opts.Issuer }

// Subject is whom a token is issued to.
type Subject struct {
	UserID    uuid.UUID
	SessionID uuid.UUID
	Email     string
	Username  string
	// AuthTime is when the user last proved who it is, and Methods how (RFC 8176).
	AuthTime time.Time
	Methods  []string
	// Scopes are what the token may do; none for an everyday token.
	Scopes []string
	// Ext is an object of the application, as JSON, or nil.
	Ext json.RawMessage
}

// Claims are what a checked token says.
type Claims struct {
	UserID    uuid.UUID
	SessionID uuid.UUID
	Subject   string // the email when the token was issued
	TokenID   string
	Scopes    []string
	IssuedAt  time.Time // in whole seconds
	ExpiresAt time.Time
}

// Issued is a token that was just issued.
type Issued struct {
	Text      secret.Text
	ExpiresIn time.Duration
	Claims    Claims
}

// Issue makes an access token, whose claims are the contract's AccessTokenClaims. It fails with
// [store.ErrUnavailable] if no key signs.
func (i *Issuer) Issue(s Subject) (Issued, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Issued{}, err
	}
	now := i.opts.Now()
	issued := now.Unix()
	expires := issued + int64(i.opts.TTL/time.Second)
	text, err := i.opts.Keys.Sign(now, func(algorithm, kid string) (string, error) {
		claims := jwt.MapClaims{
			"iss": i.opts.Issuer, "aud": i.opts.Audience, "iat": issued, "exp": expires, "jti": id.String(),
			"sub": s.Email, "username": s.Username, "uid": s.UserID.String(), "sid": s.SessionID.String(),
			"auth_time": s.AuthTime.Unix(), "amr": s.Methods,
		}
		if len(s.Scopes) > 0 {
			claims["scope"] = strings.Join(s.Scopes, " ")
		}
		if s.Ext != nil {
			claims["ext"] = s.Ext
		}
		token := jwt.Token{
			Header: map[string]any{"alg": algorithm, "typ": authn.TokenType, "kid": kid}, Claims: claims,
		}
		return token.SigningString()
	})
	if err != nil {
		return Issued{}, err
	}
	return Issued{
		Text:      secret.New(text),
		ExpiresIn: time.Duration(expires-issued) * time.Second,
		Claims: Claims{
			UserID: s.UserID, SessionID: s.SessionID, Subject: s.Email, TokenID: id.String(), Scopes: s.Scopes,
			IssuedAt: time.Unix(issued, 0), ExpiresAt: time.Unix(expires, 0),
		},
	}, nil
}

// Check returns what an access token says, if this issuer issued it and it is valid now. It fails
// with [ErrInvalid], or with [store.ErrUnavailable] if it can't look for the token's key.
func (i *Issuer) Check(ctx context.Context, text string) (Claims, error) {
	if len(text) > authn.MaxTokenBytes {
		_, err := authn.Parse(text) // which says why, before anything of the text is read
		return Claims{}, err
	}
	now := i.opts.Now()
	digest := tokenDigest(sha256.Sum256([]byte(text)))
	if known, ok := i.verified.Get(digest); ok && known.holds(now) && i.opts.Keys.Verifies(known.kid, now) {
		return known.claims, nil
	}
	known, err := i.verify(ctx, text, now)
	if err != nil {
		return Claims{}, err
	}
	i.verified.Add(digest, known)
	return known.claims, nil
}

// verify decodes and judges a token.
func (i *Issuer) verify(ctx context.Context, text string, now time.Time) (verifiedToken, error) {
	parsed, err := authn.Parse(text)
	if err != nil {
		return verifiedToken{}, err
	}
	algorithm, signature, err := i.opts.Keys.Find(ctx, parsed.KeyID, now)
	if errors.Is(err, store.ErrUnavailable) {
		return verifiedToken{}, err
	}
	if err != nil {
		return verifiedToken{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	demands := authn.Demands{Issuer: i.opts.Issuer, Audience: i.opts.Audience, Now: now}
	said, err := parsed.Verify(algorithm, signature, demands)
	if err != nil {
		return verifiedToken{}, err
	}
	user, userErr := uuid.Parse(said.UserID)
	session, sessionErr := uuid.Parse(said.SessionID)
	if err := errors.Join(userErr, sessionErr); err != nil {
		return verifiedToken{}, ErrInvalid
	}
	return verifiedToken{
		kid:  parsed.KeyID,
		from: said.NotBefore.Add(-authn.Leeway), until: said.ExpiresAt.Add(authn.Leeway),
		claims: Claims{
			UserID: user, SessionID: session, Subject: said.Subject, TokenID: said.TokenID, Scopes: said.Scopes,
			IssuedAt: said.IssuedAt, ExpiresAt: said.ExpiresAt,
		},
	}, nil
}
