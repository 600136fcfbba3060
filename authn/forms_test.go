package authn_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/authn/authntest"
)

// padded returns a good token whose length is at least the given one, and at most three bytes more.
func padded(a attack, length int) string {
	for pad := 0; ; pad++ {
		text := a.claims(`{`, `{"pad":"`+strings.Repeat("A", max(0, length-len(a.good)-100)*3/4+pad)+`",`)
		if len(text) >= length {
			return text
		}
	}
}

// The longest token that the contract allows is accepted, so a longer one is refused for its
// length.
func TestLongestToken(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	s := newServer(t, signer)
	token := padded(newAttack(s, &signer), 4095)
	if len(token) > 4096 {
		t.Fatalf("made a token of %d bytes", len(token))
	}
	if _, err := s.verifier().Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
}

// A bit flipped anywhere in a signature makes it invalid, and so does any other symbol in the
// header and the claims.
func TestEveryBitOfATokenCounts(t *testing.T) {
	t.Parallel()
	for _, signer := range signers() {
		t.Run(signer.alg, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, signer)
			v := s.verifier()
			a := newAttack(s, &signer)
			sig := must(base64.RawURLEncoding.DecodeString(a.parts[2]))
			for i := range sig {
				sig[i] ^= 1 << (i % 8)
				wantInvalid(t, v, fmt.Sprintf("bit %d of byte %d of the signature", i%8, i), a.signature(sig))
				sig[i] ^= 1 << (i % 8)
			}
			for i := range len(a.parts[0]) + 1 + len(a.parts[1]) {
				if a.good[i] != '.' {
					wantInvalid(t, v, fmt.Sprintf("symbol %d", i), a.good[:i]+authntest.NextSymbol(a.good[i])+a.good[i+1:])
				}
			}
			if _, err := v.Verify(t.Context(), a.signature(sig)); err != nil {
				t.Errorf("as it was: %v", err)
			}
		})
	}
}

// A token is accepted from 30 s before it is issued until 30 s after it expires, and not at that
// very moment.
func TestLeeway(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	s := newServer(t, signer)
	v := s.verifier()
	token := s.token(signer)
	issued := time.Unix(testNow.Unix(), 0)
	for _, test := range []struct {
		at time.Duration
		ok bool
	}{
		{-30*time.Second - 1, false}, {-30 * time.Second, true}, {0, true},
		{930*time.Second - 1, true}, {930 * time.Second, false}, {24 * time.Hour, false},
	} {
		s.change(func() { s.now = issued.Add(test.at) })
		if _, err := v.Verify(t.Context(), token); (err == nil) != test.ok {
			t.Errorf("at %s: got %v", test.at, err)
		}
		v.AwaitFetch()
	}
}
