package authn

import (
	"math/big"
	"slices"
)

// The field and the constant of edwards25519, -x² + y² = 1 + d·x²·y² (RFC 8032 section 5.1).
var (
	fieldPrime, _ = new(big.Int).SetString("57896044618658097711785492504343953926634992332820282019728792003956564819949", 10)
	curveD, _     = new(big.Int).SetString("37095705934669439343138083508754565189542113879843219016388785533085940283555", 10)
)

// soundEd25519 tells a public key from a text that is no point of the curve, and from the eight points of small order, under which anybody
// can sign: crypto/ed25519 takes those. It is not made for speed or for secrets.
func soundEd25519(key []byte) bool {
	encoded := slices.Clone(key)
	slices.Reverse(encoded) // big-endian, the sign of x in the first bit
	encoded[0] &= 0x7f
	y := new(big.Int).SetBytes(encoded)
	if y.Cmp(fieldPrime) >= 0 { // another text of the same point (RFC 8032 section 5.1.3)
		return false
	}
	one := big.NewInt(1)
	y2 := new(big.Int).Mul(y, y)
	// x² = (y² - 1) / (d·y² + 1), whose divisor is never 0, since -d⁻¹ is no square
	x2 := new(big.Int).Mul(curveD, y2)
	x2.ModInverse(x2.Add(x2, one).Mod(x2, fieldPrime), fieldPrime)
	x2.Mul(x2, new(big.Int).Sub(y2, one)).Mod(x2, fieldPrime)
	if big.Jacobi(x2, fieldPrime) < 0 {
		return false
	}
	sum := new(big.Int).Add(x2, y2)
	sum.Mod(sum, fieldPrime)
	// Order 1 and 2 have x = 0, order 4 has y = 0; doubling a point of order 8 gives y = 0, which is so where x² + y² = 0.
	return x2.Sign() != 0 && y.Sign() != 0 && sum.Sign() != 0
}
