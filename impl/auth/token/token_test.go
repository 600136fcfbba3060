package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/authn"
	"github.com/latchkey-auth/latchkey/authn/authntest"
	"github.com/latchkey-auth/latchkey/impl/auth/keyring"
)

const testKey = "uN6yPbC0mJ4sLgE9dFhV3kq8Zr1wXtA7oT5iRvQ2"

var testNow = authntest.Now

func testClock() time.Time { return testNow }

// signingKey is a private key and what a ring makes of it.
type signingKey struct {
	algorithm, kid string
	method         jwt.SigningMethod
	private        any
	ring           *keyring.Ring
}

// testKeys has one key for each algorithm. An RSA key takes long to make.
var testKeys = sync.OnceValue(func() map[string]signingKey {
	_, ed, edErr := ed25519.GenerateKey(rand.Reader)
	es, esErr := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	rs, rsErr := rsa.GenerateKey(rand.Reader, 3072)
	if err := errors.Join(edErr, esErr, rsErr); err != nil {
		panic(err)
	}
	keys := map[string]signingKey{}
	for algorithm, private := range map[string]any{"ES256": es, "EdDSA": ed, "RS256": rs, "HS256": []byte(testKey)} {
		ring, err := keyring.NewMemory(algorithm, private, testClock)
		if err != nil {
			panic(err)
		}
		key := signingKey{algorithm: algorithm, method: jwt.GetSigningMethod(algorithm), private: private, ring: ring}
		if _, err := ring.Sign(testNow, func(_, kid string) (string, error) { key.kid = kid; return "", nil }); err != nil {
			panic(err)
		}
		keys[algorithm] = key
	}
	return keys
})

// forger signs any text with the right key.
type forger struct {
	signingKey
	tokens *Issuer
}

func newForger(tb testing.TB, algorithm string) forger {
	tb.Helper()
	key := testKeys()[algorithm]
	o := tokenOptions()
	o.Keys = key.ring
	tokens, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return forger{key, tokens}
}

// forEachAlgorithm runs a test for each algorithm.
func forEachAlgorithm(t *testing.T, test func(*testing.T, forger)) {
	for _, algorithm := range keyring.Algorithms {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			test(t, newForger(t, algorithm))
		})
	}
}

func tokenOptions() Options {
	return Options{
		Keys:     testKeys()["HS256"].ring,
		Issuer:   "latchkey",
		Audience: "latchkey:auth",
		TTL:      15 * time.Minute,
		Now:      testClock,
	}
}

var testSubject = Subject{
	UserID: uuid.MustParse(authntest.UserID), SessionID: uuid.MustParse(authntest.SessionID),
	Email: "ada@example.com", Username: "ada", Scopes: []string{"events:read", "users:read"},
}

func (f forger) issue(tb testing.TB) string {
	tb.Helper()
	token, err := f.tokens.Issue(testSubject)
	if err != nil {
		tb.Fatal(err)
	}
	return token.Text.Reveal()
}

func TestIssueAndCheck(t *testing.T) {
	t.Parallel()
	forEachAlgorithm(t, func(t *testing.T, f forger) {
		issued, err := f.tokens.Issue(testSubject)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.tokens.Check(t.Context(), issued.Text.Reveal())
		if err != nil || !reflect.DeepEqual(got, issued.Claims) {
			t.Errorf("got %+v, %v; want %+v", got, err, issued.Claims)
		}
		if issued.ExpiresIn != 15*time.Minute || got.UserID != testSubject.UserID || got.SessionID != testSubject.SessionID ||
			got.IssuedAt.Unix() != testNow.Unix() {
			t.Errorf("got %+v", issued)
		}
		if n := len(issued.Text.Reveal()); n > authn.MaxTokenBytes/2 {
			t.Errorf("a token has %d bytes", n)
		}
	})
}

// forge signs any header and any claims, as texts, with the right key.
func (f forger) forge(header, claims string) string {
	return f.sign(
		base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)),
	)
}

func (f forger) sign(signed string) string { return signWith(f.method, f.private, signed) }

func signWith(method jwt.SigningMethod, key any, signed string) string {
	return signed + "." + base64.RawURLEncoding.EncodeToString(rawSignature(method, key, signed))
}

func rawSignature(method jwt.SigningMethod, key any, signed string) []byte {
	signature, err := method.Sign(signed, key)
	if err != nil {
		panic(err)
	}
	return signature
}

// signer makes the tokens that any strict check must accept or refuse.
func (f forger) signer(tb testing.TB) authntest.Signer {
	tb.Helper()
	published, err := f.ring.Published()
	if err != nil {
		tb.Fatal(err)
	}
	jwk, err := json.Marshal(published)
	if err != nil {
		tb.Fatal(err)
	}
	return authntest.Signer{
		Algorithm: f.algorithm, KeyID: f.kid, JWK: string(jwk), Elsewhere: "http://127.0.0.1:9",
		Sign: func(text string) []byte { return rawSignature(f.method, f.private, text) },
	}
}

