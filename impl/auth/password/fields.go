package password

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
)

// reading reads the parts of a stored hash. The first error stays, as in a [bufio.Scanner]. What is
// read after it means nothing.
type reading struct{ err error }

func (in *reading) fail(err error) {
	if in.err == nil {
		in.err = err
	}
}

// demand fails unless the spelling is as demanded.
func (in *reading) demand(isSpelled bool) {
	if !isSpelled {
		in.fail(errSpelling)
	}
}

// split cuts a text at a separator into n fields.
func (in *reading) split(text, separator string, n int) []string {
	fields := strings.SplitN(text, separator, n+1)
	if len(fields) != n {
		in.fail(errSpelling)
		return make([]string, n)
	}
	return fields
}

// number reads a decimal number in its one spelling.
func (in *reading) number(text string) uint32 {
	n, err := strconv.ParseUint(text, 10, 32)
	in.demand(err == nil && strconv.FormatUint(n, 10) == text)
	return uint32(n)
}

// numbers reads a list like "ln=16,r=8,p=1" with these names in this order.
func (in *reading) numbers(list string, names ...string) []uint32 {
	values := make([]uint32, len(names))
	for i, part := range in.split(list, ",", len(names)) {
		digits, ok := strings.CutPrefix(part, names[i]+"=")
		in.demand(ok)
		values[i] = in.number(digits)
	}
	return values
}

// Lengths of salts and keys, in bytes. The salts of some systems are short texts. A key shorter
// than 16 bytes would be that of other passwords, too.
const (
	minSalt, maxSalt = 1, 256
	minKey, maxKey   = 16, 64
)

// Base64 as the formats have it. passlib writes a dot for the plus. Firebase's tools write either
// alphabet.
var (
	base64Raw    = base64.RawStdEncoding.Strict()
	base64Padded = base64.StdEncoding.Strict()
	fromAb64     = strings.NewReplacer(".", "+")
	fromURL      = strings.NewReplacer("-", "+", "_", "/")
)

// decode reads base64 of least to most bytes. encoding/base64 would pass over line breaks.
func (in *reading) decode(e *base64.Encoding, text string, least, most int) []byte {
	data, err := e.DecodeString(text)
	in.demand(err == nil && !strings.ContainsAny(text, "\r\n") && len(data) >= least && len(data) <= most)
	return data
}

// hexKey reads a key in lower-case hexadecimal.
func (in *reading) hexKey(text string) []byte {
	key, err := hex.DecodeString(text)
	in.demand(err == nil && len(key) >= minKey && len(key) <= maxKey && strings.ToLower(text) == text)
	return key
}

// textSalt reads a salt that is used as text.
func (in *reading) textSalt(text string) []byte {
	in.demand(len(text) >= minSalt && len(text) <= maxSalt)
	return []byte(text)
}
