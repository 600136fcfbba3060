// Package argon2id derives keys as golang.org/x/crypto/argon2 does (RFC 9106), with that package's
// block function, and differs from it in two ways that a server needs: all work is done by the
// calling goroutine, so that a bound on the calls bounds the work; and the memory is the caller's,
// who uses it again and again. That package starts goroutines, and leaves each hash's memory to the
// garbage collector: at 19 MiB a hash a third of the time, or several times the memory.
package argon2id

import (
	"encoding/binary"
	_ "unsafe" // for go:linkname

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/blake2b"
)

// block is 1 KiB of memory in the words of RFC 9106 section 3.
type block [128]uint64

// slices is how many parts a pass has, in each of which the lanes don't look at each other.
const slices = 4

// Kind is a type of argon2 (RFC 9106 section 3.2).
type Kind uint32

// The kinds that are derived here. Argon2i is for hashes that were made elsewhere.
const (
	Argon2i  Kind = 1
	Argon2id Kind = 2
)

// String returns the name of the kind in the PHC string format.
func (k Kind) String() string {
	if k == Argon2i {
		return "argon2i"
	}
	return "argon2id"
}

// The compression function G of RFC 9106 section 3.5, in assembly where there is such. The linker
// fails if a later version of that package doesn't have these.
//
//go:linkname processBlock golang.org/x/crypto/argon2.processBlock
//go:noescape
func processBlock(out, a, b *block)

// processBlockXOR is processBlock whose result is XORed into what out held.
//
//go:linkname processBlockXOR golang.org/x/crypto/argon2.processBlockXOR
//go:noescape
func processBlockXOR(out, a, b *block)

// Key returns [argon2.IDKey] of the same arguments, or [argon2.Key] for [Argon2i], and panics with
// it: passes and lanes are at least 1. memoryKiB is rounded down to a multiple of 4 lanes, and is
// at least 8 of them.
func Key(kind Kind, m *Memory, password, salt []byte, passes, memoryKiB uint32, lanes uint8, size uint32) []byte {
	if passes < 1 || lanes < 1 {
		panic("argon2id: at least one pass and one lane are needed")
	}
	in := inputs{kind: kind, password: password, salt: salt}
	return derive(m, in, passes, memoryKiB, uint32(lanes), size)
}

// inputs are what a key is derived from. Passwords have neither pepper nor data; the vectors of RFC
// 9106 have.
type inputs struct {
	kind                         Kind
	password, salt, pepper, data []byte
}

func derive(m *Memory, in inputs, passes, memoryKiB, p, size uint32) []byte {
	h0 := initialHash(in, passes, memoryKiB, p, size)
	f := filling{kind: in.kind, passes: passes, lanes: p, segment: max(2, memoryKiB/(slices*p))}
	f.lane = f.segment * slices
	f.blocks = m.blocks(int(f.lane * p))
	f.begin(h0)
	f.fill()
	return f.extract(size)
}

// initialHash is H_0 of RFC 9106 section 3.2.
func initialHash(in inputs, passes, memoryKiB, lanes, size uint32) [blake2b.Size]byte {
	b := make([]byte, 0, 128+len(in.password)+len(in.salt))
	word := func(n uint32) { b = binary.LittleEndian.AppendUint32(b, n) }
	for _, n := range []uint32{lanes, size, memoryKiB, passes, argon2.Version, uint32(in.kind)} {
		word(n)
	}
	for _, text := range [][]byte{in.password, in.salt, in.pepper, in.data} {
		word(uint32(len(text)))
		b = append(b, text...)
	}
	sum := blake2b.Sum512(b)
	clear(b)
	return sum
}

// filling is the memory on its way from the first blocks to the last one.
type filling struct {
	kind          Kind
	blocks        []block
	passes, lanes uint32
	lane, segment uint32 // their lengths, in blocks
}

// begin makes the first two blocks of each lane.
func (f *filling) begin(h0 [blake2b.Size]byte) {
	var (
		seed [blake2b.Size + 8]byte
		text [1024]byte
	)
	copy(seed[:], h0[:])
	for lane := range f.lanes {
		binary.LittleEndian.PutUint32(seed[blake2b.Size+4:], lane)
		for i := range uint32(2) {
			binary.LittleEndian.PutUint32(seed[blake2b.Size:], i)
			longHash(text[:], seed[:])
			b := &f.blocks[lane*f.lane+i]
			for w := range b {
				b[w] = binary.LittleEndian.Uint64(text[8*w:])
			}
		}
	}
}

