// Package authntest has the tokens that every strict check of access tokens has to take or refuse.
// They are in testdata/tokens.json, as changes of a good token; a [Signer] makes tokens of them.
package authntest

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Now is the time at which the tokens are checked. The good token was issued in this second.
var Now = time.Date(2026, 1, 5, 9, 30, 0, 123456789, time.UTC)

// The ids of the good token.
const (
	UserID    = "01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90"
	SessionID = "01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e91"
)

//go:embed testdata/tokens.json
var file []byte

// vectors are the contents of testdata/tokens.json.
type vectors struct {
	// About explains the file to its readers.
	About []string `json:"about"`
	// Header and Claims are those of the good token.
	Header, Claims string
	// Accepted and Refused are vectors by name.
	Accepted, Refused map[string]vector
}

// vector is a change of the good token.
type vector struct {
	// Header and Claims replace a part of the header or the claims. HeaderIs and ClaimsIs replace
	// all of it.
	Header, Claims     [2]string
	HeaderIs, ClaimsIs *string
	// Unsigned leaves the signature empty.
	Unsigned bool
	// Signed is the text that is signed, Text the whole token.
	Signed, Text *string
}

var parsed = parse()

func parse() (v vectors) {
	decoder := json.NewDecoder(strings.NewReader(string(file)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		panic(err)
	}
	return v
}

// Signer makes tokens with a key.
type Signer struct {
	Algorithm, KeyID string
	// Sign returns the signature of a text.
	Sign func(text string) []byte
	// JWK is the public key as a JSON object, which an attacker embeds. Elsewhere is the address of
	// the attacker's server.
	JWK, Elsewhere string
}

// Header returns the header of the good token.
func (s Signer) Header() string { return s.fill(parsed.Header, nil) }

// Claims returns the claims of the good token.
func Claims() string { return parsed.Claims }

// Token signs a header and claims.
func (s Signer) Token(header, claims string) string {
	return s.compact(encode(header) + "." + encode(claims))
}

// Good returns the good token.
func (s Signer) Good() string { return s.Token(s.Header(), Claims()) }

// Accepted returns tokens that are valid at [Now], by name.
func (s Signer) Accepted() map[string]string { return s.tokens(parsed.Accepted) }

// Refused returns tokens that are not valid at [Now], by name.
func (s Signer) Refused() map[string]string { return s.tokens(parsed.Refused) }

func (s Signer) tokens(table map[string]vector) map[string]string {
	good := s.Good()
	parts := strings.Split(good, ".")
	values := map[string]string{"token": good, "header": parts[0], "claims": parts[1], "signature": parts[2]}
	tokens := make(map[string]string, len(table))
	for name, v := range table {
		switch {
		case v.Text != nil:
			tokens[name] = s.fill(*v.Text, values)
		case v.Signed != nil:
			tokens[name] = s.compact(s.fill(*v.Signed, values))
		default:
			header := s.changed(s.Header(), v.Header, v.HeaderIs, values)
			claims := s.changed(Claims(), v.Claims, v.ClaimsIs, values)
			if header == s.Header() && claims == Claims() && !v.Unsigned && name != "as it is" {
				panic(name + " changes nothing")
			}
			tokens[name] = s.Token(header, claims)
			if v.Unsigned {
				tokens[name] = tokens[name][:strings.LastIndexByte(tokens[name], '.')+1]
			}
		}
	}
	return tokens
}

func (s Signer) changed(good string, replace [2]string, whole *string, values map[string]string) string {
	if whole != nil {
		return s.fill(*whole, values)
	}
	old := s.fill(replace[0], values)
	if !strings.Contains(good, old) {
		panic(old + " is not in " + good)
	}
	return strings.Replace(good, old, s.fill(replace[1], values), 1)
}

func (s Signer) compact(signed string) string {
	return signed + "." + base64.RawURLEncoding.EncodeToString(s.Sign(signed))
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// placeholder matches a value, a slice of it, and a change of it: <kid>, <claims[:9]>, <alg|lower>,
// <A*100>, <0xff>.
var placeholder = regexp.MustCompile(`<(\w+)(?:\[(-?\d*):(-?\d*)\])?(?:\|(\w+))?(?:\*(\d+))?>`)

func (s Signer) fill(text string, values map[string]string) string {
	return placeholder.ReplaceAllStringFunc(text, func(found string) string {
		m := placeholder.FindStringSubmatch(found)
		value, ok := values[m[1]]
		switch m[1] {
		case "alg":
			value = s.Algorithm
		case "kid":
			value = s.KeyID
		case "jwk":
			value = s.JWK
		case "elsewhere":
			value = s.Elsewhere
		case "0xff":
			value = "\xff"
		case "A", "dot":
			value = map[string]string{"A": "A", "dot": "."}[m[1]]
		default:
			if !ok {
				panic("no value for " + found)
			}
		}
		value = value[index(m[2], 0, value):index(m[3], len(value), value)]
		if m[4] != "" {
			value = filters[m[4]](value)
		}
		if m[5] != "" {
			value = strings.Repeat(value, index(m[5], 1, ""))
		}
		return value
	})
}

// index is an end of a slice; a negative one counts from the end of the text.
func index(text string, otherwise int, of string) int {
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	if n < 0 {
		n += len(of)
	}
	return n
}

var filters = map[string]func(string) string{
	"lower":  strings.ToLower,
	"swap":   swapCase,
	"std":    func(s string) string { return base64.StdEncoding.EncodeToString(decode(s)) },
	"longer": func(s string) string { return base64.RawURLEncoding.EncodeToString(append(decode(s), 0)) },
	"unused": func(s string) string { return s[:len(s)-1] + NextSymbol(s[len(s)-1]) },
}

func decode(text string) []byte {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		panic(fmt.Sprintf("%q: %v", text, err))
	}
	return data
}

func swapCase(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, text)
}

// NextSymbol returns the symbol of base64url that differs in the last bit, which is unused at the
// end of a text of 3n+1 or 3n+2 bytes.
func NextSymbol(b byte) string {
	const symbols = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(symbols[strings.IndexByte(symbols, b)^1])
}
