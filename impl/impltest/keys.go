package impltest

import (
	"crypto/x509"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/latchkey-auth/latchkey/impl/secret"
)

// SigningKey is the server's signing key. An attacker that has the database and the secret key has
// it too, and can forge any token.
type SigningKey struct {
	ID     string
	Method jwt.SigningMethod
	Key    any
}

// SigningKey returns the newest key in the harness's database, unsealed.
func (h *Harness) SigningKey(tb testing.TB) SigningKey {
	tb.Helper()
	var (
		key       SigningKey
		algorithm string
		sealed    []byte
	)
	const sql = "SELECT kid, algorithm, sealed FROM signing_keys ORDER BY signs_from DESC LIMIT 1"
	must(tb, h.Pool.QueryRow(tb.Context(), sql).Scan(&key.ID, &algorithm, &sealed))
	key.Method = jwt.GetSigningMethod(algorithm)
	if algorithm == "HS256" {
		key.Key = []byte(SecretKey)
		return key
	}
	plain, err := secret.Open(secret.New(SecretKey), "latchkey signing keys", key.ID+" "+algorithm, sealed)
	must(tb, err)
	key.Key, err = x509.ParsePKCS8PrivateKey(plain)
	must(tb, err)
	return key
}
