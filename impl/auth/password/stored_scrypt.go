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

// scryptWork is the work of scrypt for each 128 bytes that it goes over, in 1/1024 of the measure
// of [Params.work], as measured on one machine.
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

// scrypt reads the parameters that scrypt can have (RFC 7914 section 6).
func (in *reading) scrypt(n, r, p uint32, salt, key []byte) scryptHash {
	in.demand(bits.OnesCount32(n) == 1 && n >= 2 && r >= 1 && p >= 1)
	if r > maxScryptR || p > maxScryptP {
		in.fail(errTooMuch)
	}
	return scryptHash{n: n, r: r, p: p, salt: salt, key: key}
}

// powerOfTwo is 2^log.
func (in *reading) powerOfTwo(log uint32) uint32 {
	if log > 31 {
		in.fail(errTooMuch)
	}
	return 1 << log
}

// readScrypt reads $scrypt$ln=16,r=8,p=1$salt$key, as the PHC format and passlib have it.
func readScrypt(stored string) (storedHash, error) {
	var in reading
	fields := in.split(stored, "$", 5)
	costs := in.numbers(fields[2], "ln", "r", "p")
	h := in.scrypt(in.powerOfTwo(costs[0]), costs[1], costs[2],
		in.decode(base64Raw, fields[3], minSalt, maxSalt), in.decode(base64Raw, fields[4], minKey, maxKey))
	return h, in.err
}

// readDjangoScrypt reads scrypt$16384$salt$8$1$key, where the salt is used as text.
func readDjangoScrypt(stored string) (storedHash, error) {
	var in reading
	fields := in.split(stored, "$", 6)
	h := in.scrypt(in.number(fields[1]), in.number(fields[3]), in.number(fields[4]),
		in.textSalt(fields[2]), in.decode(base64Padded, fields[5], minKey, maxKey))
	return h, in.err
}

// readWerkzeugScrypt reads scrypt:32768:8:1$salt$key, where the salt is used as text, and the key
// is hexadecimal.
func readWerkzeugScrypt(stored string) (storedHash, error) {
	var in reading
	fields := in.split(stored, "$", 3)
	method := in.split(fields[0], ":", 4)
	h := in.scrypt(in.number(method[1]), in.number(method[2]), in.number(method[3]),
		in.textSalt(fields[1]), in.hexKey(fields[2]))
	return h, in.err
}

// readBetterAuth reads salt:key of 16 and 64 bytes in hexadecimal. The salt is used as it is
// spelled, and the password in NFKC.
func readBetterAuth(stored string) (storedHash, error) {
	salt, key, ok := strings.Cut(stored, ":")
	if saltBytes, err := hex.DecodeString(salt); !ok || err != nil || len(saltBytes) != 16 {
		return nil, errFormat
	}
	var in reading
	h := scryptHash{n: 16384, r: 16, p: 1, salt: []byte(salt), key: in.hexKey(key), form: norm.NFKC.String}
	in.demand(len(h.key) == 64)
	return h, in.err
}
