package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

const testKey = "a-key-for-the-tests-of-tokens-0123456789"

var testNow = time.Date(2026, 1, 5, 9, 30, 0, 123456789, time.UTC)

func tokenOptions() TokenOptions {
	return TokenOptions{
		Key: NewSecret(testKey), Algorithm: "HS256", Issuer: "latchkey", Audience: "latchkey:auth",
		TTL: 15 * time.Minute, Now: func() time.Time { return testNow },
	}
}

func newTokens(tb testing.TB, change ...func(*TokenOptions)) *Tokens {
	tb.Helper()
	o := tokenOptions()
	for _, f := range change {
		f(&o)
	}
	tokens, err := NewTokens(o)
	if err != nil {
		tb.Fatal(err)
	}
	return tokens
}

var testSubject = Subject{UserID: uuid.MustParse("01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90"), Email: "ada@example.com", Username: "ada"}

func issue(tb testing.TB, tokens *Tokens, subject Subject) string {
	tb.Helper()
	token, err := tokens.Issue(subject)
	if err != nil {
		tb.Fatal(err)
	}
	return token.Text.Reveal()
}

func TestIssueAndCheck(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t)
	issued, err := tokens.Issue(testSubject)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tokens.Check(issued.Text.Reveal())
	if err != nil || got != issued.Claims {
		t.Errorf("got %+v, %v; want %+v", got, err, issued.Claims)
	}
	if issued.ExpiresIn != 15*time.Minute || got.UserID != testSubject.UserID || got.IssuedAt.Unix() != testNow.Unix() {
		t.Errorf("got %+v", issued)
	}
}

// A token issued in the second of a change is dated after it.
func TestIssueAfterAChange(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t)
	subject := testSubject
	subject.NotBefore = testNow.Add(500 * time.Millisecond)
	got, err := tokens.Check(issue(t, tokens, subject))
	if err != nil || got.IssuedAt.Unix() != testNow.Unix()+1 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// forge signs any header and any claims, as texts, with the right key.
