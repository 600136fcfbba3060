// Package scrypt derives keys as golang.org/x/crypto/scrypt does (RFC 7914), with that package's
// mixing function. The memory is the caller's, as in package argon2id: one hash takes 32 MiB and
// more, which the collector would leave behind for a while.
package scrypt

import (
	"crypto/sha256"
	_ "unsafe" // for go:linkname

	"golang.org/x/crypto/pbkdf2"
	_ "golang.org/x/crypto/scrypt" // for smix

	"github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
)

// smix is scryptROMix of RFC 7914 section 5. v has 32·N·r words, and xy 64·r. The linker fails if a
// later version of that package doesn't have it.
//
//go:linkname smix golang.org/x/crypto/scrypt.smix
func smix(b []byte, r, N int, v, xy []uint32)

// Bytes returns the memory that [Key] takes.
func Bytes(n, r, p uint32) uint64 { return 128 * uint64(r) * (uint64(n) + uint64(p) + 2) }

// Key returns the key that golang.org/x/crypto/scrypt derives. n is a power of two, and r and p are
// at least 1.
func Key(m *argon2id.Memory, password, salt []byte, n, r, p uint32, size int) []byte {
	v := m.Words(32 * int(n) * int(r))
	xy := make([]uint32, 64*r)
	b := pbkdf2.Key(password, salt, 1, int(128*r*p), sha256.New)
	for i := range p {
		smix(b[128*r*i:], int(r), int(n), v, xy)
	}
	return pbkdf2.Key(password, b, 1, size, sha256.New)
}
