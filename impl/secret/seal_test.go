package secret

import (
	"errors"
	"slices"
	"testing"
)

// A sealed text opens only under the same key, purpose and name, and not with a changed bit.
func TestSeal(t *testing.T) {
	t.Parallel()
	key, other := New("Xq7ZrKd9wvPb2tXq7ZrKd9wvPb2t0123"), New("another-Kd9wvPb2tXq7ZrKd9wvPb2t0")
	sealed, err := Seal(key, "purpose", "name", []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := Open(key, "purpose", "name", sealed); err != nil || string(plain) != "plain" {
		t.Errorf("got %q, %v", plain, err)
	}
	for i := range sealed {
		changed := slices.Clone(sealed)
		changed[i] ^= 1
		if _, err := Open(key, "purpose", "name", changed); !errors.Is(err, ErrSealed) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for _, row := range []struct {
		key           Text
		purpose, name string
		sealed        []byte
	}{{other, "purpose", "name", sealed}, {key, "another", "name", sealed}, {key, "purpose", "another", sealed}, {key, "purpose", "name", sealed[:10]}} {
		if _, err := Open(row.key, row.purpose, row.name, row.sealed); !errors.Is(err, ErrSealed) {
			t.Errorf("%+v: %v, want ErrSealed", row, err)
		}
	}
}
