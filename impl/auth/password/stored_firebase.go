package password

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
	"github.com/latchkey-auth/latchkey/impl/auth/password/scrypt"
)

// firebaseHash is a hash of Firebase Authentication: the project's signer key, encrypted by AES-256
// in counter mode with the key that scrypt derives of the password.
type firebaseHash struct {
	scryptHash // its key is the encrypted one
	signer     []byte
}

func (h firebaseHash) matches(m *argon2id.Memory, password string) bool {
	block, err := aes.NewCipher(scrypt.Key(m, []byte(password), h.salt, h.n, h.r, h.p, 32))
	if err != nil {
		return false // the key has 32 bytes, so that there is no error
	}
	encrypted := make([]byte, len(h.signer))
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(encrypted, h.signer)
	return subtle.ConstantTimeCompare(encrypted, h.key) == 1
}

// readFirebase reads $fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=…$salt$key. Its two last parameters are
// the salt separator and the signer key of the project, in base64 as salt and key.
func readFirebase(stored string) (storedHash, error) {
	var in reading
	fields := in.split(fromURL.Replace(stored), "$", 5)
	costs, rest, _ := strings.Cut(fields[2], ",ss=")
	separator, signerText, ok := strings.Cut(rest, ",sk=")
	values := in.numbers(costs, "v", "n", "r", "p")
	in.demand(ok && values[0] == 1)
	n := in.powerOfTwo(values[1])
	salt := in.decode(base64Padded, fields[3], minSalt, maxSalt)
	behind := in.decode(base64Padded, separator, 0, maxSalt)
	signer := in.decode(base64Padded, signerText, minKey, maxKey)
	key := in.decode(base64Padded, fields[4], len(signer), len(signer))
	h := in.scrypt(n, values[2], values[3], slices.Concat(salt, behind), key)
	return firebaseHash{scryptHash: h, signer: signer}, in.err
}
