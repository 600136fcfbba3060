package authn

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
)

// golang-jwt's parser reads the claims before the signature is verified, takes names in any case
// and each more than once, and takes an unknown `crit`. Only its signatures are used. Header and
// claims are read here.

// The reasons why a token is refused, for the log. None of them repeats a part of the token.
var (
	errTokenSize      = errors.New("longer than any token of the server's")
	errTokenParts     = errors.New("not three parts of base64url")
	errTokenHeader    = errors.New("the header is not one of the server's")
	errTokenKey       = errors.New("no such key")
	errTokenSignature = errors.New("the signature is not the key's")
	errTokenClaims    = errors.New("the claims are not the contract's")
	errTokenTime      = errors.New("a time is not a number of seconds")
	errTokenExpired   = errors.New("expired")
	errTokenEarly     = errors.New("not valid yet")
)

// MaxTokenBytes is the length of the longest token that is decoded. The contract promises no longer
// one.
const MaxTokenBytes = 4096

// TokenType is the header's `typ` (RFC 9068 section 2.1). It keeps every other kind of JWT out
// (RFC 8725 section 3.11).
const TokenType = "at+jwt"

var tokenEncoding = base64.RawURLEncoding.Strict()

// Unverified is an access token whose signature has not been checked. It has no claims yet:
// [Unverified.Verify] returns them.
//
// It is for callers that have the keys, such as the server. Others use a [Verifier].
type Unverified struct {
	// KeyID and Algorithm are the header's. Anybody may have written them.
	KeyID, Algorithm string

	signed             string // the text that the signature is for
	payload, signature []byte
}

// Parse splits a token in compact form (RFC 7515 section 7.1) and decodes its parts. It accepts
// only the spelling and the header that the server writes. It fails with [ErrInvalidToken].
func Parse(text string) (Unverified, error) {
	if len(text) > MaxTokenBytes {
		return Unverified{}, invalid(errTokenSize)
	}
	// The decoder would skip line breaks: one token would have many texts.
	if strings.ContainsAny(text, "\r\n") {
		return Unverified{}, invalid(errTokenParts)
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return Unverified{}, invalid(errTokenParts)
	}
	token := Unverified{signed: text[:strings.LastIndexByte(text, '.')]}
	var head []byte
	for i, data := range []*[]byte{&head, &token.payload, &token.signature} {
		var err error
		if *data, err = tokenEncoding.DecodeString(parts[i]); err != nil || len(parts[i]) == 0 {
			return Unverified{}, invalid(errTokenParts)
		}
	}
	var err error
	if token.KeyID, token.Algorithm, err = parseHeader(head); err != nil {
		return Unverified{}, invalid(err)
	}
	return token, nil
}

// parseHeader demands exactly the three members that the server writes. It refuses any other, such
// as `crit`, `jwk` or `jku`, without a look at its value (RFC 7515 section 4.1.11, RFC 8725 section
// 3.10).
func parseHeader(data []byte) (kid, algorithm string, err error) {
	var header struct {
		Algorithm string `json:"alg"`
		Type      string `json:"typ"`
		KeyID     string `json:"kid"`
	}
	if err := json.Unmarshal(data, &header, json.RejectUnknownMembers(true)); err != nil {
		return "", "", errTokenHeader
	}
	typ := strings.TrimPrefix(strings.ToLower(header.Type), "application/")
	if typ != TokenType || header.KeyID == "" {
		return "", "", errTokenHeader
	}
	return header.KeyID, header.Algorithm, nil
}

// Verify returns the claims of the token if the signature is the key's and the claims are as
// demanded. It reads no claim before the signature is verified. It fails with [ErrInvalidToken].
//
// The caller has found the key by the token's KeyID. algorithm is the key's, with which the token
// has to agree (RFC 8725 section 3.1). signature fails if a signature of a text is not the key's.
func (u Unverified) Verify(
	algorithm string,
	signature func(signed string, signature []byte) error,
	want Demands,
) (Claims, error) {
	if u.Algorithm != algorithm {
		return Claims{}, invalid(errTokenHeader)
	}
	if err := signature(u.signed, u.signature); err != nil {
		return Claims{}, invalid(errTokenSignature)
	}
	claims, err := parseClaims(u.payload, want)
	if err != nil {
		return Claims{}, invalid(err)
	}
	return claims, nil
}
