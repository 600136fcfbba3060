package password

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
)

const (
	// maxBcryptBytes is what bcrypt reads of its input. A longer password never matches a bcrypt
	// hash, because the rest would be ignored.
	maxBcryptBytes = 72
	// bcryptWork is the work of one of bcrypt's 2^cost rounds in the unit of [Params.work]: 57 µs
	// compared with 0.49 µs on one machine. On other machines the ratio differs by a factor below
	// two, and the rest of the time is wrong by the same factor.
	bcryptWork = 116
	// maxBcryptCost is the greatest cost within the bounds: 2^14 rounds are about a second.
	maxBcryptCost = 14
	// bcryptMemory is what Blowfish's state takes, in bytes.
	bcryptMemory = 8 << 10
)

// bcryptAlphabet is the order of base64 in a bcrypt hash.
const bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// bcryptHash is a bcrypt hash in its usual spelling: $2b$12$, 22 characters of salt, 31 of the key.
type bcryptHash struct {
	text string
	cost int
	// input makes of a password what was hashed. It reports false for a password of which a part
	// would be ignored.
	input func(password string) ([]byte, bool)
}

func (h bcryptHash) bytes() uint64 { return bcryptMemory }
func (h bcryptHash) work() uint64  { return bcryptWork << h.cost }

func (h bcryptHash) matches(_ *argon2id.Memory, password string) bool {
	input, fits := h.input(password)
	err := bcrypt.CompareHashAndPassword([]byte(h.text), input[:min(len(input), maxBcryptBytes)])
	return err == nil && fits
}

// bcryptForm is the usual spelling, around the cost.
var bcryptForm = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)

// newBcrypt reads a bcrypt hash in its usual spelling.
func newBcrypt(text string, input func(string) ([]byte, bool)) (storedHash, error) {
	found := bcryptForm.FindStringSubmatch(text)
	if found == nil {
		return nil, errSpelling
	}
	cost, err := strconv.Atoi(found[1])
	if err != nil || cost < bcrypt.MinCost {
		return nil, errSpelling
	}
	if cost > maxBcryptCost {
		return nil, errTooMuch
	}
	return bcryptHash{text: text, cost: cost, input: input}, nil
}

// readBcrypt reads $2b$12$….
func readBcrypt(stored string) (storedHash, error) { return newBcrypt(stored, plain) }

func plain(password string) ([]byte, bool) { return []byte(password), len(password) <= maxBcryptBytes }

// readPHCBcrypt reads $bcrypt$v=98$r=12$salt$key, where 98 is the letter b.
func readPHCBcrypt(stored string) (storedHash, error) {
	var in reading
	fields := in.split(stored, "$", 6)
	in.demand(fields[2] == "v=98")
	salt, key := in.decode(base64Raw, fields[4], 16, 16), in.decode(base64Raw, fields[5], 23, 23)
	cost := in.numbers(fields[3], "r")[0]
	if in.err != nil {
		return nil, in.err
	}
	e := base64.NewEncoding(bcryptAlphabet).WithPadding(base64.NoPadding)
	return newBcrypt(fmt.Sprintf("$2b$%02d$%s%s", cost, e.EncodeToString(salt), e.EncodeToString(key)), plain)
}

// readPasslibBcrypt reads $bcrypt-sha256$v=2,t=2b,r=12$salt$key, and its first version
// $bcrypt-sha256$2b,12$salt$key. What bcrypt reads is the base64 of a hash of the password, which
// has the salt as its key from version 2 on.
func readPasslibBcrypt(stored string) (storedHash, error) {
	var in reading
	fields := in.split(stored, "$", 5)
	in.demand(len(fields[3]) == 22)
	costs, isSecond := strings.CutPrefix(fields[2], "v=2,t=")
	input := func(password string) ([]byte, bool) {
		sum := sha256.Sum256([]byte(password))
		return base64.StdEncoding.AppendEncode(nil, sum[:]), true
	}
	separator := ","
	if isSecond {
		input, separator = keyed([]byte(fields[3])), ",r="
	}
	ident, rounds, _ := strings.Cut(costs, separator)
	cost := in.number(rounds)
	if in.err != nil {
		return nil, in.err
	}
	return newBcrypt(fmt.Sprintf("$%s$%02d$%s%s", ident, cost, fields[3], fields[4]), input)
}

func keyed(salt []byte) func(string) ([]byte, bool) {
	return func(password string) ([]byte, bool) {
		mac := hmac.New(sha256.New, salt)
		mac.Write([]byte(password))
		return base64.StdEncoding.AppendEncode(nil, mac.Sum(nil)), true
	}
}

// readDjangoBcrypt reads bcrypt$$2b$12$…, and bcrypt_sha256$$2b$12$…, where bcrypt reads the
// hexadecimal SHA-256 of the password.
func readDjangoBcrypt(stored string) (storedHash, error) {
	name, text, _ := strings.Cut(stored, "$")
	if name == "bcrypt" {
		return newBcrypt(text, plain)
	}
	return newBcrypt(text, func(password string) ([]byte, bool) {
		sum := sha256.Sum256([]byte(password))
		return hex.AppendEncode(nil, sum[:]), true
	})
}

// readSaltedBcrypt reads what [Salted] returns. bcrypt reads the password and then the salt: all of
// the password, if it has at most 72 bytes, and what there is room for of the salt.
func readSaltedBcrypt(stored string) (storedHash, error) {
	var in reading
	encoded, text, _ := strings.Cut(stored[len(saltedPrefix):], "$")
	salt := in.decode(base64Raw, encoded, minSalt, maxSalt)
	if in.err != nil {
		return nil, in.err
	}
	return newBcrypt(text, func(password string) ([]byte, bool) {
		return append([]byte(password), salt...), len(password) <= maxBcryptBytes
	})
}
