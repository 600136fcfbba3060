package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
)

// storedHash is a hash as a database holds it: one of this service, or one of the system that its
// user came from.
type storedHash interface {
	// bytes is the memory of one comparison.
	bytes() uint64
	// work is the time of one comparison, in the measure of [Params.work].
	work() uint64
	// matches reports whether the hash is that of a password. The comparison takes constant time.
	matches(m *argon2id.Memory, password string) bool
}

// format is a format of stored hashes. Of the texts with its prefix, read returns those that are
// spelled as the format demands, without a bound on their costs.
type format struct {
	prefix, name string
	read         func(stored string) (storedHash, error)
}

// ownFormat is the format of the hashes that this service makes.
const ownFormat = "argon2id"

// formats are all formats of stored hashes. No prefix begins another one, but for the last.
var formats = []format{
	{"$argon2id$", ownFormat, readArgon2},
	{"$argon2i$", "argon2i", readArgon2},
	{"$2a$", "bcrypt", readBcrypt},
	{"$2b$", "bcrypt", readBcrypt},
	{"$2y$", "bcrypt", readBcrypt},
	{"$bcrypt$", "bcrypt in the PHC format", readPHCBcrypt},
	{"$bcrypt-sha256$", "bcrypt-sha256 of passlib", readPasslibBcrypt},
	{saltedPrefix, "bcrypt with a salt column", readSaltedBcrypt},
	{"$pbkdf2$", "pbkdf2-sha1", readPBKDF2},
	{"$pbkdf2-sha1$", "pbkdf2-sha1", readPBKDF2},
	{"$pbkdf2-sha256$", "pbkdf2-sha256", readPBKDF2},
	{"$pbkdf2-sha512$", "pbkdf2-sha512", readPBKDF2},
	{"$scrypt$", "scrypt", readScrypt},
	{"$fbscrypt$", "scrypt of Firebase", readFirebase},
	{"pbkdf2_sha1$", "pbkdf2_sha1 of Django", readDjangoPBKDF2},
	{"pbkdf2_sha256$", "pbkdf2_sha256 of Django", readDjangoPBKDF2},
	{"argon2$", "argon2 of Django", readDjangoArgon2},
	{"bcrypt$", "bcrypt of Django", readDjangoBcrypt},
	{"bcrypt_sha256$", "bcrypt_sha256 of Django", readDjangoBcrypt},
	{"scrypt$", "scrypt of Django", readDjangoScrypt},
	{"scrypt:", "scrypt of Werkzeug", readWerkzeugScrypt},
	{"pbkdf2:", "pbkdf2 of Werkzeug", readWerkzeugPBKDF2},
	{"", "scrypt of better-auth", readBetterAuth}, // it has no prefix
}

// ErrStoredHash reports that a stored hash can't be read, or asks for more memory or time than is
// allowed.
var ErrStoredHash = errors.New("a stored password hash can't be read")

// Reasons of an [ErrStoredHash]. None repeats the hash.
var (
	errFormat   = errors.New("its format is not known")
	errSpelling = errors.New("it is not spelled as its format demands")
	errTooMuch  = errors.New("it asks for more memory or time than is allowed")
)

// Bounds of a hash that was made elsewhere. The dearest parameters in use are far below them:
// libsodium's "moderate" takes 256 MiB of argon2id, and Django 6 1.2 million rounds of PBKDF2.
const (
	maxStoredLength = 1024
	// maxForeignBytes is the memory of one comparison.
	maxForeignBytes = 256 << 20
	// maxForeignWork is the time of one comparison, in the measure of [Params.work]: about a
	// second.
	maxForeignWork = 2 << 20
)

// Recognise returns the name of a stored hash's format. It hashes nothing. It fails with an
// [ErrStoredHash] if the hash can't be read, or if one comparison takes more than 256 MiB or about
// a second. A hash that is no dearer than the present ones is always recognised.
func (h *Hasher) Recognise(stored string) (name string, err error) {
	f, hash, err := parse(stored)
	isAsPresent := err == nil && f.name == ownFormat &&
		hash.bytes() <= h.params.Bytes() && hash.work() <= h.params.work()
	if err == nil && !isAsPresent {
		err = bound(hash)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrStoredHash, err)
	}
	return f.name, nil
}

// read reads a stored hash to compare a password with it. It allows argon2id all that the settings
// allow, because the hash may be one of this service. It fails with an [ErrStoredHash].
func read(stored string) (storedHash, error) {
	f, hash, err := parse(stored)
	if err == nil && f.name != ownFormat {
		err = bound(hash)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStoredHash, err)
	}
	return hash, nil
}

func parse(stored string) (format, storedHash, error) {
	isForeign := func(r rune) bool { return r < ' ' || r > '~' } // to the contract's password_hash
	if len(stored) > maxStoredLength || strings.ContainsFunc(stored, isForeign) {
		return format{}, nil, errFormat
	}
	for _, f := range formats {
		if strings.HasPrefix(stored, f.prefix) {
			hash, err := f.read(stored)
			return f, hash, err
		}
	}
	return format{}, nil, errFormat
}

// bound fails if a comparison takes more than is allowed of a hash that was made elsewhere.
func bound(hash storedHash) error {
	if hash.bytes() > maxForeignBytes || hash.work() > maxForeignWork {
		return errTooMuch
	}
	return nil
}

// saltedPrefix begins the hashes that [Salted] makes.
const saltedPrefix = "$bcrypt-salted$"

// Salted returns a stored hash for a database that has a salt of its own beside the bcrypt hash of
// password and salt.
func Salted(salt, hash string) string {
	return saltedPrefix + base64.RawStdEncoding.EncodeToString([]byte(salt)) + "$" + hash
}
