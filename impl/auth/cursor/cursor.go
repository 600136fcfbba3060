// Package cursor makes texts that say where the next page of a list begins. A cursor is sealed, so
// that a client can neither read it nor make one, and logs of URLs show no email. It belongs to one
// list with one filter: with another filter it is invalid.
package cursor

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/latchkey-auth/latchkey/impl/secret"
)

// ErrInvalid reports that a text is no cursor of the list with this filter: it was forged, cut off,
// or sealed for another list or filter, or under another secret key.
var ErrInvalid = errors.New("invalid cursor")

// purpose separates the key of cursors from the other keys that are derived of the secret key.
const purpose = "latchkey cursors"

// prefix begins each cursor, so that people and scanners of logs know one.
const prefix = "lkc_"

// maxLen bounds what is decoded, in bytes.
const maxLen = 2048

// encoding is strict, so that a cursor has one form.
var encoding = base64.RawURLEncoding.Strict()

// Sealer seals and opens cursors. It is safe for concurrent use.
type Sealer struct{ keys []secret.Text }

// New returns a [Sealer]. previous is the secret key before it was changed, or zero: its cursors
// are still opened.
func New(key, previous secret.Text) (*Sealer, error) {
	if key.IsZero() {
		return nil, errors.New("cursor: no secret key")
	}
	keys := []secret.Text{key}
	if !previous.IsZero() {
		keys = append(keys, previous)
	}
	return &Sealer{keys}, nil
}

// Seal returns a cursor. list names the list. filter and position are values that JSON can hold;
// equal filters must have equal JSON, as those of one struct do.
func (s *Sealer) Seal(list string, filter, position any) (string, error) {
	name, err := nameOf(list, filter)
	if err != nil {
		return "", err
	}
	plain, err := json.Marshal(position)
	if err != nil {
		return "", err
	}
	sealed, err := secret.Seal(s.keys[0], purpose, name, plain)
	if err != nil {
		return "", err
	}
	return prefix + encoding.EncodeToString(sealed), nil
}

// Open reads the position of a cursor into a pointer. It fails with [ErrInvalid].
func (s *Sealer) Open(list string, filter any, cursor string, position any) error {
	name, err := nameOf(list, filter)
	if err != nil {
		return err
	}
	text, ok := strings.CutPrefix(cursor, prefix)
	if !ok || len(text) > maxLen {
		return ErrInvalid
	}
	sealed, err := encoding.DecodeString(text)
	// The decoder skips line breaks.
	if err != nil || encoding.EncodedLen(len(sealed)) != len(text) {
		return ErrInvalid
	}
	for _, key := range s.keys {
		plain, err := secret.Open(key, purpose, name, sealed)
		if err == nil {
			return json.Unmarshal(plain, position)
		}
		if !errors.Is(err, secret.ErrSealed) {
			return err
		}
	}
	return ErrInvalid
}

// nameOf returns what a cursor is bound to.
func nameOf(list string, filter any) (string, error) {
	text, err := json.Marshal(filter)
	if err != nil {
		return "", err
	}
	return list + "\x00" + string(text), nil
}
