package authn_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/authn"
)

// set returns a JWK Set.
func set(members ...any) string {
	return string(must(json.Marshal(map[string]any{"keys": append([]any{}, members...)})))
}

// verifyWith verifies a token of a signer, for a server that publishes a set.
func verifyWith(t *testing.T, signer signer, keySet string) error {
	t.Helper()
	s := newServer(t)
	s.change(func() { s.keySet = keySet })
	_, err := s.verifier().Verify(t.Context(), s.token(signer))
	return err
}

// with returns a key with changed members. A nil value removes its member.
func with(j map[string]any, changes map[string]any) map[string]any {
	j = maps.Clone(j)
	for name, value := range changes {
		if j[name] = value; value == nil {
			delete(j, name)
		}
	}
	return j
}

type m = map[string]any

// A key that can't be used for signatures of ours is left out, and the one beside it is used.
func TestKeysLeftOut(t *testing.T) {
	t.Parallel()
	es, ed, rs := newES256("bad"), newEdDSA("bad"), newRS256("bad")
	good := newEdDSA("good")
	type bad struct {
		signer signer
		jwk    any
	}
	shape := map[string]bad{
		"symmetric": {
			es,
			m{"kty": "oct", "alg": "HS256", "kid": "bad", "use": "sig", "k": b64(make([]byte, 32))},
		},
		"symmetric, as ES256":   {es, with(es.jwk(), m{"kty": "oct"})},
		"not an object":         {es, "key"},
		"null":                  {es, nil},
		"kid a number":          {es, with(es.jwk(), m{"kid": 1})},
		"no kid":                {es, with(es.jwk(), m{"kid": nil})},
		"no alg":                {es, with(es.jwk(), m{"alg": nil})},
		"alg unknown":           {es, with(es.jwk(), m{"alg": "ES257"})},
		"alg HS256":             {es, with(es.jwk(), m{"alg": "HS256"})},
		"alg none":              {es, with(es.jwk(), m{"alg": "none"})},
		"alg of another type":   {es, with(es.jwk(), m{"alg": "EdDSA"})},
		"alg RS256 of a point":  {es, with(es.jwk(), m{"alg": "RS256"})},
		"no use":                {es, with(es.jwk(), m{"use": nil})},
		"to encrypt":            {es, with(es.jwk(), m{"use": "enc"})},
		"no crv":                {es, with(es.jwk(), m{"crv": nil})},
		"the crv of another":    {es, with(es.jwk(), m{"crv": "P-384"})},
		"secp256k1":             {es, with(es.jwk(), m{"crv": "secp256k1"})},
		"X25519":                {ed, with(ed.jwk(), m{"crv": "X25519"})},
		"with its private half": {es, with(es.jwk(), m{"d": b64(make([]byte, 32))})},
	}
	x, y := fmt.Sprint(es.jwk()["x"]), fmt.Sprint(es.jwk()["y"])
	p := elliptic.P256().Params().P
	points := map[string]bad{
		"no x":               {es, with(es.jwk(), m{"x": nil})},
		"no y":               {es, with(es.jwk(), m{"y": nil})},
		"x and y exchanged":  {es, with(es.jwk(), m{"x": y, "y": x})},
		"y twice":            {es, with(es.jwk(), m{"x": y})},
		"infinity":           {es, with(es.jwk(), m{"x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))})},
		"x beyond the field": {es, with(es.jwk(), m{"x": b64(p.Bytes())})},
		"x in 33 bytes":      {es, with(es.jwk(), m{"x": "AA" + x})},
		"x padded":           {es, with(es.jwk(), m{"x": x + "="})},
		"x with a line feed": {es, with(es.jwk(), m{"x": x[:9] + "\n" + x[9:]})},
		"x a number":         {es, with(es.jwk(), m{"x": 1})},
		"no x of Ed25519":    {ed, with(ed.jwk(), m{"x": nil})},
		"31 bytes":           {ed, with(ed.jwk(), m{"x": b64(make([]byte, 31))})},
		"33 bytes":           {ed, with(ed.jwk(), m{"x": b64(make([]byte, 33))})},
	}
	n := rsaKey().N
	moduli := map[string]bad{
		"no n":           {rs, with(rs.jwk(), m{"n": nil})},
		"no e":           {rs, with(rs.jwk(), m{"e": nil})},
		"n of 2047 bits": {rs, with(rs.jwk(), m{"n": b64(new(big.Int).Rsh(n, 1).Bytes())})},
		"n of 8193 bits": {
			rs,
			with(rs.jwk(), m{"n": b64(new(big.Int).Lsh(n, 8193-2048).SetBit(new(big.Int).Lsh(n, 8193-2048), 0, 1).Bytes())}),
		},
		"n even":            {rs, with(rs.jwk(), m{"n": b64(new(big.Int).Sub(n, big.NewInt(1)).Bytes())})},
		"n no base64":       {rs, with(rs.jwk(), m{"n": "!"})},
		"e no base64":       {rs, with(rs.jwk(), m{"e": "!"})},
		"e 1":               {rs, with(rs.jwk(), m{"e": b64([]byte{1})})},
		"e 3":               {rs, with(rs.jwk(), m{"e": b64([]byte{3})})},
		"e even":            {rs, with(rs.jwk(), m{"e": b64([]byte{1, 0, 2})})},
		"e of 32 bits":      {rs, with(rs.jwk(), m{"e": b64([]byte{0x80, 0, 0, 1})})},
		"e 65537 and 2^64":  {rs, with(rs.jwk(), m{"e": b64([]byte{1, 0, 0, 0, 0, 0, 1, 0, 1})})},
		"e as long as n is": {rs, with(rs.jwk(), m{"e": rs.jwk()["n"]})},
	}
	for _, table := range []map[string]bad{shape, points, moduli} {
		for name, test := range table {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newServer(t)
				s.change(func() { s.keySet = set(test.jwk, good.jwk()) })
				v := s.verifier()
				wantVerified(t, v, s.token(good))
				wantError(t, v, s.token(test.signer), authn.ErrInvalidToken)
				// The key alone isn't usable, so not only its signature is refused.
				wantUnavailable(t, verifyWith(t, test.signer, set(test.jwk)), "no key that can be used")
			})
		}
	}
}

// Two keys without an id don't count as one key twice.
func TestKeysWithoutID(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	nameless := with(signer.jwk(), m{"kid": nil})
	if err := verifyWith(t, signer, set(nameless, nameless, signer.jwk())); err != nil {
		t.Error(err)
	}
}

// A key with too few bits is refused, although its signatures are right.
func TestWeakRSA(t *testing.T) {
	t.Parallel()
	for bits, ok := range map[int]bool{1024: false, 2040: false, 2048: true} {
		key := must(rsa.GenerateKey(rand.Reader, bits))
		signer := signer{"RS256", "weak", newRS256("").method, key}
		if err := verifyWith(t, signer, set(signer.jwk())); (err == nil) != ok {
			t.Errorf("%d bits: got %v", bits, err)
		}
	}
}

// A public key that isn't a point of the curve verifies no signature.
func TestNoEd25519Point(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	point := make([]byte, 32)
	point[0] = 2
	s := newServer(t)
	s.change(func() { s.keySet = set(with(signer.jwk(), m{"x": b64(point)})) })
	v := s.verifier()
	wantInvalid(t, v, "signed by a key", s.token(signer))
	a := newAttack(s, &signer)
	wantInvalid(t, v, "zeros", a.signature(make([]byte, 64)))
	wantInvalid(t, v, "the point itself", a.signature(slices.Concat(point, make([]byte, 32))))
}

// A document that isn't a usable set leaves no keys, and the error says why.
func TestUnusableSets(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	other := with(newEdDSA("ed").jwk(), nil)
	many := func(n int) string {
		keys := []any{signer.jwk()}
		for i := range n - 1 {
			keys = append(keys, with(other, m{"kid": fmt.Sprint(i)}))
		}
		return set(keys...)
	}
	body := func(n int) string {
		text := set(signer.jwk())
		return text + strings.Repeat(" ", n-len(text))
	}
	p384 := signer
	p384.private = must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	for name, test := range map[string]struct{ keySet, want string }{
		"good":               {set(signer.jwk()), ""},
		"100 keys":           {many(100), ""},
		"101 keys":           {many(101), "101 keys"},
		"64 KiB":             {body(64 << 10), ""},
		"64 KiB and a byte":  {body(64<<10 + 1), "65536 bytes"},
		"empty":              {set(), "no key"},
		"keys null":          {`{"keys":null}`, "not a JWK set"},
		"no keys":            {`{}`, "not a JWK set"},
		"Keys":               {replaced(set(signer.jwk()), "keys", "Keys"), "not a JWK set"},
		"keys twice":         {replaced(set(signer.jwk()), "{", `{"keys":[],`), "duplicate"},
		"no JSON":            {`<html>`, "invalid character"},
		"then more":          {set(signer.jwk()) + "{}", "invalid character"},
		"one id twice":       {set(signer.jwk(), other), "same id"},
		"a member twice":     {replaced(set(signer.jwk()), `"kid"`, `"kid":"other","kid"`), "duplicate"},
		"another curve only": {set(with(p384.jwk(), m{"alg": "ES256"})), "no key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := verifyWith(t, signer, test.keySet)
			if test.want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			wantUnavailable(t, err, test.want)
		})
	}
}
