package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
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

// Bounds of [Params], for the settings and for what stands in the database: a stored hash must not
// be able to take all of the memory or of the time.
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

// phc is an argon2id hash in the PHC string format: $argon2id$v=19$m=19456,t=2,p=1$salt$hash.
type phc struct {
	params Params
	salt   []byte
	key    []byte
}

var errPHC = errors.New("not an argon2id hash in the PHC string format")

var phcEncoding = base64.RawStdEncoding.Strict()

// String writes the one spelling that [parsePHC] reads.
func (h phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.params.MemoryKiB, h.params.Passes, h.params.Lanes,
		phcEncoding.EncodeToString(h.salt), phcEncoding.EncodeToString(h.key))
}

// parsePHC reads a hash strictly: what it takes is what [phc.String] writes, byte for byte. The
// parameters are within the bounds of [Params.Validate], salt and key within 8 to 64 bytes.
func parsePHC(s string) (phc, error) {
	fields := strings.Split(s, "$")
	if len(fields) != 6 || fields[0] != "" || fields[1] != "argon2id" || fields[2] != "v="+strconv.Itoa(argon2.Version) {
		return phc{}, errPHC
	}
	var h phc
	costs := strings.Split(fields[3], ",")
	if len(costs) != 3 {
		return phc{}, errPHC
	}
	var lanes uint32
	for i, cost := range []struct {
		name  string
		value *uint32
	}{{"m=", &h.params.MemoryKiB}, {"t=", &h.params.Passes}, {"p=", &lanes}} {
		digits, ok := strings.CutPrefix(costs[i], cost.name)
		n, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || strconv.FormatUint(n, 10) != digits {
			return phc{}, errPHC
		}
		*cost.value = uint32(n)
	}
	if lanes > maxLanes {
		return phc{}, errPHC
	}
	h.params.Lanes = uint8(lanes)
	if err := h.params.Validate(); err != nil {
		return phc{}, fmt.Errorf("%w: %w", errPHC, err)
	}
	for i, value := range []*[]byte{&h.salt, &h.key} {
		data, err := decodeStrict(phcEncoding, fields[4+i])
		if err != nil || len(data) < 8 || len(data) > 64 {
			return phc{}, errPHC
		}
		*value = data
	}
	return h, nil
}

// decodeStrict refuses the line breaks that encoding/base64 passes over.
func decodeStrict(e *base64.Encoding, s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("line break in base64")
	}
	return e.DecodeString(s)
}
