package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/secret"
)

const testKey = "uN6yPbC0mJ4sLgE9dFhV3kq8Zr1wXtA7oT5iRvQ2"

var testNow = time.Date(2026, 1, 5, 9, 30, 0, 123456789, time.UTC)

func testClock() time.Time { return testNow }

// testKeys are one of each algorithm; those of RSA take their time to be made.
var testKeys = sync.OnceValue(func() map[string]*signingKey {
	keys := map[string]*signingKey{}
	for _, algorithm := range Algorithms {
		key, err := newSigningKey(algorithm, secret.New(testKey))
		if err != nil {
			panic(err)
		}
		keys[algorithm] = key
	}
	return keys
})

// forger signs what it likes with the right key.
type forger struct {
	*signingKey
	tokens *Tokens
}

func newForger(tb testing.TB, algorithm string) forger {
	tb.Helper()
	key := testKeys()[algorithm]
	keyring := &Keyring{algorithm: algorithm, now: testClock}
	keyring.keys.Store(&keySet{key})
	o := tokenOptions()
	o.Keys = keyring
	tokens, err := NewTokens(o)
	if err != nil {
		tb.Fatal(err)
	}
	return forger{key, tokens}
}

// forEachAlgorithm runs a test with each.
func forEachAlgorithm(t *testing.T, test func(*testing.T, forger)) {
	for _, algorithm := range Algorithms {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			test(t, newForger(t, algorithm))
		})
	}
}

func tokenOptions() TokenOptions {
	keys, err := NewMemoryKeyring("HS256", testClock)
	if err != nil {
		panic(err)
	}
	return TokenOptions{Keys: keys, Issuer: "latchkey", Audience: "latchkey:auth", TTL: 15 * time.Minute, Now: testClock}
}

var testSubject = Subject{
	UserID: uuid.MustParse("01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90"), SessionID: uuid.MustParse("01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e91"),
	Email: "ada@example.com", Username: "ada",
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
		if err != nil || got != issued.Claims {
			t.Errorf("got %+v, %v; want %+v", got, err, issued.Claims)
		}
		if issued.ExpiresIn != 15*time.Minute || got.UserID != testSubject.UserID || got.SessionID != testSubject.SessionID || got.IssuedAt.Unix() != testNow.Unix() {
			t.Errorf("got %+v", issued)
		}
		if n := len(issued.Text.Reveal()); n > maxTokenBytes/2 {
			t.Errorf("a token has %d bytes", n)
		}
	})
}

// forge signs any header and any claims, as texts, with the right key.
func (f forger) forge(header, claims string) string {
	return f.sign(base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)))
}

func (f forger) sign(signed string) string { return signWith(f.method, f.private, signed) }

