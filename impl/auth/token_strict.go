package auth

import (
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// golang-jwt, with every strict option, still takes an unknown `crit`, a wrong or absent `typ`, a missing `sub`, duplicate names, `EXP` in place of `exp`, and
// `exp` as a string. Header and claims are therefore read once more here, by a decoder that matches names exactly, takes each once, and demands UTF-8.

// What is wrong with a token, for the log. None of these repeats anything of it.
var (
	errTokenSize      = errors.New("longer than any token of ours")
	errTokenParts     = errors.New("not three parts of base64url")
	errTokenHeader    = errors.New("the header is not one of ours")
	errTokenSignature = errors.New("the signature is not ours")
	errTokenClaims    = errors.New("the claims are not the contract's")
	errTokenTime      = errors.New("a time is not a number of seconds")
	errTokenSubject   = errors.New("no id of a user or a session")
)

// maxTokenBytes bounds what is decoded at all: ours have some 500 bytes, 1,000 with RS256, and the contract promises no more than this.
const maxTokenBytes = 4096

var tokenEncoding = base64.RawURLEncoding.Strict()

// tokenParts is a token in compact form, decoded; signed is the text that the signature is of.
type tokenParts struct {
	header, payload, signature []byte
	signed                     string
}

// splitToken decodes a token in compact form (RFC 7515 section 7.1).
func splitToken(text string) (tokenParts, error) {
	if len(text) > maxTokenBytes {
		return tokenParts{}, errTokenSize
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return tokenParts{}, errTokenParts
	}
	token := tokenParts{signed: text[:strings.LastIndexByte(text, '.')]}
	for i, data := range []*[]byte{&token.header, &token.payload, &token.signature} {
		var err error
		if *data, err = decodeStrict(tokenEncoding, parts[i]); err != nil || len(parts[i]) == 0 {
			return tokenParts{}, errTokenParts
		}
	}
	return token, nil
}

// tokenHeader has the members of a token's header.
type tokenHeader struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	KeyID     string `json:"kid"`
}

// strictHeader demands exactly the three members that we write (RFC 7515 section 4.1.11: whoever doesn't know a `crit` must refuse it).
func strictHeader(data []byte) (tokenHeader, error) {
	var header tokenHeader
	if err := json.Unmarshal(data, &header, json.RejectUnknownMembers(true)); err != nil {
		return tokenHeader{}, errTokenHeader
	}
	if typ := strings.TrimPrefix(strings.ToLower(header.Type), "application/"); typ != tokenType {
		return tokenHeader{}, errTokenHeader
	}
	return header, nil
}

// strictClaims demands the claims of the contract, each of its type. Claims that it doesn't know pass, so that
// an instance of the next release can add one, but not under a known name in another case. It answers the registered claims
// as well, for golang-jwt's rules about the times.
func (t *Tokens) strictClaims(data []byte) (Claims, *jwt.RegisteredClaims, error) {
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
		return Claims{}, nil, errTokenClaims
	}
	for name := range claims.Unknown {
		if slices.ContainsFunc(claimNames, func(known string) bool { return strings.EqualFold(name, known) }) {
			return Claims{}, nil, errTokenClaims
		}
	}
	if claims.Issuer != t.issuer || !t.isAudience(claims.Audience) ||
		claims.TokenID == "" || claims.Subject == "" || claims.Username == "" {
		return Claims{}, nil, errTokenClaims
	}
	issued, err := numericDate(claims.IssuedAt)
	if err != nil {
		return Claims{}, nil, err
	}
	expires, err := numericDate(claims.ExpiresAt)
	if err != nil {
		return Claims{}, nil, err
	}
	registered := &jwt.RegisteredClaims{
		Issuer: claims.Issuer, Audience: jwt.ClaimStrings{t.audience}, IssuedAt: jwt.NewNumericDate(issued), ExpiresAt: jwt.NewNumericDate(expires),
	}
	if claims.NotBefore != nil {
		notBefore, err := numericDate(claims.NotBefore)
		if err != nil {
			return Claims{}, nil, err
		}
		registered.NotBefore = jwt.NewNumericDate(notBefore)
	}
	user, err := strictID(claims.UserID)
	if err != nil {
		return Claims{}, nil, err
	}
	session, err := strictID(claims.SessionID)
	if err != nil {
		return Claims{}, nil, err
	}
	return Claims{UserID: user, SessionID: session, Subject: claims.Subject, TokenID: claims.TokenID, IssuedAt: issued, ExpiresAt: expires}, registered, nil
}

var claimNames = []string{"iss", "aud", "iat", "nbf", "exp", "jti", "sub", "username", "uid", "sid"}

// strictID reads an id in the one form in which it is written.
func strictID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil || id == uuid.Nil || id.String() != text {
		return uuid.Nil, errTokenSubject
	}
	return id, nil
}

// isAudience takes our audience by itself or among others (RFC 7519 section 4.1.3).
func (t *Tokens) isAudience(value jsontext.Value) bool {
	var one string
	if value.Kind() == '"' {
		return json.Unmarshal(value, &one) == nil && one == t.audience
	}
	var many []string
	return value.Kind() == '[' && json.Unmarshal(value, &many) == nil && slices.Contains(many, t.audience)
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

// decodeStrict refuses the line breaks that encoding/base64 passes over.
func decodeStrict(e *base64.Encoding, s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errTokenHeader
	}
	return e.DecodeString(s)
}
