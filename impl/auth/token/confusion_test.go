package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// otherKey returns a key of ours for another algorithm, which this server doesn't use.
func otherKey(f forger) signingKey {
	if f.algorithm == "EdDSA" {
		return testKeys()["ES256"]
	}
	return testKeys()["EdDSA"]
}

// forgeAs signs with another key, which the header names.
func (f forger) forgeAs(key signingKey) string {
	return forger{signingKey: key}.forge(forger{signingKey: key}.header(), goodClaims())
}

// confusions returns tokens that are signed with something that the server has published, or in
// another form (RFC 8725 sections 2.1, 3.1 and 3.2).
func (f forger) confusions(t *testing.T, parts []string) map[string]string {
	t.Helper()
	as := func(algorithm string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(replaced(f.header(), f.algorithm, algorithm))) + "." + parts[1]
	}
	all := map[string]string{}
	if signer, ok := f.private.(crypto.Signer); ok {
		der, err := x509.MarshalPKIXPublicKey(signer.Public())
		if err != nil {
			t.Fatal(err)
		}
		block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		published, err := f.ring.Published()
		if err != nil {
			t.Fatal(err)
		}
		jwk := published[0]
		for name, public := range map[string][]byte{
			"DER": der, "PEM": block, "PEM without its last line's end": block[:len(block)-1], "x": []byte(jwk.X), "n": []byte(jwk.Modulus), "kid": []byte(f.kid),
		} {
			all["HS256 with the public key as "+name] = signWith(jwt.SigningMethodHS256, public, as("HS256"))
		}
	}
	switch key := f.private.(type) {
	case *ecdsa.PrivateKey:
		digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		der, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		all["the signature in DER"] = parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(der)
		all["a signature of zeros"] = parts[0] + "." + parts[1] + "." + strings.Repeat("A", 86)
		other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		all["another curve"] = signWith(jwt.SigningMethodES384, other, as("ES384"))
		for name, method := range map[string]jwt.SigningMethod{"ES384": jwt.SigningMethodES384, "ES256": jwt.SigningMethodES256} {
			forged := other
			if name == "ES256" {
				if forged, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
					t.Fatal(err)
				}
			}
			all["a stranger's key for "+name] = signWith(method, forged, as(name))
		}
	case []byte:
		all["HS384"] = signWith(jwt.SigningMethodHS384, key, as("HS384"))
		all["HS512"] = signWith(jwt.SigningMethodHS512, key, as("HS512"))
		all["another secret"] = signWith(
			jwt.SigningMethodHS256,
			[]byte("another-key-of-the-right-length-0123456789"),
			as("HS256"),
		)
	}
	if f.algorithm == "RS256" {
		all["PS256"] = signWith(jwt.SigningMethodPS256, f.private, as("PS256"))
		all["RS512"] = signWith(jwt.SigningMethodRS512, f.private, as("RS512"))
	}
	other := otherKey(f)
	all["alg of another key of ours"] = signWith(other.method, other.private, as(other.algorithm))
	all["another key of ours by its own"] = f.forgeAs(other)
	all["HS256 with an empty key"] = signWith(jwt.SigningMethodHS256, []byte{}, as("HS256"))
	return all
}
