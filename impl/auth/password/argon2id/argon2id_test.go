package argon2id

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"sync"
	"testing"

	"golang.org/x/crypto/argon2"
)

// The keys are the same as those of golang.org/x/crypto/argon2, also in memory that was used
// before.
func TestKeyIsThatOfTheLibrary(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	var m Memory
	defer m.Free()
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	for i := range 300 {
		password, salt := random(r.IntN(200)), random(8+r.IntN(40))
		passes, lanes, size := 1+r.Uint32N(4), uint8(1+r.IntN(6)), 4+r.Uint32N(140)
		memory := 8 * uint32(lanes)
		if i%3 > 0 {
			memory = r.Uint32N(3000) // rounded, and raised where it is too little
		}
		got := Key(Argon2id, &m, password, salt, passes, memory, lanes, size)
		if want := argon2.IDKey(password, salt, passes, memory, lanes, size); !bytes.Equal(got, want) {
			t.Fatalf("%d passes, %d KiB, %d lanes, %d bytes: got %x, want %x", passes, memory, lanes, size, got, want)
		}
		got = Key(Argon2i, &m, password, salt, passes, memory, lanes, size)
		if want := argon2.Key(password, salt, passes, memory, lanes, size); !bytes.Equal(got, want) {
			t.Fatalf("argon2i, %d passes, %d KiB, %d lanes: got %x, want %x", passes, memory, lanes, got, want)
		}
	}
}

// RFC 9106 section 5.3.
func TestSelfTest(t *testing.T) {
	t.Parallel()
	if err := SelfTest(); err != nil {
		t.Error(err)
	}
}

// Data of passwords is gone from the memory once it is cleared, and never gets into a core dump.
func TestMemoryIsCleared(t *testing.T) {
	t.Parallel()
	for _, m := range []*Memory{{}, {own: make([]block, 64)}} {
		defer m.Free()
		Key(Argon2id, m, []byte("password"), []byte("somesalt"), 1, 64, 1, 32)
		blocks := m.blocks(64)
		if blocks[63] == (block{}) {
			t.Fatal("nothing was derived in the memory")
		}
		m.Clear()
		for i := range blocks {
			if blocks[i] != (block{}) {
				t.Fatalf("block %d holds something", i)
			}
		}
	}
}

// The reference implementation's first vector.
func TestKnownAnswer(t *testing.T) {
	t.Parallel()
	got := hex.EncodeToString(Key(Argon2id, &Memory{}, []byte("password"), []byte("somesalt"), 2, 65536, 1, 32))
	if want := "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestKeysAtOnce(t *testing.T) {
	t.Parallel()
	want := argon2.IDKey([]byte("password"), []byte("somesalt"), 2, 256, 1, 32)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var m Memory
			defer m.Free()
			for range 20 {
				if got := Key(Argon2id, &m, []byte("password"), []byte("somesalt"), 2, 256, 1, 32); !bytes.Equal(got, want) {
					t.Errorf("got %x, want %x", got, want)
				}
			}
		})
	}
	wg.Wait()
}

// If the system has no memory to map, Go's own is used.
func TestMemoryOfTheHeap(t *testing.T) {
	t.Parallel()
	m := Memory{own: make([]block, 64)}
	got := Key(Argon2id, &m, []byte("password"), []byte("somesalt"), 2, 64, 1, 32)
	if want := argon2.IDKey(
		[]byte("password"),
		[]byte("somesalt"),
		2,
		64,
		1,
		32,
	); !bytes.Equal(got, want) ||
		m.mapped != nil {
		t.Errorf("got %x, want %x", got, want)
	}
	Key(Argon2id, &m, []byte("password"), []byte("somesalt"), 2, 128, 1, 32)
	if len(m.mapped) == 0 || m.own != nil {
		t.Error("what grows is not mapped")
	}
	m.Free()
	m.Free()
}

func BenchmarkKey(b *testing.B) {
	var m Memory
	defer m.Free()
	for b.Loop() {
		Key(Argon2id, &m, []byte("password"), []byte("somesalt"), 2, 19456, 1, 32)
	}
}

func BenchmarkLibrary(b *testing.B) {
	for b.Loop() {
		argon2.IDKey([]byte("password"), []byte("somesalt"), 2, 19456, 1, 32)
	}
}
