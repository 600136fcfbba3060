package password

import (
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	stdhash "hash"
	"strings"

	"golang.org/x/crypto/pbkdf2"

	"github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
)

// digest is a hash function that PBKDF2 is made of.
type digest struct {
	new  func() stdhash.Hash
	size int
	// perRound is the work of one round, in 1/1024 of the measure of [Params.work], as measured on
	// one machine.
	perRound uint64
}

var digests = map[string]digest{
	"sha1":   {sha1.New, sha1.Size, 320},
	"sha256": {sha256.New, sha256.Size, 260},
	"sha512": {sha512.New, sha512.Size, 800},
}

// pbkdf2Memory is what a digest's states take, in bytes.
const pbkdf2Memory = 4 << 10

// pbkdf2Hash is a hash by PBKDF2 (RFC 8018 section 5.2) with HMAC.
type pbkdf2Hash struct {
	digest    digest
	rounds    uint32
	salt, key []byte
}

func (h pbkdf2Hash) bytes() uint64 { return pbkdf2Memory }

func (h pbkdf2Hash) work() uint64 {
	blocks := (len(h.key) + h.digest.size - 1) / h.digest.size
	return uint64(h.rounds) * uint64(blocks) * h.digest.perRound / 1024
}

func (h pbkdf2Hash) matches(_ *argon2id.Memory, password string) bool {
	key := pbkdf2.Key([]byte(password), h.salt, int(h.rounds), len(h.key), h.digest.new)
	return subtle.ConstantTimeCompare(key, h.key) == 1
}

// pbkdf2 reads the name of a digest and a number of rounds.
func (in *reading) pbkdf2(name, rounds string, salt, key []byte) (storedHash, error) {
	d, ok := digests[name]
	n := in.number(rounds)
	in.demand(ok && n > 0)
	return pbkdf2Hash{digest: d, rounds: n, salt: salt, key: key}, in.err
}

// readPBKDF2 reads $pbkdf2-sha256$i=600000,l=32$salt$key, also without l, and passlib's
// $pbkdf2-sha256$600000$salt$key, whose $pbkdf2$ is SHA-1.
func readPBKDF2(stored string) (storedHash, error) {
	var in reading
	fields := in.split(stored, "$", 5)
	salt := in.decode(base64Raw, fromAb64.Replace(fields[3]), minSalt, maxSalt)
	key := in.decode(base64Raw, fromAb64.Replace(fields[4]), minKey, maxKey)
	rounds, length, hasLength := strings.Cut(strings.TrimPrefix(fields[2], "i="), ",l=")
	if hasLength {
		in.demand(in.number(length) == uint32(len(key)))
	}
	name := strings.TrimPrefix(strings.TrimPrefix(fields[1], "pbkdf2"), "-")
	return in.pbkdf2(cmp.Or(name, "sha1"), rounds, salt, key)
}

// readDjangoPBKDF2 reads pbkdf2_sha256$600000$salt$key, where the salt is used as text.
func readDjangoPBKDF2(stored string) (storedHash, error) {
	var in reading
	fields := in.split(stored, "$", 4)
	salt, key := in.textSalt(fields[2]), in.decode(base64Padded, fields[3], minKey, maxKey)
	return in.pbkdf2(strings.TrimPrefix(fields[0], "pbkdf2_"), fields[1], salt, key)
}

// readWerkzeugPBKDF2 reads pbkdf2:sha256:600000$salt$key, where the salt is used as text, and the
// key is hexadecimal.
func readWerkzeugPBKDF2(stored string) (storedHash, error) {
	var in reading
	fields := in.split(stored, "$", 3)
	method := in.split(fields[0], ":", 3)
	return in.pbkdf2(method[1], method[2], in.textSalt(fields[1]), in.hexKey(fields[2]))
}
