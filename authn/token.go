package authn

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
)

// golang-jwt's parser reads the claims before the signature is verified, takes names in any case and each more than once, and an unknown
// `crit`. Only its signatures are used; header and claims are read here, by a decoder that takes what the server writes.

// What is wrong with a token, for the log. None of these repeats anything of it.
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

// maxTokenBytes bounds what is decoded at all: the contract promises no token longer than this.
const maxTokenBytes = 4096

// tokenType is the header's `typ` (RFC 9068 section 2.1), which keeps every other kind of JWT out (RFC 8725 section 3.11).
const tokenType = "at+jwt"

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
	// The decoder would skip line breaks: one token would have many texts.
	if strings.ContainsAny(text, "\r\n") {
		return tokenParts{}, errTokenParts
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return tokenParts{}, errTokenParts
	}
	token := tokenParts{signed: text[:strings.LastIndexByte(text, '.')]}
	for i, data := range []*[]byte{&token.header, &token.payload, &token.signature} {
		var err error
		if *data, err = tokenEncoding.DecodeString(parts[i]); err != nil || len(parts[i]) == 0 {
			return tokenParts{}, errTokenParts
		}
	}
	return token, nil
}

type tokenHeader struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	KeyID     string `json:"kid"`
}

// parseHeader demands exactly the three members that the server writes. What else there is, such as `crit`, `jwk` or `jku`, is refused
// and not looked at (RFC 7515 section 4.1.11, RFC 8725 section 3.10).
func parseHeader(data []byte) (tokenHeader, error) {
	var header tokenHeader
	if err := json.Unmarshal(data, &header, json.RejectUnknownMembers(true)); err != nil {
		return tokenHeader{}, errTokenHeader
	}
	typ := strings.TrimPrefix(strings.ToLower(header.Type), "application/")
	if typ != tokenType || header.KeyID == "" {
		return tokenHeader{}, errTokenHeader
	}
	return header, nil
}
