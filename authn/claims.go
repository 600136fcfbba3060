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
	// IssuedAt and ExpiresAt are in whole seconds. NotBefore is the token's `nbf` where that is after
	// IssuedAt, and else IssuedAt. A token is taken [Leeway] before NotBefore and until [Leeway] after
	// ExpiresAt, because clocks differ.
	IssuedAt, NotBefore, ExpiresAt time.Time
}

// Demands are what the claims of a token have to fit.
type Demands struct {
	// Issuer is the token's `iss`. Audience is its `aud`, or among them.
	Issuer, Audience string
	// Now is the time at which the token has to be valid.
	Now time.Time
}

var claimNames = []string{"iss", "aud", "iat", "nbf", "exp", "jti", "sub", "username", "uid", "sid"}

// parseClaims demands the claims of the contract, each of its type. It accepts unknown claims, so that
// a later release of the server can add one. It refuses a known name in another case.
func parseClaims(data []byte, want Demands) (Claims, error) {
	var claims struct {
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
		Unknown   map[string]jsontext.Value `json:",embed"`
	}
	if err := json.Unmarshal(data, &claims); err != nil {
		return Claims{}, errTokenClaims
	}
	for name := range claims.Unknown {
		if slices.ContainsFunc(claimNames, func(known string) bool { return strings.EqualFold(name, known) }) {
			return Claims{}, errTokenClaims
		}
	}
	if claims.Issuer != want.Issuer || !isAudience(claims.Audience, want.Audience) ||
		claims.TokenID == "" || claims.Subject == "" || claims.Username == "" ||
		!isUUID(claims.UserID) || !isUUID(claims.SessionID) {
		return Claims{}, errTokenClaims
	}
	issued, err := numericDate(claims.IssuedAt)
	if err != nil {
		return Claims{}, err
	}
	expires, err := numericDate(claims.ExpiresAt)
	if err != nil {
		return Claims{}, err
	}
	begins := issued
	if claims.NotBefore != nil {
		notBefore, err := numericDate(claims.NotBefore)
		if err != nil {
			return Claims{}, err
		}
		if notBefore.After(issued) {
			begins = notBefore
		}
	}
	switch {
	case !want.Now.Before(expires.Add(Leeway)): // RFC 7519 section 4.1.4: on or after it
		return Claims{}, errTokenExpired
	case want.Now.Before(begins.Add(-Leeway)):
		return Claims{}, errTokenEarly
	}
	return Claims{
		UserID:    claims.UserID,
		SessionID: claims.SessionID,
		TokenID:   claims.TokenID,
		Subject:   claims.Subject,
		Username:  claims.Username,
		Issuer:    claims.Issuer,
		IssuedAt:  issued,
		NotBefore: begins,
		ExpiresAt: expires,
	}, nil
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
