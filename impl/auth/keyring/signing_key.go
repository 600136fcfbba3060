package keyring

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// Algorithms are the algorithms of access tokens, the default first (RFC 7518 section 3.1,
// RFC 8037 section 3.1).
var Algorithms = []string{"ES256", "EdDSA", "RS256", "HS256"}

// algorithmHS256 is the algorithm whose key is the secret key itself. That key is never published.
const algorithmHS256 = "HS256"

// keyTypes are the types of the algorithms' keys (RFC 7518 section 6.1, RFC 8037 section 2).
var keyTypes = map[string]string{"ES256": "EC", "EdDSA": "OKP", "RS256": "RSA"}

// rsaBits is the size of a new RSA key. It gives 128 bits of security, as the other algorithms do
// (NIST SP 800-57 part 1, table 2).
const rsaBits = 3072

// ErrSealed says that the signing keys are sealed under another secret key.
var ErrSealed = errors.New("the signing keys in the database were sealed under another secret key")

// signingKey is a key that signs access tokens with one algorithm only (RFC 8725 section 3.1).
type signingKey struct {
	// SigningKey is the key's row. SignsFrom is when it begins to sign; until then it is only
	// published. VerifiesUntil is when it ends to verify, nil if no end is known. TokenTtl is the
	// longest lifetime of the tokens under it.
	db.SigningKey
	method  jwt.SigningMethod
	private any // what the method signs with
	public  any // what it verifies with
}

// verifies reports whether tokens under the key are valid.
func (k *signingKey) verifies(now time.Time) bool {
	return k.VerifiesUntil == nil || now.Before(*k.VerifiesUntil)
}

// verify fails if a signature is not the key's.
func (k *signingKey) verify(signed string, signature []byte) error {
	return k.method.Verify(signed, signature, k.public)
}

// newSigningKey makes a key for an algorithm.
func newSigningKey(algorithm string, master secret.Text) (*signingKey, error) {
	switch algorithm {
	case "ES256":
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		return signingKeyOf(algorithm, key, err)
	case "EdDSA":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return signingKeyOf(algorithm, key, err)
	case "RS256":
		key, err := rsa.GenerateKey(rand.Reader, rsaBits)
		return signingKeyOf(algorithm, key, err)
	case algorithmHS256:
		return signingKeyOf(algorithm, []byte(master.Reveal()), nil)
	}
	return nil, fmt.Errorf("there is no JWT algorithm %q here", algorithm)
}

// signingKeyOf returns a private key with its id. It fails with err if that is not nil.
func signingKeyOf(algorithm string, private any, err error) (*signingKey, error) {
	if err != nil {
		return nil, fmt.Errorf("make a key for %s: %w", algorithm, err)
	}
	key := &signingKey{method: jwt.GetSigningMethod(algorithm), private: private, public: private}
	key.Algorithm = algorithm
	if secret, ok := private.([]byte); ok && algorithm == algorithmHS256 {
		key.Kid = keyID(secret)
		return key, nil
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T is no key for %s", private, algorithm)
	}
	key.public = signer.Public()
	jwk, err := key.jwk()
	if err != nil {
		return nil, err
	}
	if jwk.KeyType != keyTypes[algorithm] {
		return nil, fmt.Errorf("a %T is no key for %s", private, algorithm)
	}
	key.Kid = jwk.KeyID
	return key, nil
}

// keyID returns the id of a symmetric key: a part of an HMAC under it, which reveals nothing of it.
func keyID(key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("latchkey key id"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// JWK is the public part of a key (RFC 7517 section 4). Its type decides which members it has
// (RFC 7518 section 6, RFC 8037 section 2).
type JWK struct {
	KeyType, KeyID, Algorithm string
	// Curve and X belong to EC and OKP keys, Y to EC keys.
	Curve, X, Y string
	// Modulus and Exponent belong to RSA keys.
	Modulus, Exponent string
}

// jwk returns the public part. Its id is its thumbprint (RFC 7638).
func (k *signingKey) jwk() (JWK, error) {
	encode := base64.RawURLEncoding.EncodeToString
	jwk := JWK{Algorithm: k.Algorithm}
	var thumbed string // the members that RFC 7638 section 3.2 demands, in its order
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return JWK{}, errors.New("an EC key must be on P-256")
		}
		point, err := public.Bytes() // 4, x, y (SEC 1 section 2.3.3)
		if err != nil {
			return JWK{}, err
		}
		jwk.KeyType, jwk.Curve, jwk.X, jwk.Y = "EC", "P-256", encode(point[1:33]), encode(point[33:])
		thumbed = fmt.Sprintf(`{"crv":%q,"kty":"EC","x":%q,"y":%q}`, jwk.Curve, jwk.X, jwk.Y)
	case ed25519.PublicKey:
		jwk.KeyType, jwk.Curve, jwk.X = "OKP", "Ed25519", encode(public)
		thumbed = fmt.Sprintf(`{"crv":%q,"kty":"OKP","x":%q}`, jwk.Curve, jwk.X)
	case *rsa.PublicKey:
		jwk.KeyType, jwk.Modulus = "RSA", encode(public.N.Bytes())
		jwk.Exponent = encode(big.NewInt(int64(public.E)).Bytes())
		thumbed = fmt.Sprintf(`{"e":%q,"kty":"RSA","n":%q}`, jwk.Exponent, jwk.Modulus)
	default:
		return JWK{}, fmt.Errorf("a %T has no public part", k.public)
	}
	thumb := sha256.Sum256([]byte(thumbed))
	jwk.KeyID = encode(thumb[:])
	return jwk, nil
}

// seal encrypts the key for the database and binds it to its id and algorithm. For HS256 it seals
// an empty text, which only shows whether the secret key is the right one.
func (k *signingKey) seal(master secret.Text) ([]byte, error) {
	var plain []byte
	if k.Algorithm != algorithmHS256 {
		var err error
		if plain, err = x509.MarshalPKCS8PrivateKey(k.private); err != nil {
			return nil, err
		}
	}
	return secret.Seal(master, sealPurpose, sealedAs(k.Kid, k.Algorithm), plain)
}

const sealPurpose = "latchkey signing keys"

func sealedAs(kid, algorithm string) string { return kid + " " + algorithm }

// unseal reads a key from the database. It fails with [ErrSealed] under another secret key.
func unseal(row db.SigningKey, master secret.Text) (*signingKey, error) {
	plain, err := secret.Open(master, sealPurpose, sealedAs(row.Kid, row.Algorithm), row.Sealed)
	if errors.Is(err, secret.ErrSealed) {
		return nil, ErrSealed
	}
	if err != nil {
		return nil, err
	}
	var private any = []byte(master.Reveal())
	if row.Algorithm != algorithmHS256 {
		private, err = x509.ParsePKCS8PrivateKey(plain)
	}
	key, err := signingKeyOf(row.Algorithm, private, err)
	if err != nil {
		return nil, err
	}
	if key.Kid != row.Kid {
		return nil, fmt.Errorf("the signing key %s is not what its row says", row.Kid)
	}
	return key, nil
}
