package authn

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Claims are the claims of a checked token.
type Claims struct {
	// UserID is a UUID, and never given to another user.
	UserID string
	// SessionID is a UUID: the login that the token comes from.
	SessionID string
	// TokenID is the token's own.
	TokenID string
	// Subject is the email, and Username the name, when the token was issued.
	Subject, Username string
	Issuer            string
	// Scopes are what the token may do at the server, from its `scope`; none in an everyday token.
	// See [RequireScope].
	Scopes []string
	// Ext are the members of the user's app_metadata that the server puts into tokens, with the
	// types of encoding/json; nil without any.
	Ext map[string]any
	// IssuedAt and ExpiresAt are in whole seconds. NotBefore is the token's `nbf` where that is
	// after IssuedAt, and else IssuedAt. A token is taken [Leeway] before NotBefore and until
	// [Leeway] after ExpiresAt, because clocks differ.
	IssuedAt, NotBefore, ExpiresAt time.Time
}

// Demands are what the claims of a token have to fit.
type Demands struct {
	// Issuer is the token's `iss`. Audience is its `aud`, or among them.
	Issuer, Audience string
	// Now is the time at which the token has to be valid.
	Now time.Time
}

var claimNames = []string{"iss", "aud", "iat", "nbf", "exp", "jti", "sub", "username", "uid", "sid", "scope", "ext"}

// claims are the members of a token's payload, before they are judged.
type claims struct {
	Issuer    string                    `json:"iss"`
	Audience  jsontext.Value            `json:"aud"`
	IssuedAt  jsontext.Value            `json:"iat"`
	NotBefore jsontext.Value            `json:"nbf"`
	ExpiresAt jsontext.Value            `json:"exp"`
	TokenID   string                    `json:"jti"`
	Subject   string                    `json:"sub"`
	Username  string                    `json:"username"`
	UserID    string                    `json:"uid"`
	SessionID string                    `json:"sid"`
	Scope     string                    `json:"scope"`
	Ext       map[string]any            `json:"ext"`
	Unknown   map[string]jsontext.Value `json:",embed"`
}

// parseClaims demands the claims of the contract, each of its type. It accepts unknown claims, so
// that a later release of the server can add one. It refuses a known name in another case.
func parseClaims(data []byte, want Demands) (Claims, error) {
	var c claims
	if err := json.Unmarshal(data, &c); err != nil {
		return Claims{}, errTokenClaims
	}
	for name := range c.Unknown {
		if slices.ContainsFunc(claimNames, func(known string) bool { return strings.EqualFold(name, known) }) {
			return Claims{}, errTokenClaims
		}
	}
	if c.Issuer != want.Issuer || !isAudience(c.Audience, want.Audience) ||
		c.TokenID == "" || c.Subject == "" || c.Username == "" || !isUUID(c.UserID) || !isUUID(c.SessionID) {
		return Claims{}, errTokenClaims
	}
	issued, begins, expires, err := c.times(want.Now)
	if err != nil {
		return Claims{}, err
	}
	return Claims{
		UserID:    c.UserID,
		SessionID: c.SessionID,
		TokenID:   c.TokenID,
		Subject:   c.Subject,
		Username:  c.Username,
		Issuer:    c.Issuer,
		Scopes:    scopesOf(c.Scope),
		Ext:       c.Ext,
		IssuedAt:  issued,
		NotBefore: begins,
		ExpiresAt: expires,
	}, nil
}

// times returns the times of a token, which is valid now.
func (c claims) times(now time.Time) (issued, begins, expires time.Time, err error) {
	if issued, err = numericDate(c.IssuedAt); err != nil {
		return issued, begins, expires, err
	}
	if expires, err = numericDate(c.ExpiresAt); err != nil {
		return issued, begins, expires, err
	}
	begins = issued
	if c.NotBefore != nil {
		notBefore, err := numericDate(c.NotBefore)
		if err != nil {
			return issued, begins, expires, err
		}
		if notBefore.After(issued) {
			begins = notBefore
		}
	}
	switch {
	case !now.Before(expires.Add(Leeway)): // RFC 7519 section 4.1.4: on or after it
		err = errTokenExpired
	case now.Before(begins.Add(-Leeway)):
		err = errTokenEarly
	}
	return issued, begins, expires, err
}

// scopesOf splits a list of scopes (RFC 6749 section 3.3); nil for none.
func scopesOf(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Fields(text)
}

// isAudience reports whether a claim is the audience, or a list that contains it (RFC 7519 section
// 4.1.3).
func isAudience(value jsontext.Value, audience string) bool {
	var one string
	if value.Kind() == '"' {
		return json.Unmarshal(value, &one) == nil && one == audience
	}
	var many []string
	return value.Kind() == '[' && json.Unmarshal(value, &many) == nil && slices.Contains(many, audience)
}

// maxNumericDate is the last second of the year 9999.
const maxNumericDate = 253402300799

// numericDate returns the time of a number of seconds since 1970 (RFC 7519 section 2). It cuts off
// fractions, which are legal.
func numericDate(value jsontext.Value) (time.Time, error) {
	if value.Kind() != '0' {
		return time.Time{}, errTokenTime
	}
	seconds, err := strconv.ParseFloat(string(value), 64)
	if err != nil || seconds < 1 || seconds > maxNumericDate {
		return time.Time{}, errTokenTime
	}
	return time.Unix(int64(seconds), 0), nil
}

const nilUUID = "00000000-0000-0000-0000-000000000000"

// isUUID reports whether a text is a UUID in the one spelling that the server writes, so that two
// ids are the same if their texts are.
func isUUID(text string) bool {
	if len(text) != len(nilUUID) || text == nilUUID {
		return false
	}
	for i := range len(text) {
		isDash := nilUUID[i] == '-'
		isDigit := '0' <= text[i] && text[i] <= '9' || 'a' <= text[i] && text[i] <= 'f'
		if isDash != (text[i] == '-') || !isDash && !isDigit {
			return false
		}
	}
	return true
}
