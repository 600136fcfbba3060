package authn_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/latchkey-auth/latchkey/authn"
	"github.com/latchkey-auth/latchkey/authn/authntest"
)

// attack is a server, its key, and the ways to spoil a token that it signed.
type attack struct {
	*signer
	server *server
	good   string
	parts  []string
}

func newAttack(s *server, signer *signer) attack {
	good := signer.sign(s.header(*signer), goodClaims())
	return attack{signer, s, good, strings.Split(good, ".")}
}

func (a attack) header(old, other string) string {
	return a.sign(replaced(a.server.header(*a.signer), old, other), goodClaims())
}

func (a attack) claims(old, other string) string {
	return a.sign(a.server.header(*a.signer), replaced(goodClaims(), old, other))
}

// signedWith returns the token signed in another way, with alg in its header.
func (a attack) signedWith(alg string, method jwt.SigningMethod, key any) string {
	signed := b64([]byte(replaced(a.server.header(*a.signer), a.alg, alg))) + "." + a.parts[1]
	return signed + "." + b64(must(method.Sign(signed, key)))
}

func (a attack) signature(sig []byte) string { return a.parts[0] + "." + a.parts[1] + "." + b64(sig) }

func (a attack) publicPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(a.private.Public()))})
}

func TestAttacks(t *testing.T) {
	t.Parallel()
	all := signers()
	elsewhere := newServer(t, newES256("es"), newEdDSA("ed"), newRS256("rs")) // an attacker's, with keys of the same ids
	for i := range all {
		t.Run(all[i].alg, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, all...)
			a := newAttack(s, &all[i])
			v := s.verifier()
			tokens := authntest.Signer{
				Algorithm: a.alg, KeyID: a.kid, JWK: string(must(json.Marshal(a.jwk()))), Elsewhere: elsewhere.url,
				Sign: func(text string) []byte { return must(a.method.Sign(text, a.private)) },
			}
			for name, token := range tokens.Accepted() {
				if _, err := v.Verify(t.Context(), token); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			long := map[string]string{"a byte too long": padded(a, 4097)}
			for _, table := range []map[string]string{tokens.Refused(), badSignatures(a, all), long} {
				for name, token := range table {
					wantInvalid(t, v, name, token)
				}
			}
		})
	}
	t.Cleanup(func() { // when all of them have run
		if got := elsewhere.requests(); len(got) > 0 {
			t.Errorf("the attacker's server was asked for %v", got)
		}
	})
}

func wantInvalid(t *testing.T, v *authn.Verifier, name, token string) {
	t.Helper()
	claims, err := v.Verify(t.Context(), token)
	if !errors.Is(err, authn.ErrInvalidToken) || !reflect.DeepEqual(claims, authn.Claims{}) {
		t.Errorf("%s: got %+v, %v", name, claims, err)
	} else if len(token) > 20 && strings.Contains(err.Error(), token[:20]) {
		t.Errorf("%s: the error repeats the token: %v", name, err)
	}
}

// RFC 8725 section 2.1: the signature is of another key, of another kind, or missing.
func badSignatures(a attack, all []signer) map[string]string {
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	p521 := must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	es, ed, rs := newES256(a.kid), newEdDSA(a.kid), rsaKey()
	table := map[string]string{
		"HS256 by the PEM": a.signedWith("HS256", jwt.SigningMethodHS256, a.publicPEM()),
		"HS256 by the PEM, trimmed": a.signedWith(
			"HS256",
			jwt.SigningMethodHS256,
			[]byte(strings.TrimSpace(string(a.publicPEM()))),
		),
		"HS256 by the JWK":               a.signedWith("HS256", jwt.SigningMethodHS256, must(json.Marshal(a.jwk()))),
		"HS256 by nothing":               a.signedWith("HS256", jwt.SigningMethodHS256, []byte{}),
		"HMAC in place of the signature": a.signedWith(a.alg, jwt.SigningMethodHS256, a.publicPEM()),
		"another ES256 key":              a.signedWith(a.alg, jwt.SigningMethodES256, es.private),
		"another EdDSA key":              a.signedWith(a.alg, jwt.SigningMethodEdDSA, ed.private),
		"another curve, ES384":           a.signedWith("ES384", jwt.SigningMethodES384, p384),
		"another curve, ES512":           a.signedWith("ES512", jwt.SigningMethodES512, p521),
		"another curve's signature":      a.signedWith(a.alg, jwt.SigningMethodES384, p384),
		"PS256":                          a.signedWith("PS256", jwt.SigningMethodPS256, rs),
		"PSS in place of PKCS #1 v1.5":   a.signedWith(a.alg, jwt.SigningMethodPS256, rs),
		"RS384":                          a.signedWith("RS384", jwt.SigningMethodRS384, rs),
		"RS512 in place of RS256":        a.signedWith(a.alg, jwt.SigningMethodRS512, rs),
		"zeros":                          a.signature(make([]byte, 64)),
		"zeros, 256":                     a.signature(make([]byte, 256)),
		"one byte":                       a.signature([]byte{0}),
		"ES256 in DER form":              a.signature(derSignature(a)),
		"the claims of another token":    a.parts[0] + "." + strings.Split(a.claims("ada@", "eve@"), ".")[1] + "." + a.parts[2],
		"the header of another token":    strings.Split(a.header("at+jwt", "AT+JWT"), ".")[0] + "." + a.parts[1] + "." + a.parts[2],
	}
	for _, other := range all {
		if other.alg != a.alg {
			table["the alg of another key, "+other.alg] = a.header(a.alg, other.alg)
			table["the kid of another key, "+other.alg] = a.header(a.kid, other.kid)
			table["another key's signature, "+other.alg] = a.signedWith(a.alg, other.method, other.private)
			table["another key's signature and alg, "+other.alg] = a.signedWith(other.alg, other.method, other.private)
		}
	}
	return table
}

// derSignature returns the right signature of the ES256 key, in ASN.1.
func derSignature(a attack) []byte {
	key, ok := a.private.(*ecdsa.PrivateKey)
	if !ok {
		return must(asn1.Marshal([]*big.Int{big.NewInt(1), big.NewInt(1)}))
	}
	raw := must(jwt.SigningMethodES256.Sign(a.parts[0]+"."+a.parts[1], key))
	return must(asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])}))
}
