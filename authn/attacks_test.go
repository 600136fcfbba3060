package authn_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/latchkey-auth/latchkey/authn"
)

// attack is a server, its key, and the ways to spoil a token that it signed.
type attack struct {
	*signer
	server *server
	good   string
	parts  []string
}

func newAttack(s *server, signer *signer) attack {
	good := signer.sign(s.header(*signer), goodClaims())
	return attack{signer, s, good, strings.Split(good, ".")}
}

func (a attack) header(old, other string) string {
	return a.sign(replaced(a.server.header(*a.signer), old, other), goodClaims())
}

func (a attack) claims(old, other string) string {
	return a.sign(a.server.header(*a.signer), replaced(goodClaims(), old, other))
}

// unsigned has no signature at all.
func (a attack) unsigned(alg string) string {
	return b64([]byte(replaced(a.server.header(*a.signer), a.alg, alg))) + "." + a.parts[1] + "."
}

// signedWith is signed in another way, and says so where alg does.
func (a attack) signedWith(alg string, method jwt.SigningMethod, key any) string {
	signed := b64([]byte(replaced(a.server.header(*a.signer), a.alg, alg))) + "." + a.parts[1]
	return signed + "." + b64(must(method.Sign(signed, key)))
}

func (a attack) signature(sig []byte) string { return a.parts[0] + "." + a.parts[1] + "." + b64(sig) }

func (a attack) publicPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(a.private.Public()))})
}

func TestAttacks(t *testing.T) {
	t.Parallel()
	all := signers()
	elsewhere := newServer(t, newES256("es"), newEdDSA("ed"), newRS256("rs")) // an attacker's, with keys of the same ids
	for i := range all {
		t.Run(all[i].alg, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, all...)
			a := newAttack(s, &all[i])
			v := s.verifier()
			for name, token := range accepted(a) {
				if _, err := v.Verify(t.Context(), token); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			for _, table := range []map[string]string{badSignatures(a, all), badHeaders(a, elsewhere.url), badClaims(a), badForms(a)} {
				for name, token := range table {
					wantInvalid(t, v, name, token)
				}
			}
		})
	}
	t.Cleanup(func() { // when all of them have run
		if got := elsewhere.requests(); len(got) > 0 {
			t.Errorf("the attacker's server was asked for %v", got)
		}
	})
}

func wantInvalid(t *testing.T, v *authn.Verifier, name, token string) {
	t.Helper()
	claims, err := v.Verify(t.Context(), token)
	if !errors.Is(err, authn.ErrInvalidToken) || claims != (authn.Claims{}) {
		t.Errorf("%s: got %+v, %v", name, claims, err)
	} else if len(token) > 20 && strings.Contains(err.Error(), token[:20]) {
		t.Errorf("%s: the error repeats the token: %v", name, err)
	}
}

func accepted(a attack) map[string]string {
	now := testNow.Unix()
	iat, exp := fmt.Sprintf(`"iat":%d`, now), fmt.Sprintf(`"exp":%d`, now+900)
	return map[string]string{
		"as it is":                    a.good,
		"typ with application/":       a.header(`at+jwt`, `application/at+jwt`),
		"typ in upper case":           a.header(`at+jwt`, `AT+JWT`),
		"typ in both":                 a.header(`at+jwt`, `Application/AT+jwt`),
		"aud among others":            a.claims(`"aud":"latchkey:auth"`, `"aud":["other","latchkey:auth"]`),
		"aud a list of one":           a.claims(`"aud":"latchkey:auth"`, `"aud":["latchkey:auth"]`),
		"exp with a fraction":         a.claims(exp, exp+".9"),
		"exp in the leeway":           a.claims(exp, fmt.Sprintf(`"exp":%d`, now-29)),
		"iat in the leeway":           a.claims(iat, fmt.Sprintf(`"iat":%d`, now+30)),
		"nbf in the leeway":           a.claims(iat, iat+fmt.Sprintf(`,"nbf":%d`, now+30)),
		"nbf in the past":             a.claims(iat, iat+fmt.Sprintf(`,"nbf":%d`, now-1)),
		"a claim of a later release":  a.claims(iat, iat+`,"scope":"openid"`),
		"one with a name like no one": a.claims(iat, iat+`,"Scope":"openid"`),
	}
}

