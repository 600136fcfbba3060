package authn

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
)

const (
	// maxKeys is the largest number of keys in a set. A server has one key, and two while it
	// rotates.
	maxKeys = 100
	// minRSABits is the minimum of RFC 7518 section 3.3. maxRSABits bounds the cost of one
	// signature.
	minRSABits, maxRSABits = 2048, 8192
	// minRSAExponent is FIPS 186-5's least (appendix A.1.1), and maxRSAExponent the most that
	// crypto/rsa takes.
	minRSAExponent, maxRSAExponent = 65537, 1<<31 - 1
)

// publicKey is a key and the one algorithm that it is for.
type publicKey struct {
	method jwt.SigningMethod
	public any // of the type that method wants
}

// verify fails if a signature is not the key's.
func (k publicKey) verify(signed string, signature []byte) error {
	return k.method.Verify(signed, signature, k.public)
}

// keySet is what the server publishes, by key id.
type keySet struct {
	issuer string
	keys   map[string]publicKey
}

// jwkSet is a JWK Set (RFC 7517 section 5).
type jwkSet struct {
	Keys []jsontext.Value `json:"keys"`
}

// jwk is a public key (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).
type jwk struct {
	Type      string         `json:"kty"`
	ID        string         `json:"kid"`
	Use       string         `json:"use"`
	Algorithm string         `json:"alg"`
	Curve     string         `json:"crv"`
	X         string         `json:"x"`
	Y         string         `json:"y"`
	N         string         `json:"n"`
	E         string         `json:"e"`
	Private   jsontext.Value `json:"d"`
}

var errKey = errors.New("not a key to be used")

// parseKeys returns the keys for the algorithms. It leaves out weak keys and keys of another kind
// (RFC 7517 section 5), so that the server can add a key of a new kind. Tokens under such a key are
// refused as tokens under an unknown key.
func parseKeys(document jwkSet, algorithms []string) (map[string]publicKey, error) {
	if document.Keys == nil {
		return nil, errors.New("the server's keys are not a JWK set")
	}
	if len(document.Keys) > maxKeys {
		return nil, fmt.Errorf("the server has %d keys, more than %d", len(document.Keys), maxKeys)
	}
	keys := map[string]publicKey{}
	for _, data := range document.Keys {
		var j jwk
		if err := json.Unmarshal(data, &j); err != nil || !slices.Contains(algorithms, j.Algorithm) {
			continue
		}
		public, err := j.parse()
		if err != nil {
			continue
		}
		if _, twice := keys[j.ID]; twice {
			return nil, errors.New("two of the server's keys have the same id")
		}
		keys[j.ID] = publicKey{method: methods[j.Algorithm], public: public}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf(
			"%w: none of the %d in its set is a sound one for %s",
			errNoKeys,
			len(document.Keys),
			strings.Join(algorithms, ", "),
		)
	}
	return keys, nil
}

// parse returns the key if it can verify signatures. It refuses a key that is published with its
// private half.
func (j jwk) parse() (any, error) {
	if j.ID == "" || j.Use != "sig" || j.Private != nil {
		return nil, errKey
	}
	switch {
	case j.Algorithm == "ES256" && j.Type == "EC" && j.Curve == "P-256":
		return parseP256(j.X, j.Y)
	case j.Algorithm == "EdDSA" && j.Type == "OKP" && j.Curve == "Ed25519":
		return parseEd25519(j.X)
	case j.Algorithm == "RS256" && j.Type == "RSA":
		return parseRSA(j.N, j.E)
	}
	return nil, errKey
}

// parseP256 refuses coordinates that are no point of the curve, and the point at infinity.
func parseP256(x, y string) (*ecdsa.PublicKey, error) {
	point := []byte{4} // uncompressed (SEC 1 section 2.3.3)
	for _, text := range []string{x, y} {
		coordinate, err := decodeKey(text)
		if err != nil || len(coordinate) != 32 {
			return nil, errKey
		}
		point = append(point, coordinate...)
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
}

// parseEd25519 checks only the length. With 32 bytes that are no point of the curve, crypto/ed25519
// verifies no signature. It accepts points of small order, with which anybody can sign. Only the
// server could publish such a point, and it makes its keys itself.
func parseEd25519(x string) (ed25519.PublicKey, error) {
	point, err := decodeKey(x)
	if err != nil || len(point) != ed25519.PublicKeySize {
		return nil, errKey
	}
	return point, nil
}

// parseRSA refuses a modulus or an exponent that is weak, or larger than is worth its time.
func parseRSA(n, e string) (*rsa.PublicKey, error) {
	modulus, err := decodeKey(n)
	if err != nil {
		return nil, err
	}
	exponent, err := decodeKey(e)
	if err != nil {
		return nil, err
	}
	bigN, bigE := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)
	switch bits := bigN.BitLen(); {
	case bits < minRSABits || bits > maxRSABits || bigN.Bit(0) == 0 || isROCA(bigN):
		return nil, errKey
	case bigE.Cmp(big.NewInt(minRSAExponent)) < 0 || bigE.Cmp(big.NewInt(maxRSAExponent)) > 0 || bigE.Bit(0) == 0:
		return nil, errKey
	}
	return &rsa.PublicKey{N: bigN, E: int(bigE.Int64())}, nil
}

func decodeKey(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errKey
	}
	return tokenEncoding.DecodeString(text)
}
