package authn

import "math/big"

// rocaPrimes identify the moduli of an Infineon library, which can be factored (CVE-2017-15361).
// Each of those moduli is a power of 65537 modulo each of these primes. The chance that a random
// modulus is one too is below one in a hundred million.
var rocaPrimes = []int64{
	3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
	101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
}

// isROCA reports whether a modulus has the form that CVE-2017-15361 leaves behind.
func isROCA(modulus *big.Int) bool {
	for _, prime := range rocaPrimes {
		residue := new(big.Int).Mod(modulus, big.NewInt(prime)).Int64()
		if !isPowerOf65537(residue, prime) {
			return false
		}
	}
	return true
}

func isPowerOf65537(residue, prime int64) bool {
	power := int64(1)
	for range prime {
		if power == residue {
			return true
		}
		power = power * 65537 % prime
	}
	return false
}