func signWith(method jwt.SigningMethod, key any, signed string) string {
	signature, err := method.Sign(signed, key)
	if err != nil {
		panic(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// header and claims are those of a token that is taken, to be spoilt in one place.
func (f forger) header() string {
	return fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"at+jwt"}`, f.algorithm, f.kid)
}

func goodClaims() string {
	now := testNow.Unix()
	return fmt.Sprintf(`{"iss":"latchkey","aud":"latchkey:auth","iat":%d,"exp":%d,"jti":"0123456789abcdef","sub":"ada@example.com","username":"ada","sid":%q,"uid":%q}`,
		now, now+900, testSubject.SessionID, testSubject.UserID)
}

func replaced(s, old, other string) string {
	if !strings.Contains(s, old) {
		panic(old + " is not in " + s)
	}
	return strings.Replace(s, old, other, 1)
}

// SECURITY, "JWT attacks", and B-5 to B-11: each token is signed with the right key unless its name says otherwise.
func TestJWTAttacks(t *testing.T) {
	t.Parallel()
	forEachAlgorithm(t, testJWTAttacks)
}

func testJWTAttacks(t *testing.T, f forger) {
	tokens, alg, kid := f.tokens, f.algorithm, f.kid
	now := testNow.Unix()
	iat, exp := fmt.Sprintf(`"iat":%d`, now), fmt.Sprintf(`"exp":%d`, now+900)
	header := func(old, other string) string { return f.forge(replaced(f.header(), old, other), goodClaims()) }
	claims := func(old, other string) string { return f.forge(f.header(), replaced(goodClaims(), old, other)) }
	good := f.forge(f.header(), goodClaims())
	parts := strings.Split(good, ".")
	unsigned := func(other string) string {
		head := base64.RawURLEncoding.EncodeToString([]byte(replaced(f.header(), alg, other)))
		return head + "." + parts[1] + "."
	}
	withKey := func(method jwt.SigningMethod, key any) string {
		head := base64.RawURLEncoding.EncodeToString([]byte(replaced(f.header(), alg, method.Alg())))
		return signWith(method, key, head+"."+parts[1])
	}

	accepted := map[string]string{
		"as it is":                   good,
		"typ with application/":      header(`at+jwt`, `application/at+jwt`),
		"typ in upper case":          header(`at+jwt`, `AT+JWT`),
		"aud among others":           claims(`"aud":"latchkey:auth"`, `"aud":["other","latchkey:auth"]`),
		"exp with a fraction":        claims(exp, exp+".9"),
		"expired within the leeway":  claims(exp, fmt.Sprintf(`"exp":%d`, now-29)),
		"issued within the leeway":   claims(iat, fmt.Sprintf(`"iat":%d`, now+29)),
		"nbf in the past":            claims(iat, iat+fmt.Sprintf(`,"nbf":%d`, now-1)),
		"a claim of a later release": claims(iat, iat+`,"scope":"x"`),
	}
	for name, token := range accepted {
		if _, err := tokens.Check(t.Context(), token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	refused := map[string]string{
		"empty": "", "a word": "asdf", "dots": "..", "many dots": strings.Repeat(".", 1<<20), "16 KiB": good + strings.Repeat("A", 16<<10),
		"alg none": unsigned("none"), "alg None": unsigned("None"), "alg nOnE": unsigned("nOnE"), "alg NONE": unsigned("NONE"),
		"alg none and a space": unsigned("none "), "alg a space and none": unsigned(" none"), "alg null": unsigned("null"), "alg empty": unsigned(""),
		"alg none, signed":               header(alg, `none`),
		"alg in another case":            header(alg, otherCase(alg)),
		"alg and a space":                header(alg, alg+" "),
		"alg missing":                    header(fmt.Sprintf(`"alg":%q,`, alg), ``),
		"crit unknown":                   header(`{`, `{"crit":["exp2"],"exp2":1,`),
		"crit empty":                     header(`{`, `{"crit":[],`),
		"b64 false":                      header(`{`, `{"crit":["b64"],"b64":false,`),
		"jku":                            header(`{`, `{"jku":"http://127.0.0.1:9/keys",`),
		"jwk":                            header(`{`, `{"jwk":{"kty":"oct","k":"AAAA"},`),
		"x5u":                            header(`{`, `{"x5u":"http://127.0.0.1:9/x",`),
		"typ JWT":                        header(`at+jwt`, `JWT`),
		"typ refresh":                    header(`at+jwt`, `refresh+jwt`),
		"typ absent":                     header(`,"typ":"at+jwt"`, ``),
		"typ a number":                   header(`"at+jwt"`, `1`),
		"kid unknown":                    header(kid, `0000000000000000`),
		"kid a path":                     header(kid, `../../dev/null`),
		"kid SQL":                        header(kid, `' OR 1=1--`),
		"kid absent":                     header(fmt.Sprintf(`"kid":%q,`, kid), ``),
		"alg twice":                      header(`{`, `{"alg":"none",`),
		"ALG beside":                     header(`{`, `{"ALG":"none",`),
		"header null":                    f.forge(`null`, goodClaims()),
		"header an array":                f.forge(`["HS256"]`, goodClaims()),
		"header, then more":              f.forge(f.header()+`{}`, goodClaims()),
		"header with a BOM":              f.forge("\ufeff"+f.header(), goodClaims()),
		"claims null":                    f.forge(f.header(), `null`),
		"claims, then more":              f.forge(f.header(), goodClaims()+`{}`),
		"claims with a BOM":              f.forge(f.header(), "\ufeff"+goodClaims()),
		"sub twice":                      claims(`"sub":"ada@example.com"`, `"sub":"eve@example.com","sub":"ada@example.com"`),
		"uid twice":                      claims(`"uid":`, `"uid":"01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e91","uid":`),
		"EXP beside an old exp":          claims(exp, fmt.Sprintf(`"exp":%d,"EXP":%d`, now-60, now+900)),
		"Aud beside":                     claims(iat, iat+`,"Aud":"latchkey:auth"`),
		"exp missing":                    claims(exp+",", ``),
		"exp null":                       claims(exp, `"exp":null`),
		"exp a string":                   claims(exp, fmt.Sprintf(`"exp":"%d"`, now+900)),
		"exp an array":                   claims(exp, fmt.Sprintf(`"exp":[%d]`, now+900)),
		"exp 0":                          claims(exp, `"exp":0`),
		"exp -1":                         claims(exp, `"exp":-1`),
		"exp 2^63":                       claims(exp, `"exp":9223372036854775808`),
		"exp 1e30":                       claims(exp, `"exp":1e30`),
		"exp 1e300":                      claims(exp, `"exp":1e300`),
		"exp 1e999":                      claims(exp, `"exp":1e999`),
		"expired":                        claims(exp, fmt.Sprintf(`"exp":%d`, now-31)),
		"iat missing":                    claims(iat+",", ``),
		"iat an hour ahead":              claims(iat, fmt.Sprintf(`"iat":%d`, now+3600)),
		"iat a string":                   claims(iat, fmt.Sprintf(`"iat":"%d"`, now)),
		"nbf ahead":                      claims(iat, iat+fmt.Sprintf(`,"nbf":%d`, now+31)),
		"nbf null":                       claims(iat, iat+`,"nbf":null`),
		"iss wrong":                      claims(`"iss":"latchkey"`, `"iss":"other"`),
		"iss with a slash":               claims(`"iss":"latchkey"`, `"iss":"latchkey/"`),
		"iss missing":                    claims(`"iss":"latchkey",`, ``),
		"iss an array":                   claims(`"iss":"latchkey"`, `"iss":["latchkey"]`),
		"aud wrong":                      claims(`"aud":"latchkey:auth"`, `"aud":"latchkey:other"`),
		"aud empty":                      claims(`"aud":"latchkey:auth"`, `"aud":[]`),
		"aud of numbers":                 claims(`"aud":"latchkey:auth"`, `"aud":["latchkey:auth",1]`),
		"aud missing":                    claims(`"aud":"latchkey:auth",`, ``),
		"sub missing":                    claims(`"sub":"ada@example.com",`, ``),
		"sub empty":                      claims(`"sub":"ada@example.com"`, `"sub":""`),
		"sub invalid UTF-8":              claims(`"sub":"ada@example.com"`, "\"sub\":\"ada\xff@example.com\""),
		"sub a lone surrogate":           claims(`"sub":"ada@example.com"`, `"sub":"\ud800"`),
		"jti missing":                    claims(`"jti":"0123456789abcdef",`, ``),
		"username missing":               claims(`"username":"ada",`, ``),
		"uid missing":                    claims(fmt.Sprintf(`,"uid":%q`, testSubject.UserID), ``),
		"uid in braces":                  claims(testSubject.UserID.String(), "{"+testSubject.UserID.String()+"}"),
		"uid in upper case":              claims(testSubject.UserID.String(), strings.ToUpper(testSubject.UserID.String())),
		"uid no UUID":                    claims(testSubject.UserID.String(), "1"),
		"sid missing":                    claims(fmt.Sprintf(`"sid":%q,`, testSubject.SessionID), ``),
		"sid no UUID":                    claims(testSubject.SessionID.String(), "1"),
		"sid twice":                      claims(`"sid":`, `"sid":"01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90","sid":`),
		"alg of another key of ours":     withKey(otherKey(f).method, otherKey(f).private),
		"another key of ours by its own": f.forgeAs(otherKey(f)),
		"100 kB":                         f.forge(f.header(), replaced(goodClaims(), "ada@example.com", strings.Repeat("a", 100_000)+"@example.com")),
		"no kid of the moment":           header(kid, kid+"A"),
		"two parts":                      parts[0] + "." + parts[1],
		"four parts":                     good + ".x",
		"five parts":                     good + ".x.y",
		"no signature":                   parts[0] + "." + parts[1] + ".",
		"truncated":                      good[:len(good)-1],
		"padded":                         good + "==",
		"a line feed in the signature":   good[:len(good)-5] + "\n" + good[len(good)-5:],
		"a line break in the claims":     parts[0] + "." + parts[1][:9] + "\r\n" + parts[1][9:] + "." + parts[2],
		"spaces":                         " " + good,
		"standard alphabet":              strings.NewReplacer("-", "+", "_", "/").Replace(good) + "+",
		"a nested token":                 f.forge(f.header(), `"`+good+`"`),
	}
	maps.Copy(refused, f.confusions(t, parts))
	for name, token := range refused {
		if _, err := tokens.Check(t.Context(), token); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("%s: got %v", name, err)
		} else if len(token) > 20 && strings.Contains(err.Error(), token[:20]) {
			t.Errorf("%s: the error repeats the token: %v", name, err)
		}
	}
}

// nextSymbol differs from a symbol of base64url in its last bit, which a 32-byte signature leaves unused.
func nextSymbol(b byte) string {
	const symbols = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(symbols[strings.IndexByte(symbols, b)^1])
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
			if _, err := f.tokens.Check(t.Context(), string(spoilt)); !errors.Is(err, ErrInvalidToken) {
				t.Fatalf("byte %d, bit %d: got %v", i, bit, err)
			}
		}
	}
}

func TestMissingTokenOptions(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*TokenOptions){
		"no keys":         func(o *TokenOptions) { o.Keys = nil },
		"no issuer":       func(o *TokenOptions) { o.Issuer = "" },
		"no audience":     func(o *TokenOptions) { o.Audience = "" },
		"no time to live": func(o *TokenOptions) { o.TTL = 0 },
		"no clock":        func(o *TokenOptions) { o.Now = nil },
	} {
		o := tokenOptions()
		change(&o)
		if _, err := NewTokens(o); err == nil {
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

// The header names a key without telling of it, and nothing else.
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
		if len(got) != 3 || got["alg"] != f.algorithm || got["typ"] != "at+jwt" || got["kid"] != f.kid || strings.Contains(testKey, f.kid) {
			t.Errorf("got %v", got)
		}
	})
}

// No reason repeats what the token says, and nothing is read before the signature is verified.
func TestReasonsRepeatNothing(t *testing.T) {
	t.Parallel()
	f := newForger(t, "ES256")
	tokens := f.tokens
	for _, claims := range []string{`{"exp":"CANARY"}`, `{"exp":{"CANARY":1}}`, `{"exp":1e99987}`, `{"iss":"CANARY"}`, `{"CANARY":`} {
		signed := f.forge(f.header(), claims)
		for _, token := range []string{signed, signed[:strings.LastIndex(signed, ".")+1] + strings.Repeat("A", 86)} {
			_, err := tokens.Check(t.Context(), token)
			if !errors.Is(err, ErrInvalidToken) || strings.Contains(err.Error(), "CANARY") || strings.Contains(err.Error(), "99987") {
				t.Errorf("%s: %v", claims, err)
			}
			if token != signed && !errors.Is(err, errTokenSignature) {
				t.Errorf("%s, unsigned: %v", claims, err)
			}
		}
	}
	for _, extra := range []string{`"\u017fub":"eve","sub":`, `"i\u017f\u017f":"latchkey","sub":`} {
		if _, err := tokens.Check(t.Context(), f.forge(f.header(), replaced(goodClaims(), `"sub":`, extra))); !errors.Is(err, errTokenClaims) {
			t.Errorf("%s: %v", extra, err)
		}
	}
}

// otherCase writes each letter in the other case.
func otherCase(s string) string {
	if lower := strings.ToLower(s); lower != s {
		return lower
	}
	return strings.ToUpper(s)
}
