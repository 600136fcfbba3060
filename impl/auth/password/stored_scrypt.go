package password

import (
	"crypto/subtle"
	"encoding/hex"
	"math/bits"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
	"github.com/latchkey-auth/latchkey/impl/auth/password/scrypt"
)

// scryptWork is the work of scrypt for each 128 bytes that it goes over, in 1/1024 of the measure of
// [Params.work], as measured on one machine.
const scryptWork = 460

// scryptHash is a hash by scrypt (RFC 7914).
type scryptHash struct {
	n, r, p   uint32
	salt, key []byte
	// form is the form of Unicode that a password is hashed in, or nil for the password as it is.
	form func(string) string
}

func (h scryptHash) bytes() uint64 { return scrypt.Bytes(h.n, h.r, h.p) }
func (h scryptHash) work() uint64 {
	return uint64(h.n) * uint64(h.r) * uint64(h.p) * scryptWork / 1024
}

func (h scryptHash) matches(m *argon2id.Memory, password string) bool {
	if h.form != nil {
		password = h.form(password)
	}
	key := scrypt.Key(m, []byte(password), h.salt, h.n, h.r, h.p, len(h.key))
	return subtle.ConstantTimeCompare(key, h.key) == 1
}

// The greatest block size and parallelism, many times what is in use, so that nothing overflows.
const maxScryptR, maxScryptP = 64, 64

// validate fails if scrypt can't have these parameters (RFC 7914 section 6).
func (h scryptHash) validate() error {
	if bits.OnesCount32(h.n) != 1 || h.n < 2 || h.r < 1 || h.p < 1 {
		return errSpelling
	}
	if h.r > maxScryptR || h.p > maxScryptP {
		return errTooMuch
	}
	return nil
}

// powerOfTwo is 2^log.
func powerOfTwo(log uint32) (uint32, error) {
	if log > 31 {
		return 0, errTooMuch
	}
	return 1 << log, nil
}

// readScrypt reads $scrypt$ln=16,r=8,p=1$salt$key, as the PHC format and passlib have it.
func readScrypt(stored string) (storedHash, error) {
	fields, err := split(stored, "$", 5)
	if err != nil {
		return nil, err
	}
	costs, err := assignments(fields[2], "ln", "r", "p")
	if err != nil {
		return nil, err
	}
	h := scryptHash{r: costs[1], p: costs[2]}
	if h.n, err = powerOfTwo(costs[0]); err != nil {
		return nil, err
	}
	if h.salt, err = decode(base64Raw, fields[3], minSalt, maxSalt); err != nil {
		return nil, err
	}
	if h.key, err = decode(base64Raw, fields[4], minKey, maxKey); err != nil {
		return nil, err
	}
	return h, h.validate()
}

// readDjangoScrypt reads scrypt$16384$salt$8$1$key, where the salt is used as text.
func readDjangoScrypt(stored string) (storedHash, error) {
	fields, err := split(stored, "$", 6)
	if err != nil {
		return nil, err
	}
	h, err := scryptCosts(fields[1], fields[3], fields[4])
	if err != nil {
		return nil, err
	}
	if h.salt, err = textSalt(fields[2]); err != nil {
		return nil, err
	}
	if h.key, err = decode(base64Padded, fields[5], minKey, maxKey); err != nil {
		return nil, err
	}
	return h, h.validate()
}

// readWerkzeugScrypt reads scrypt:32768:8:1$salt$key, where the salt is used as text, and the key is
// hexadecimal.
func readWerkzeugScrypt(stored string) (storedHash, error) {
	fields, err := split(stored, "$", 3)
	if err != nil {
		return nil, err
	}
	method, err := split(fields[0], ":", 4)
	if err != nil {
		return nil, err
	}
	h, err := scryptCosts(method[1], method[2], method[3])
	if err != nil {
		return nil, err
	}
	if h.salt, err = textSalt(fields[1]); err != nil {
		return nil, err
	}
	if h.key, err = hexKey(fields[2]); err != nil {
		return nil, err
	}
	return h, h.validate()
}

func scryptCosts(n, r, p string) (h scryptHash, err error) {
	for _, cost := range []struct {
		text  string
		value *uint32
	}{{n, &h.n}, {r, &h.r}, {p, &h.p}} {
		if *cost.value, err = number(cost.text); err != nil {
			return scryptHash{}, err
		}
	}
	return h, nil
}

// readBetterAuth reads salt:key of 16 and 64 bytes in hexadecimal. The salt is used as it is
// spelled, and the password in NFKC.
func readBetterAuth(stored string) (storedHash, error) {
	salt, key, ok := strings.Cut(stored, ":")
	if saltBytes, err := hex.DecodeString(salt); !ok || err != nil || len(saltBytes) != 16 {
		return nil, errFormat
	}
	h := scryptHash{n: 16384, r: 16, p: 1, salt: []byte(salt), form: norm.NFKC.String}
	var err error
	if h.key, err = hexKey(key); err != nil || len(h.key) != 64 {
		return nil, errSpelling
	}
	return h, nil
}