// fill goes over the memory, segment by segment.
func (f *filling) fill() {
	for pass := range f.passes {
		for slice := range uint32(slices) {
			for lane := range f.lanes {
				f.fillSegment(pass, slice, lane)
			}
		}
	}
}

func (f *filling) fillSegment(pass, slice, lane uint32) {
	var pseudo addresses
	// The first half of the first pass, and all of argon2i, reads blocks whose places don't depend
	// on the password (section 3.4.1.3).
	independent := f.kind == Argon2i || pass == 0 && slice < slices/2
	if independent {
		pseudo.input = block{
			uint64(pass), uint64(lane), uint64(slice), uint64(len(f.blocks)), uint64(f.passes), uint64(f.kind),
		}
	}
	first := uint32(0)
	if pass == 0 && slice == 0 {
		first = 2
	}
	start := lane * f.lane
	for i := first; i < f.segment; i++ {
		at := slice*f.segment + i
		previous := start + (at+f.lane-1)%f.lane
		var random uint64
		if independent {
			random = pseudo.at(i, i == first)
		} else {
			random = f.blocks[previous][0]
		}
		reference := f.reference(random, pass, slice, lane, i)
		if pass == 0 {
			processBlock(&f.blocks[start+at], &f.blocks[previous], &f.blocks[reference])
		} else {
			processBlockXOR(&f.blocks[start+at], &f.blocks[previous], &f.blocks[reference])
		}
	}
}

// addresses are the pseudo-random numbers of a segment that doesn't depend on the password (section
// 3.4.1.2), 128 at a time.
type addresses struct{ input, output block }

func (a *addresses) at(i uint32, first bool) uint64 {
	if first || i%uint32(len(a.output)) == 0 {
		var zero block
		a.input[6]++
		processBlock(&a.output, &a.input, &zero)
		processBlock(&a.output, &a.output, &zero)
	}
	return a.output[i%uint32(len(a.output))]
}

// reference maps a pseudo-random number to the block that it names (section 3.4.2).
func (f *filling) reference(random uint64, pass, slice, lane, i uint32) uint32 {
	named := uint32(random>>32) % f.lanes
	if pass == 0 && slice == 0 {
		named = lane
	}
	// What is finished: in the first pass the slices before this one, and later the other three.
	finished, from := slice*f.segment, uint32(0)
	if pass > 0 {
		finished, from = (slices-1)*f.segment, (slice+1)%slices*f.segment
	}
	switch {
	case named == lane:
		finished += i - 1
	case i == 0:
		finished--
	}
	x := (random & 0xFFFFFFFF) * (random & 0xFFFFFFFF) >> 32
	y := x * uint64(finished) >> 32
	return named*f.lane + uint32((uint64(from)+uint64(finished)-1-y)%uint64(f.lane))
}

// extract makes the key of the lanes' last blocks.
func (f *filling) extract(size uint32) []byte {
	last := f.blocks[f.lane-1]
	for lane := uint32(1); lane < f.lanes; lane++ {
		for w, v := range f.blocks[(lane+1)*f.lane-1] {
			last[w] ^= v
		}
	}
	var text [1024]byte
	for w, v := range last {
		binary.LittleEndian.PutUint64(text[8*w:], v)
	}
	key := make([]byte, size)
	longHash(key, text[:])
	return key
}

// longHash is H' of section 3.3: BLAKE2b of any length but 0.
func longHash(out, in []byte) {
	text := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(in)), uint32(len(out)))
	text = append(text, in...)
	for len(out) > blake2b.Size {
		sum := blake2b.Sum512(text)
		out, text = out[copy(out, sum[:blake2b.Size/2]):], sum[:]
	}
	h, err := blake2b.New(len(out), nil)
	if err != nil {
		panic(err) // an empty key
	}
	_, _ = h.Write(text)
	h.Sum(out[:0])
}