func forge(header, claims string) string {
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	signature, err := jwt.SigningMethodHS256.Sign(signed, []byte(testKey))
	if err != nil {
		panic(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// goodHeader and goodClaims are those of a token that is taken, to be spoilt in one place.
func goodHeader() string {
	return fmt.Sprintf(`{"alg":"HS256","kid":%q,"typ":"at+jwt"}`, keyID([]byte(testKey)))
}

func goodClaims() string {
	now := testNow.Unix()
	return fmt.Sprintf(`{"iss":"latchkey","aud":"latchkey:auth","iat":%d,"exp":%d,"jti":"0123456789abcdef","sub":"ada@example.com","username":"ada","uid":%q}`,
		now, now+900, testSubject.UserID)
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
	tokens := newTokens(t)
	now := testNow.Unix()
	iat, exp := fmt.Sprintf(`"iat":%d`, now), fmt.Sprintf(`"exp":%d`, now+900)
	header := func(old, other string) string { return forge(replaced(goodHeader(), old, other), goodClaims()) }
	claims := func(old, other string) string { return forge(goodHeader(), replaced(goodClaims(), old, other)) }
	good := forge(goodHeader(), goodClaims())
	parts := strings.Split(good, ".")
	unsigned := func(alg string) string {
		head := base64.RawURLEncoding.EncodeToString([]byte(replaced(goodHeader(), "HS256", alg)))
		return head + "." + parts[1] + "."
	}
	withKey := func(method jwt.SigningMethod, key any) string {
		head := base64.RawURLEncoding.EncodeToString([]byte(replaced(goodHeader(), "HS256", method.Alg())))
		signature, err := method.Sign(head+"."+parts[1], key)
		if err != nil {
			t.Fatal(err)
		}
		return head + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(signature)
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
		"a claim of a later release": claims(iat, iat+`,"sid":"x"`),
	}
	for name, token := range accepted {
		if _, err := tokens.Check(token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	refused := map[string]string{
		"empty": "", "a word": "asdf", "dots": "..", "many dots": strings.Repeat(".", 1<<20), "16 KiB": good + strings.Repeat("A", 16<<10),
		"alg none": unsigned("none"), "alg nOnE": unsigned("nOnE"), "alg empty": unsigned(""),
		"alg none, signed":                 header(`HS256`, `none`),
		"alg lower case":                   header(`HS256`, `hs256`),
		"alg missing":                      header(`"alg":"HS256",`, ``),
		"alg HS384":                        withKey(jwt.SigningMethodHS384, []byte(testKey)),
		"alg HS512":                        withKey(jwt.SigningMethodHS512, []byte(testKey)),
		"another key":                      withKey(jwt.SigningMethodHS256, []byte("another-key-of-the-right-length-0123456789")),
		"an empty key":                     withKey(jwt.SigningMethodHS256, []byte{}),
		"crit unknown":                     header(`{`, `{"crit":["exp2"],"exp2":1,`),
		"crit empty":                       header(`{`, `{"crit":[],`),
		"b64 false":                        header(`{`, `{"crit":["b64"],"b64":false,`),
		"jku":                              header(`{`, `{"jku":"http://127.0.0.1:9/keys",`),
		"jwk":                              header(`{`, `{"jwk":{"kty":"oct","k":"AAAA"},`),
		"x5u":                              header(`{`, `{"x5u":"http://127.0.0.1:9/x",`),
		"typ JWT":                          header(`at+jwt`, `JWT`),
		"typ refresh":                      header(`at+jwt`, `refresh+jwt`),
		"typ absent":                       header(`,"typ":"at+jwt"`, ``),
		"typ a number":                     header(`"at+jwt"`, `1`),
		"kid unknown":                      header(keyID([]byte(testKey)), `0000000000000000`),
		"kid a path":                       header(keyID([]byte(testKey)), `../../dev/null`),
		"kid SQL":                          header(keyID([]byte(testKey)), `' OR 1=1--`),
		"kid absent":                       header(fmt.Sprintf(`"kid":%q,`, keyID([]byte(testKey))), ``),
		"alg twice":                        header(`{`, `{"alg":"none",`),
		"ALG beside":                       header(`{`, `{"ALG":"none",`),
		"header null":                      forge(`null`, goodClaims()),
		"header an array":                  forge(`["HS256"]`, goodClaims()),
		"header, then more":                forge(goodHeader()+`{}`, goodClaims()),
		"header with a BOM":                forge("\ufeff"+goodHeader(), goodClaims()),
		"claims null":                      forge(goodHeader(), `null`),
		"claims, then more":                forge(goodHeader(), goodClaims()+`{}`),
		"claims with a BOM":                forge(goodHeader(), "\ufeff"+goodClaims()),
		"sub twice":                        claims(`"sub":"ada@example.com"`, `"sub":"eve@example.com","sub":"ada@example.com"`),
		"uid twice":                        claims(`"uid":`, `"uid":"01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e91","uid":`),
		"EXP beside an old exp":            claims(exp, fmt.Sprintf(`"exp":%d,"EXP":%d`, now-60, now+900)),
		"Aud beside":                       claims(iat, iat+`,"Aud":"latchkey:auth"`),
		"exp missing":                      claims(exp+",", ``),
		"exp null":                         claims(exp, `"exp":null`),
		"exp a string":                     claims(exp, fmt.Sprintf(`"exp":"%d"`, now+900)),
		"exp an array":                     claims(exp, fmt.Sprintf(`"exp":[%d]`, now+900)),
		"exp 0":                            claims(exp, `"exp":0`),
		"exp -1":                           claims(exp, `"exp":-1`),
		"exp 2^63":                         claims(exp, `"exp":9223372036854775808`),
		"exp 1e30":                         claims(exp, `"exp":1e30`),
		"exp 1e300":                        claims(exp, `"exp":1e300`),
		"exp 1e999":                        claims(exp, `"exp":1e999`),
		"expired":                          claims(exp, fmt.Sprintf(`"exp":%d`, now-31)),
		"iat missing":                      claims(iat+",", ``),
		"iat an hour ahead":                claims(iat, fmt.Sprintf(`"iat":%d`, now+3600)),
		"iat a string":                     claims(iat, fmt.Sprintf(`"iat":"%d"`, now)),
		"nbf ahead":                        claims(iat, iat+fmt.Sprintf(`,"nbf":%d`, now+31)),
		"nbf null":                         claims(iat, iat+`,"nbf":null`),
		"iss wrong":                        claims(`"iss":"latchkey"`, `"iss":"other"`),
		"iss with a slash":                 claims(`"iss":"latchkey"`, `"iss":"latchkey/"`),
		"iss missing":                      claims(`"iss":"latchkey",`, ``),
		"iss an array":                     claims(`"iss":"latchkey"`, `"iss":["latchkey"]`),
		"aud wrong":                        claims(`"aud":"latchkey:auth"`, `"aud":"latchkey:other"`),
		"aud empty":                        claims(`"aud":"latchkey:auth"`, `"aud":[]`),
		"aud of numbers":                   claims(`"aud":"latchkey:auth"`, `"aud":["latchkey:auth",1]`),
		"aud missing":                      claims(`"aud":"latchkey:auth",`, ``),
		"sub missing":                      claims(`"sub":"ada@example.com",`, ``),
		"sub empty":                        claims(`"sub":"ada@example.com"`, `"sub":""`),
		"sub invalid UTF-8":                claims(`"sub":"ada@example.com"`, "\"sub\":\"ada\xff@example.com\""),
		"sub a lone surrogate":             claims(`"sub":"ada@example.com"`, `"sub":"\ud800"`),
		"jti missing":                      claims(`"jti":"0123456789abcdef",`, ``),
		"username missing":                 claims(`"username":"ada",`, ``),
		"uid missing":                      claims(fmt.Sprintf(`,"uid":%q`, testSubject.UserID), ``),
		"uid in braces":                    claims(testSubject.UserID.String(), "{"+testSubject.UserID.String()+"}"),
		"uid in upper case":                claims(testSubject.UserID.String(), strings.ToUpper(testSubject.UserID.String())),
		"uid no UUID":                      claims(testSubject.UserID.String(), "1"),
		"two parts":                        parts[0] + "." + parts[1],
		"four parts":                       good + ".x",
		"five parts":                       good + ".x.y",
		"no signature":                     parts[0] + "." + parts[1] + ".",
		"truncated":                        good[:len(good)-1],
		"padded":                           good + "==",
		"the last character's unused bits": good[:len(good)-1] + nextSymbol(good[len(good)-1]),
		"a line feed in the signature":     good[:len(good)-5] + "\n" + good[len(good)-5:],
		"a line break in the claims":       parts[0] + "." + parts[1][:9] + "\r\n" + parts[1][9:] + "." + parts[2],
		"spaces":                           " " + good,
		"standard alphabet":                strings.NewReplacer("-", "+", "_", "/").Replace(good) + "+",
		"a nested token":                   forge(goodHeader(), `"`+good+`"`),
	}
	for name, token := range refused {
		if _, err := tokens.Check(token); !errors.Is(err, ErrInvalidToken) {
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
	tokens := newTokens(t)
	good := issue(t, tokens, testSubject)
	for i := range len(good) {
		for bit := range 8 {
			spoilt := []byte(good)
			spoilt[i] ^= 1 << bit
			if _, err := tokens.Check(string(spoilt)); !errors.Is(err, ErrInvalidToken) {
				t.Fatalf("byte %d, bit %d: got %v", i, bit, err)
			}
		}
	}
}

func TestB13_WeakKeysAndMissingOptions(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*TokenOptions){
		"no key":            func(o *TokenOptions) { o.Key = Secret{} },
		"31 bytes":          func(o *TokenOptions) { o.Key = NewSecret(testKey[:31]) },
		"one byte repeated": func(o *TokenOptions) { o.Key = NewSecret(strings.Repeat("a", 64)) },
		"a placeholder":     func(o *TokenOptions) { o.Key = NewSecret(placeholders[0]) },
		"algorithm none":    func(o *TokenOptions) { o.Algorithm = "none" },
		"no algorithm":      func(o *TokenOptions) { o.Algorithm = "" },
		"no issuer":         func(o *TokenOptions) { o.Issuer = "" },
		"no audience":       func(o *TokenOptions) { o.Audience = "" },
		"no time to live":   func(o *TokenOptions) { o.TTL = 0 },
		"no clock":          func(o *TokenOptions) { o.Now = nil },
	} {
		o := tokenOptions()
		change(&o)
		if _, err := NewTokens(o); err == nil {
			t.Errorf("%s was taken", name)
		} else if key := o.Key.Reveal(); key != "" && strings.Contains(err.Error(), key) {
			t.Errorf("%s: the error shows the key", name)
		}
	}
	newTokens(t, func(o *TokenOptions) { o.Key = NewSecret(testKey[:32]) })
}

func TestL8_TokensDiffer(t *testing.T) {
	t.Parallel()
	tokens, seen := newTokens(t), map[string]bool{}
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
	head, _, _ := strings.Cut(issue(t, newTokens(t), testSubject), ".")
	data, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got["alg"] != "HS256" || got["typ"] != "at+jwt" || len(got["kid"]) != 16 || strings.Contains(testKey, got["kid"]) {
		t.Errorf("got %v", got)
	}
}

func BenchmarkTokenIssue(b *testing.B) {
	tokens := newTokens(b)
	b.ReportAllocs()
	for b.Loop() {
		issue(b, tokens, testSubject)
	}
}

func BenchmarkTokenCheck(b *testing.B) {
	tokens := newTokens(b)
	token := issue(b, tokens, testSubject)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tokens.Check(token); err != nil {
			b.Fatal(err)
		}
	}
}

// No reason repeats what the token says, and nothing is read before the signature is verified.
func TestReasonsRepeatNothing(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t)
	for _, claims := range []string{`{"exp":"CANARY"}`, `{"exp":{"CANARY":1}}`, `{"exp":1e99987}`, `{"iss":"CANARY"}`, `{"CANARY":`} {
		signed := forge(goodHeader(), claims)
		for _, token := range []string{signed, signed[:strings.LastIndex(signed, ".")+1] + "AAAA"} {
			_, err := tokens.Check(token)
			if !errors.Is(err, ErrInvalidToken) || strings.Contains(err.Error(), "CANARY") || strings.Contains(err.Error(), "99987") {
				t.Errorf("%s: %v", claims, err)
			}
			if token != signed && !errors.Is(err, errTokenSignature) {
				t.Errorf("%s, unsigned: %v", claims, err)
			}
		}
	}
	for _, extra := range []string{`"\u017fub":"eve","sub":`, `"i\u017f\u017f":"latchkey","sub":`} {
		if _, err := tokens.Check(forge(goodHeader(), replaced(goodClaims(), `"sub":`, extra))); !errors.Is(err, errTokenClaims) {
			t.Errorf("%s: %v", extra, err)
		}
	}
}

func TestB13_GuessableKeys(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"changeme-changeme-changeme-changeme", "your-super-secret-jwt-token-with-at-least-32-characters-long",
		"0123456789012345678901234567890123456789", "YOUR-256-BIT-SECRET-your-256-bit-secret", "your-256-bit-secret-your-256-bit",
		"django-insecure-abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz0123456789", strings.Repeat("s3cr3tkey", 5),
	} {
		if CheckKey(NewSecret(key)) == nil {
			t.Errorf("%q was taken", key)
		}
	}
}
