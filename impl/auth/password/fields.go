package password

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
)

// split cuts a stored hash at a separator. It fails unless there are n fields.
func split(stored, separator string, n int) ([]string, error) {
	fields := strings.SplitN(stored, separator, n+1)
	if len(fields) != n {
		return nil, errSpelling
	}
	return fields, nil
}

// number reads a decimal number in its one spelling.
func number(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != text {
		return 0, errSpelling
	}
	return uint32(n), nil
}

// assignments reads a list like "ln=16,r=8,p=1" with these names in this order.
func assignments(list string, names ...string) ([]uint32, error) {
	parts, err := split(list, ",", len(names))
	if err != nil {
		return nil, err
	}
	values := make([]uint32, len(names))
	for i, name := range names {
		digits, ok := strings.CutPrefix(parts[i], name+"=")
		if !ok {
			return nil, errSpelling
		}
		if values[i], err = number(digits); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// Lengths of salts and keys, in bytes. The salts of some systems are short texts. A key shorter than
// 16 bytes would be that of other passwords, too.
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
func decode(e *base64.Encoding, text string, least, most int) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errSpelling
	}
	data, err := e.DecodeString(text)
	if err != nil || len(data) < least || len(data) > most {
		return nil, errSpelling
	}
	return data, nil
}

// hexKey reads a key in lower-case hexadecimal.
func hexKey(text string) ([]byte, error) {
	key, err := hex.DecodeString(text)
	if err != nil || len(key) < minKey || len(key) > maxKey || strings.ToLower(text) != text {
		return nil, errSpelling
	}
	return key, nil
}

// textSalt checks a salt that is used as text.
func textSalt(text string) ([]byte, error) {
	if len(text) < minSalt || len(text) > maxSalt {
		return nil, errSpelling
	}
	return []byte(text), nil
}