// RFC 8725 section 2.1: the signature is another's, of another kind, or not there.
func badSignatures(a attack, all []signer) map[string]string {
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	p521 := must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	es, ed, rs := newES256(a.kid), newEdDSA(a.kid), rsaKey()
	table := map[string]string{
		"HS256 by the PEM":               a.signedWith("HS256", jwt.SigningMethodHS256, a.publicPEM()),
		"HS256 by the PEM, trimmed":      a.signedWith("HS256", jwt.SigningMethodHS256, []byte(strings.TrimSpace(string(a.publicPEM())))),
		"HS256 by the JWK":               a.signedWith("HS256", jwt.SigningMethodHS256, must(json.Marshal(a.jwk()))),
		"HS256 by nothing":               a.signedWith("HS256", jwt.SigningMethodHS256, []byte{}),
		"HMAC in place of the signature": a.signedWith(a.alg, jwt.SigningMethodHS256, a.publicPEM()),
		"another ES256 key":              a.signedWith(a.alg, jwt.SigningMethodES256, es.private),
		"another EdDSA key":              a.signedWith(a.alg, jwt.SigningMethodEdDSA, ed.private),
		"another curve, ES384":           a.signedWith("ES384", jwt.SigningMethodES384, p384),
		"another curve, ES512":           a.signedWith("ES512", jwt.SigningMethodES512, p521),
		"another curve's signature":      a.signedWith(a.alg, jwt.SigningMethodES384, p384),
		"PS256":                          a.signedWith("PS256", jwt.SigningMethodPS256, rs),
		"PSS in place of PKCS #1 v1.5":   a.signedWith(a.alg, jwt.SigningMethodPS256, rs),
		"RS384":                          a.signedWith("RS384", jwt.SigningMethodRS384, rs),
		"RS512 in place of RS256":        a.signedWith(a.alg, jwt.SigningMethodRS512, rs),
		"zeros":                          a.signature(make([]byte, 64)),
		"zeros, 256":                     a.signature(make([]byte, 256)),
		"one byte":                       a.signature([]byte{0}),
		"ES256 in DER form":              a.signature(derSignature(a)),
		"the claims of another token":    a.parts[0] + "." + strings.Split(a.claims("ada@", "eve@"), ".")[1] + "." + a.parts[2],
		"the header of another token":    strings.Split(a.header("at+jwt", "AT+JWT"), ".")[0] + "." + a.parts[1] + "." + a.parts[2],
	}
	for _, alg := range []string{"none", "None", "nOnE", "NONE", "none ", " none", "", "null"} {
		table["alg none, as "+alg] = a.unsigned(alg)
		table["alg none, signed, as "+alg] = a.header(a.alg, alg)
	}
	for _, other := range all {
		if other.alg != a.alg {
			table["the alg of another key, "+other.alg] = a.header(a.alg, other.alg)
			table["the kid of another key, "+other.alg] = a.header(a.kid, other.kid)
			table["another key's signature, "+other.alg] = a.signedWith(a.alg, other.method, other.private)
			table["another key's signature and alg, "+other.alg] = a.signedWith(other.alg, other.method, other.private)
		}
	}
	return table
}

// derSignature is the right signature of the ES256 key, in ASN.1.
func derSignature(a attack) []byte {
	key, ok := a.private.(*ecdsa.PrivateKey)
	if !ok {
		return must(asn1.Marshal([]*big.Int{big.NewInt(1), big.NewInt(1)}))
	}
	raw := must(jwt.SigningMethodES256.Sign(a.parts[0]+"."+a.parts[1], key))
	return must(asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])}))
}

