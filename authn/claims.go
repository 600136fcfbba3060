package authn

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Claims are what a checked token says.
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
	// IssuedAt and ExpiresAt are in whole seconds. A token is taken until half a minute after ExpiresAt, since clocks differ.
	IssuedAt, ExpiresAt time.Time
}

// demands are what a token's claims have to fit.
type demands struct {
	issuer, audience string
	now              time.Time
}

var claimNames = []string{"iss", "aud", "iat", "nbf", "exp", "jti", "sub", "username", "uid", "sid"}

// parseClaims demands the claims of the contract, each of its type. Claims that it doesn't know pass, so that the next
// release of the server can add one, but not under a known name in another case.
func parseClaims(data []byte, want demands) (Claims, error) {
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
	if claims.Issuer != want.issuer || !isAudience(claims.Audience, want.audience) ||
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
	notBefore := issued
	if claims.NotBefore != nil {
		if notBefore, err = numericDate(claims.NotBefore); err != nil {
			return Claims{}, err
		}
	}
	switch {
	case !want.now.Before(expires.Add(leeway)): // RFC 7519 section 4.1.4: on or after it
		return Claims{}, errTokenExpired
	case want.now.Before(issued.Add(-leeway)) || want.now.Before(notBefore.Add(-leeway)):
		return Claims{}, errTokenEarly
	}
	return Claims{
		UserID: claims.UserID, SessionID: claims.SessionID, TokenID: claims.TokenID, Subject: claims.Subject, Username: claims.Username,
		Issuer: claims.Issuer, IssuedAt: issued, ExpiresAt: expires,
	}, nil
}

// isAudience takes an audience by itself or among others (RFC 7519 section 4.1.3).
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

// numericDate reads seconds since 1970 (RFC 7519 section 2); fractions are legal, and cut off.
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

var uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

const nilUUID = "00000000-0000-0000-0000-000000000000"

// isUUID takes the one way in which the server writes a UUID, so that two ids are the same if their texts are.
func isUUID(text string) bool { return uuidPattern.MatchString(text) && text != nilUUID }
