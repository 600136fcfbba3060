package keyring

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

func clock() time.Time { return now }

func TestSignAndFind(t *testing.T) {
	t.Parallel()
	for _, algorithm := range Algorithms {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			key, err := newSigningKey(algorithm, secret.New(strings.Repeat("k", 32)))
			if err != nil {
				t.Fatal(err)
			}
			ring, err := NewMemory(algorithm, key.private, clock)
			if err != nil {
				t.Fatal(err)
			}
			var kid string
			signed, err := ring.Sign(now, func(with, id string) (string, error) {
				kid = id
				return "text of " + with, nil
			})
			text, signature, _ := strings.Cut(signed, ".")
			if err != nil || text != "text of "+algorithm || kid != key.Kid || strings.ContainsAny(signature, "=+/.") {
				t.Fatalf("got %q by the key %q, %v; want the key %q", signed, kid, err, key.Kid)
			}
			found, verify, err := ring.Find(t.Context(), kid, now)
			if err != nil || found != algorithm || !ring.Verifies(kid, now) {
				t.Fatalf("got %q, %v", found, err)
			}
			raw, err := key.method.Sign(text, key.private)
			if err != nil || verify(text, raw) != nil || verify(text+" ", raw) == nil {
				t.Errorf("the function doesn't tell the key's signatures from others (%v)", err)
			}
			published, err := ring.Published()
			if symmetric := algorithm == "HS256"; err != nil || len(published) == 1 == symmetric {
				t.Errorf("published %v, %v", published, err)
			}
		})
	}
}

// A key that has ended neither signs nor verifies, and neither does one that never existed.
func TestEndedKey(t *testing.T) {
	t.Parallel()
	key, err := newSigningKey("EdDSA", secret.Text{})
	if err != nil {
		t.Fatal(err)
	}
	key.VerifiesUntil = &now
	ring := &Ring{opts: Options{Options: store.Options{Now: clock}}}
	ring.keys.Store(&keySet{key})
	text := func(string, string) (string, error) { t.Error("a text was asked for"); return "", nil }
	if _, err := ring.Sign(now, text); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Sign: got %v", err)
	}
	if _, err := ring.Published(); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Published: got %v", err)
	}
	for _, kid := range []string{key.Kid, "other"} {
		if _, _, err := ring.Find(
			t.Context(),
			kid,
			now,
		); !errors.Is(err, errUnknownKey) ||
			errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: Find: got %v", kid, err)
		}
		if ring.Verifies(kid, now) {
			t.Errorf("%s verifies", kid)
		}
	}
	if !ring.Verifies(key.Kid, now.Add(-1)) {
		t.Error("it didn't verify before it ended")
	}
}

func TestNewMemoryRefuses(t *testing.T) {
	t.Parallel()
	_, ed, edErr := ed25519.GenerateKey(rand.Reader)
	p384, esErr := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err := errors.Join(edErr, esErr); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		algorithm string
		private   any
	}{
		"unknown algorithm": {"none", []byte("key")},
		"no algorithm":      {"", ed},
		"no key":            {"ES256", nil},
		"bytes as ES256":    {"ES256", []byte("key")},
		"EdDSA as ES256":    {"ES256", ed},
		"EdDSA as HS256":    {"HS256", ed},
		"another curve":     {"ES256", p384},
	} {
		if ring, err := NewMemory(row.algorithm, row.private, clock); err == nil {
			t.Errorf("%s: got %v", name, ring)
		}
	}
}