// RFC 8725 sections 2.1, 2.9 and 2.10, RFC 7515 section 4.1. Each is signed with the right key.
func badHeaders(a attack, elsewhere string) map[string]string {
	kid := fmt.Sprintf(`"kid":%q`, a.kid)
	embedded := string(must(json.Marshal(a.jwk())))
	return map[string]string{
		"alg lower case":    a.header(a.alg, strings.ToLower(a.alg)),
		"alg missing":       a.header(fmt.Sprintf(`"alg":%q,`, a.alg), ``),
		"alg null":          a.header(fmt.Sprintf(`"alg":%q`, a.alg), `"alg":null`),
		"alg a list":        a.header(fmt.Sprintf(`"alg":%q`, a.alg), fmt.Sprintf(`"alg":[%q]`, a.alg)),
		"alg twice":         a.header(`{`, `{"alg":"none",`),
		"alg twice, same":   a.header(`{`, fmt.Sprintf(`{"alg":%q,`, a.alg)),
		"alg twice, hidden": a.header(`{`, `{"\u0061lg":"none",`),
		"ALG beside":        a.header(`{`, `{"ALG":"none",`),
		"Alg in its place":  a.header(`"alg"`, `"Alg"`),
		"crit unknown":      a.header(`{`, `{"crit":["exp2"],"exp2":1,`),
		"crit empty":        a.header(`{`, `{"crit":[],`),
		"crit of exp":       a.header(`{`, `{"crit":["exp"],`),
		"b64 false":         a.header(`{`, `{"crit":["b64"],"b64":false,`),
		"jku":               a.header(`{`, fmt.Sprintf(`{"jku":%q,`, elsewhere+keysPath)),
		"jku without kid":   a.header(kid, fmt.Sprintf(`"jku":%q`, elsewhere+keysPath)),
		"x5u":               a.header(`{`, fmt.Sprintf(`{"x5u":%q,`, elsewhere+"/x")),
		"jwk":               a.header(`{`, fmt.Sprintf(`{"jwk":%s,`, embedded)),
		"x5c":               a.header(`{`, `{"x5c":["AAAA"],`),
		"x5t":               a.header(`{`, `{"x5t":"AAAA",`),
		"cty":               a.header(`{`, `{"cty":"JWT",`),
		"zip":               a.header(`{`, `{"zip":"DEF",`),
		"typ JWT":           a.header(`at+jwt`, `JWT`),
		"typ refresh":       a.header(`at+jwt`, `refresh+jwt`),
		"typ twice over":    a.header(`at+jwt`, `application/application/at+jwt`),
		"typ with a space":  a.header(`at+jwt`, ` at+jwt`),
		"typ absent":        a.header(`,"typ":"at+jwt"`, ``),
		"typ a number":      a.header(`"at+jwt"`, `1`),
		"kid unknown":       a.header(kid, `"kid":"unknown"`),
		"kid a path":        a.header(kid, `"kid":"../../../../dev/null"`),
		"kid SQL":           a.header(kid, `"kid":"' UNION SELECT 'x'--"`),
		"kid a URL":         a.header(kid, fmt.Sprintf(`"kid":%q`, elsewhere+keysPath)),
		"kid with NUL":      a.header(kid, fmt.Sprintf(`"kid":"%s\u0000"`, a.kid)),
		"kid upper case":    a.header(kid, fmt.Sprintf(`"kid":%q`, strings.ToUpper(a.kid))),
		"kid absent":        a.header(kid+`,`, ``),
		"kid empty":         a.header(kid, `"kid":""`),
		"kid a list":        a.header(kid, fmt.Sprintf(`"kid":[%q]`, a.kid)),
		"null":              a.sign(`null`, goodClaims()),
		"a list":            a.sign(`["`+a.alg+`"]`, goodClaims()),
		"empty object":      a.sign(`{}`, goodClaims()),
		"no JSON":           a.sign(`{`, goodClaims()),
		"then more":         a.sign(a.server.header(*a.signer)+`{}`, goodClaims()),
		"with a BOM":        a.sign("\ufeff"+a.server.header(*a.signer), goodClaims()),
	}
}

