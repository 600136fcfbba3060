package authn_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// RFC 7515 section 7.1: one token has one text.
func badForms(a attack) map[string]string {
	good, p := a.good, a.parts
	std := base64.StdEncoding.EncodeToString
	sig := must(base64.RawURLEncoding.DecodeString(p[2]))
	return map[string]string{
		"empty": "", "a word": "asdf", "dots": "..", "many dots": strings.Repeat(".", 100<<10),
		"100 kB of signature": good + strings.Repeat("A", 100<<10),
		"100 kB of claims":    a.claims(`{`, `{"pad":"`+strings.Repeat("A", 100<<10)+`",`),
		"a byte too long":     padded(a, 4097),
		"two parts":           p[0] + "." + p[1], "four parts": good + ".x", "five parts": good + ".x.y",
		"no signature": p[0] + "." + p[1] + ".", "no claims": p[0] + ".." + p[2], "no header": "." + p[1] + "." + p[2],
		"truncated": good[:len(good)-1], "truncated by a group": good[:len(good)-4],
		"a byte more": a.signature(append(sig, 0)), "padded": good + "==", "padded once": good + "=",
		"unused bits of the last symbol":   good[:len(good)-1] + nextSymbol(good[len(good)-1]),
		"a line feed in the signature":     good[:len(good)-5] + "\n" + good[len(good)-5:],
		"a line feed at the end":           good + "\n",
		"a line break in the header":       good[:5] + "\r\n" + good[5:],
		"a line break in the claims":       p[0] + "." + p[1][:9] + "\r\n" + p[1][9:] + "." + p[2],
		"a space before":                   " " + good,
		"a space after":                    good + " ",
		"standard alphabet and padding":    p[0] + "." + p[1] + "." + std(sig),
		"the JSON serialisation":           fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, p[0], p[1], p[2]),
		"not UTF-8":                        good[:9] + "\xff" + good[10:],
		"the line feed signed along":       resign(a, p[0]+"."+p[1][:9]+"\n"+p[1][9:]),
		"the padding signed along":         resign(a, p[0]+"=."+p[1]),
		"a point more, signed along":       resign(a, p[0]+"."+p[1]+"."),
		"an unused bit, signed along":      resign(a, p[0]+"."+nonCanonical(goodClaims())),
		"bytes of standard base64, signed": resign(a, p[0]+"."+std([]byte(goodClaims()))),
	}
}

// resign signs a text as it is.
func resign(a attack, signed string) string {
	return signed + "." + b64(must(a.method.Sign(signed, a.private)))
}

// nonCanonical is another text in base64url of the same JSON.
func nonCanonical(text string) string {
	for len(text)%3 != 1 {
		text += " "
	}
	text = b64([]byte(text))
	return text[:len(text)-1] + nextSymbol(text[len(text)-1])
}

// nextSymbol differs from a symbol of base64url in its last bit, which lengths of 3n+1 and 3n+2 bytes leave unused.
func nextSymbol(b byte) string {
	const symbols = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(symbols[strings.IndexByte(symbols, b)^1])
}

// padded is a good token of a length, within three bytes above.
func padded(a attack, length int) string {
	for pad := 0; ; pad++ {
		text := a.claims(`{`, `{"pad":"`+strings.Repeat("A", max(0, length-len(a.good)-100)*3/4+pad)+`",`)
		if len(text) >= length {
			return text
		}
	}
}

// The longest token that the contract allows is taken: what refuses a longer one is its length.
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

// A bit flipped anywhere in a signature makes it invalid, and so does any other symbol in the header and the claims.
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
					wantInvalid(t, v, fmt.Sprintf("symbol %d", i), a.good[:i]+nextSymbol(a.good[i])+a.good[i+1:])
				}
			}
			if _, err := v.Verify(t.Context(), a.signature(sig)); err != nil {
				t.Errorf("as it was: %v", err)
			}
		})
	}
}

// A token is taken from 30 s before it is issued until 30 s after it has expired, and at that very moment no more.
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
