package authn

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"testing"
)

// publishedROCA is a sample of the detection tool's own tests.
const publishedROCA = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEBqcWmh9uPsqMPgt/43aFU
wpHvJ7BLJeGFuKsgxMal9gSFn+We3lSgr3wOcoiACtcZO7cxpb8eEXDXocZpMNQe
o+sh3t97ivXUKpHDT3IEW5bv1XyxgjAd3MJpZ+VQjpq4iZhtV+g33+cPmfw3xJj0
PBfDubBkz3BEQ9egM+A6ghaXqr8w+ynufTOzdnllqJBY47OXVL06HAB9KKI7DPp5
+dcRrG5MS093sGNLHs1oWRrwPH1TtipfLZEWPU70+PJoMa5GHthexfeIxRI//BLI
dCD9z+odG0pSw1IYJPs5mDSHObYqmG2OdrIom8Lri8BtE4FHhRuDoHGD0hBVn5Bj
IQIDAQAB
-----END PUBLIC KEY-----
`

// rocaPrime makes a prime as Infineon's library does: k times the product of the first primes, plus
// a power of 65537.
func rocaPrime(t *testing.T) *big.Int {
	t.Helper()
	product := big.NewInt(2)
	for n := int64(3); product.BitLen() < 960; n += 2 {
		if big.NewInt(n).ProbablyPrime(10) {
			product.Mul(product, big.NewInt(n))
		}
	}
	for {
		k, kErr := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(1024-product.BitLen())))
		a, aErr := rand.Int(rand.Reader, product)
		if kErr != nil || aErr != nil {
			t.Fatal(kErr, aErr)
		}
		k.SetBit(k, 1023-product.BitLen(), 1)
		prime := k.Mul(k, product)
		prime.Add(prime, a.Exp(big.NewInt(65537), a, product))
		if prime.BitLen() == 1024 && prime.ProbablyPrime(20) {
			return prime
		}
	}
}

func isTaken(modulus *big.Int) bool {
	_, err := parseRSA(base64.RawURLEncoding.EncodeToString(modulus.Bytes()), "AQAB")
	return err == nil
}

// CVE-2017-15361: keys that can be factored are left out, and no others.
func TestROCA(t *testing.T) {
	t.Parallel()
	block, _ := pem.Decode([]byte(publishedROCA))
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	published, ok := parsed.(*rsa.PublicKey)
	if !ok || !isROCA(published.N) || isTaken(published.N) {
		t.Error("the published key is taken")
	}
	for range 3 {
		if modulus := new(big.Int).Mul(rocaPrime(t), rocaPrime(t)); isTaken(modulus) {
			t.Errorf("a key of the form is taken: %s", modulus)
		}
	}
	for range 20 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		if !isTaken(key.N) {
			t.Errorf("a random key is refused: %s", key.N)
		}
	}
	// This checks the form alone, with numbers that needn't be keys.
	for range 200_000 {
		modulus, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 2048))
		if err != nil {
			t.Fatal(err)
		}
		if isROCA(modulus) {
			t.Errorf("a random number has the form: %s", modulus)
		}
	}
}