// RFC 7519 section 4.1, RFC 8725 sections 3.8, 3.9 and 3.12. Each is signed with the right key.
func badClaims(a attack) map[string]string {
	now := testNow.Unix()
	iat, exp := fmt.Sprintf(`"iat":%d`, now), fmt.Sprintf(`"exp":%d`, now+900)
	aud, header := `"aud":"latchkey:auth"`, a.server.header(*a.signer)
	table := map[string]string{
		"null":                   a.sign(header, `null`),
		"a text":                 a.sign(header, `"x"`),
		"then more":              a.sign(header, goodClaims()+`{}`),
		"with a BOM":             a.sign(header, "\ufeff"+goodClaims()),
		"a nested token":         a.sign(header, a.good),
		"a nested token, quoted": a.sign(header, `"`+a.good+`"`),
		"sub twice":              a.claims(`"sub":`, `"sub":"eve@example.com","sub":`),
		"exp twice":              a.claims(exp, fmt.Sprintf(`"exp":%d,%s`, now-60, exp)),
		"uid twice, hidden":      a.claims(`"uid":`, `"\u0075id":"01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e92","uid":`),
		"an unknown one twice":   a.claims(iat, iat+`,"x":1,"x":2`),
		"EXP beside an old exp":  a.claims(exp, fmt.Sprintf(`"exp":%d,"EXP":%d`, now-60, now+900)),
		"EXP in its place":       a.claims(`"exp"`, `"EXP"`),
		"Aud beside":             a.claims(iat, iat+`,"Aud":"latchkey:auth"`),
		"Sid beside":             a.claims(iat, iat+`,"Sid":"x"`),
		"expired":                a.claims(exp, fmt.Sprintf(`"exp":%d`, now-31)),
		"expired, by a fraction": a.claims(exp, fmt.Sprintf(`"exp":%d.9`, now-30)),
		"iat ahead":              a.claims(iat, fmt.Sprintf(`"iat":%d`, now+31)),
		"nbf ahead":              a.claims(iat, iat+fmt.Sprintf(`,"nbf":%d`, now+31)),
		"iat ahead, nbf past":    a.claims(iat, fmt.Sprintf(`"iat":%d,"nbf":%d`, now+31, now)),
		"nbf null":               a.claims(iat, iat+`,"nbf":null`),
		"nbf a string":           a.claims(iat, iat+fmt.Sprintf(`,"nbf":"%d"`, now)),
		"iss wrong":              a.claims(`"iss":"latchkey"`, `"iss":"other"`),
		"iss with a slash":       a.claims(`"iss":"latchkey"`, `"iss":"latchkey/"`),
		"iss a list":             a.claims(`"iss":"latchkey"`, `"iss":["latchkey"]`),
		"aud wrong":              a.claims(aud, `"aud":"latchkey:other"`),
		"aud empty":              a.claims(aud, `"aud":[]`),
		"aud without ours":       a.claims(aud, `"aud":["other","another"]`),
		"aud of numbers":         a.claims(aud, `"aud":["latchkey:auth",1]`),
		"aud an object":          a.claims(aud, `"aud":{"latchkey:auth":1}`),
		"sub invalid UTF-8":      a.claims(`ada@example.com`, "ada\xff@example.com"),
		"sub a lone surrogate":   a.claims(`ada@example.com`, `\ud800`),
	}
	for _, value := range []string{`null`, `"%d"`, `[%d]`, `{}`, `true`, `0`, `-1`, `-%d`, `0.5`, `9223372036854775808`, `253402300800`, `1e30`, `1e300`, `1e999`, `+%d`, `0x7fffffff`, `NaN`} {
		if strings.Contains(value, "%d") {
			value = fmt.Sprintf(value, now+900)
		}
		table["exp "+value] = a.claims(exp, `"exp":`+value)
		table["iat "+value] = a.claims(iat, `"iat":`+value)
	}
	for _, claim := range []string{iat, exp, aud, `"iss":"latchkey"`, `"jti":"0123456789abcdef"`, `"sub":"ada@example.com"`, `"username":"ada"`, fmt.Sprintf(`"uid":%q`, testUser), fmt.Sprintf(`"sid":%q`, testSession)} {
		name := claim[:strings.IndexByte(claim, ':')]
		table[name+" missing"] = a.claims(claim, `"other":1`)
		table[name+" null"] = a.claims(claim, name+`:null`)
		table[name+" empty"] = a.claims(claim, name+`:""`)
		table[name+" an object"] = a.claims(claim, name+`:{}`)
	}
	for name, id := range map[string]string{"uid": testUser, "sid": testSession} {
		for _, other := range []string{"1", "{" + id + "}", strings.ToUpper(id), strings.ReplaceAll(id, "-", ""), "urn:uuid:" + id, id + `\n`, id[:35] + "g", "00000000-0000-0000-0000-000000000000"} {
			table[name+" "+other] = a.claims(id, other)
		}
	}
	return table
}
