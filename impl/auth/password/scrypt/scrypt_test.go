package scrypt

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"golang.org/x/crypto/scrypt"

	"github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
)

// The keys are the same as those of golang.org/x/crypto/scrypt, also in memory that was used
// before.
func TestKeyIsThatOfTheLibrary(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	var m argon2id.Memory
	defer m.Free()
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	for range 100 {
		password, salt := random(r.IntN(200)), random(r.IntN(60))
		n, blocks, p, size := uint32(2)<<r.IntN(8), 1+r.Uint32N(9), 1+r.Uint32N(4), 1+r.IntN(100)
		got := Key(&m, password, salt, n, blocks, p, size)
		want, err := scrypt.Key(password, salt, int(n), int(blocks), int(p), size)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("N %d, r %d, p %d, %d bytes: got %x, want %x", n, blocks, p, size, got, want)
		}
		if m.Bytes() > Bytes(2<<7, 9, 4) {
			t.Fatalf("N %d, r %d, p %d: %d bytes of memory", n, blocks, p, m.Bytes())
		}
	}
}