func (f forger) header() string {
	return authntest.Signer{Algorithm: f.algorithm, KeyID: f.kid}.Header()
}

func goodClaims() string { return authntest.Claims() }

func replaced(s, old, other string) string {
	if !strings.Contains(s, old) {
		panic(old + " is not in " + s)
	}
	return strings.Replace(s, old, other, 1)
}

// SECURITY, "JWT attacks", and B-5 to B-11: the tokens of authn's file, and those that are signed
// in another way.
func TestJWTAttacks(t *testing.T) {
	t.Parallel()
	forEachAlgorithm(t, func(t *testing.T, f forger) {
		signer := f.signer(t)
		for name, token := range signer.Accepted() {
			if _, err := f.tokens.Check(t.Context(), token); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		refused := signer.Refused()
		maps.Copy(refused, f.confusions(t, strings.Split(signer.Good(), ".")))
		for name, token := range refused {
			if _, err := f.tokens.Check(t.Context(), token); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: got %v", name, err)
			} else if len(token) > 20 && strings.Contains(err.Error(), token[:20]) {
				t.Errorf("%s: the error repeats the token: %v", name, err)
			}
		}
	})
}

// A bit flipped anywhere in a token makes it invalid.
func TestEveryBitOfATokenCounts(t *testing.T) {
	t.Parallel()
	forEachAlgorithm(t, testEveryBit)
}

func testEveryBit(t *testing.T, f forger) {
	good := f.issue(t)
	for i := range len(good) {
		for bit := range 8 {
			spoilt := []byte(good)
			spoilt[i] ^= 1 << bit
			if _, err := f.tokens.Check(t.Context(), string(spoilt)); !errors.Is(err, ErrInvalid) {
				t.Fatalf("byte %d, bit %d: got %v", i, bit, err)
			}
		}
	}
}

func TestMissingTokenOptions(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Options){
		"no keys":         func(o *Options) { o.Keys = nil },
		"no issuer":       func(o *Options) { o.Issuer = "" },
		"no audience":     func(o *Options) { o.Audience = "" },
		"no time to live": func(o *Options) { o.TTL = 0 },
		"no clock":        func(o *Options) { o.Now = nil },
	} {
		o := tokenOptions()
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestL8_TokensDiffer(t *testing.T) {
	t.Parallel()
	tokens, seen := newForger(t, "ES256").tokens, map[string]bool{}
	for range 1000 {
		token, err := tokens.Issue(testSubject)
		if err != nil {
			t.Fatal(err)
		}
		seen[token.Claims.TokenID], seen[token.Text.Reveal()] = true, true
	}
	if len(seen) != 2000 {
		t.Errorf("%d different ids and tokens of 2000", len(seen))
	}
}

// The header has the id of the key, and nothing about the key itself.
func TestHeader(t *testing.T) {
	t.Parallel()
	forEachAlgorithm(t, func(t *testing.T, f forger) {
		head, _, _ := strings.Cut(f.issue(t), ".")
		data, err := base64.RawURLEncoding.DecodeString(head)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if len(got) != 3 || got["alg"] != f.algorithm || got["typ"] != "at+jwt" || got["kid"] != f.kid ||
			strings.Contains(testKey, f.kid) {
			t.Errorf("got %v", got)
		}
	})
}

// No reason repeats a text of the token, and no claim is read before the signature is verified.
func TestReasonsRepeatNothing(t *testing.T) {
	t.Parallel()
	f := newForger(t, "ES256")
	tokens := f.tokens
	for _, claims := range []string{`{"exp":"CANARY"}`, `{"exp":{"CANARY":1}}`, `{"exp":1e99987}`, `{"iss":"CANARY"}`, `{"CANARY":`} {
		signed := f.forge(f.header(), claims)
		for _, token := range []string{signed, signed[:strings.LastIndex(signed, ".")+1] + strings.Repeat("A", 86)} {
			_, err := tokens.Check(t.Context(), token)
			if !errors.Is(err, ErrInvalid) || strings.Contains(err.Error(), "CANARY") || strings.Contains(err.Error(), "99987") {
				t.Errorf("%s: %v", claims, err)
			}
			if token != signed && !strings.HasSuffix(err.Error(), "the signature is not the key's") {
				t.Errorf("%s, unsigned: %v", claims, err)
			}
		}
	}
	for _, extra := range []string{`"\u017fub":"eve","sub":`, `"i\u017f\u017f":"latchkey","sub":`} {
		if _, err := tokens.Check(
			t.Context(),
			f.forge(f.header(), replaced(goodClaims(), `"sub":`, extra)),
		); err == nil ||
			!strings.HasSuffix(err.Error(), "the claims are not the contract's") {
			t.Errorf("%s: %v", extra, err)
		}
	}
}
