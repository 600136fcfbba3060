package password

import (
	"crypto/subtle"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
)

// Params are the costs of argon2id (RFC 9106).
type Params struct {
	// MemoryKiB is the memory of one hash, in KiB.
	MemoryKiB uint32
	// Passes is how often the memory is gone over.
	Passes uint32
	// Lanes is how many threads one hash may use.
	Lanes uint8
}

// DefaultParams are the second choice of OWASP's cheat sheet: 19 MiB, 2 passes, 1 lane.
var DefaultParams = Params{MemoryKiB: 19456, Passes: 2, Lanes: 1}

// Bounds of [Params], for the settings and for hashes in the database: a stored hash must not be
// able to take all memory or all processor time.
const (
	maxMemoryKiB = 1 << 20 // 1 GiB
	maxPasses    = 64
	maxLanes     = 16

	saltBytes = 16
	keyBytes  = 32
)

// Validate fails if a parameter is out of its bounds: at least 8 KiB a lane, as RFC 9106 section
// 3.1 demands, at most 1 GiB, 64 passes and 16 lanes.
func (p Params) Validate() error {
	switch {
	case p.Lanes < 1 || p.Lanes > maxLanes:
		return fmt.Errorf("password hash lanes must be 1 to %d, not %d", maxLanes, p.Lanes)
	case p.Passes < 1 || p.Passes > maxPasses:
		return fmt.Errorf("password hash passes must be 1 to %d, not %d", maxPasses, p.Passes)
	case p.MemoryKiB < 8*uint32(p.Lanes) || p.MemoryKiB > maxMemoryKiB:
		return fmt.Errorf("password hash memory must be %d to %d KiB, not %d", 8*uint32(p.Lanes), maxMemoryKiB, p.MemoryKiB)
	}
	return nil
}

// work is a measure of a hash's time: the KiB that are gone over.
func (p Params) work() uint64 { return uint64(p.MemoryKiB) * uint64(p.Passes) }

// Bytes returns the memory of one hash.
func (p Params) Bytes() uint64 { return uint64(p.MemoryKiB) << 10 }

// phc is a hash by argon2 in the PHC string format: $argon2id$v=19$m=19456,t=2,p=1$salt$hash.
type phc struct {
	kind   argon2id.Kind
	params Params
	salt   []byte
	key    []byte
}

func (h phc) bytes() uint64 { return h.params.Bytes() }
func (h phc) work() uint64  { return h.params.work() }

func (h phc) matches(m *argon2id.Memory, password string) bool {
	return subtle.ConstantTimeCompare(h.derive(m, password, uint32(len(h.key))), h.key) == 1
}

func (h phc) derive(m *argon2id.Memory, password string, size uint32) []byte {
	p := h.params
	return argon2id.Key(h.kind, m, []byte(password), h.salt, p.Passes, p.MemoryKiB, p.Lanes, size)
}

// String writes the one spelling that [parsePHC] reads.
func (h phc) String() string {
	return fmt.Sprintf("$%s$v=%d$m=%d,t=%d,p=%d$%s$%s", h.kind, argon2.Version,
		h.params.MemoryKiB, h.params.Passes, h.params.Lanes,
		base64Raw.EncodeToString(h.salt), base64Raw.EncodeToString(h.key))
}

// parsePHC reads a hash strictly: what it takes is what [phc.String] writes, byte for byte. The
// parameters are within the bounds of [Params.Validate], salt and key within 8 to 64 bytes.
func parsePHC(s string) (phc, error) {
	var in reading
	fields := in.split(s, "$", 6)
	kind := argon2id.Argon2id
	if fields[1] == argon2id.Argon2i.String() {
		kind = argon2id.Argon2i
	}
	in.demand(fields[0] == "" && fields[1] == kind.String() && fields[2] == "v="+strconv.Itoa(argon2.Version))
	costs := in.numbers(fields[3], "m", "t", "p")
	if costs[2] > maxLanes {
		in.fail(errTooMuch)
	}
	params := Params{MemoryKiB: costs[0], Passes: costs[1], Lanes: uint8(costs[2])}
	if err := params.Validate(); err != nil {
		in.fail(fmt.Errorf("%w: %w", errTooMuch, err))
	}
	salt, key := in.decode(base64Raw, fields[4], 8, 64), in.decode(base64Raw, fields[5], 8, 64)
	return phc{kind: kind, params: params, salt: salt, key: key}, in.err
}

// readArgon2 reads $argon2id$… and $argon2i$….
func readArgon2(stored string) (storedHash, error) { return parsePHC(stored) }

// readDjangoArgon2 reads argon2$argon2id$v=19$….
func readDjangoArgon2(stored string) (storedHash, error) {
	return parsePHC(strings.TrimPrefix(stored, "argon2"))
}
