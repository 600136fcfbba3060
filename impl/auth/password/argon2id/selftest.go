package argon2id

import (
	"bytes"
	"encoding/hex"
	"errors"
)

// rfc9106Tag is the tag of the test vector for argon2id (RFC 9106 section 5.3).
const rfc9106Tag = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"

// SelfTest derives the test vector of RFC 9106 section 5.3, which takes under a millisecond, and
// fails if its tag comes out otherwise. Then the processor, the compiler or a later version of the
// block function is broken, and no password may be hashed or checked.
func SelfTest() error {
	of := func(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }
	var m Memory
	defer m.Free()
	in := inputs{kind: Argon2id, password: of(1, 32), salt: of(2, 16), pepper: of(3, 8), data: of(4, 12)}
	tag := derive(&m, in, 3, 32, 4, 32)
	if hex.EncodeToString(tag) != rfc9106Tag {
		return errors.New("argon2id: the test vector of RFC 9106 section 5.3 is not derived")
	}
	return nil
}
