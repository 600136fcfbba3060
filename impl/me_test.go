package impl_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/auth/keyring"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// refusal is what a 401 of /api/users/me/ contains.
type refusal struct{ detail, code, challenge string }

var (
	notAuthenticated = refusal{"Not authenticated", "not_authenticated", "Bearer"}
	badToken         = refusal{"Could not validate token credentials.", "invalid_token", `Bearer error="invalid_token"`}
	userGone         = refusal{"No authenticated user.", "user_not_found", `Bearer error="invalid_token"`}
	userInactive     = refusal{"Not an active user.", "user_inactive", `Bearer error="invalid_token"`}
	staleSession     = refusal{
		"The session has to prove again who its user is.", "reauthentication_required",
		`Bearer error="insufficient_user_authentication", max_age="300"`,
	}
)

func wantRefusal(t *testing.T, a impltest.Answer, want refusal) {
	t.Helper()
	got := refusal{a.Text("detail"), a.Text("code"), a.Header.Get("WWW-Authenticate")}
	if a.Status != 401 || got != want {
		t.Errorf("got %d %+v, want 401 %+v", a.Status, got, want)
	}
}

func TestB1_NoUsableHeader(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")

	t.Run("no header", func(t *testing.T) {
		t.Parallel()
		wantRefusal(t, h.Do(t, h.Request("GET", impltest.MePath, "")), notAuthenticated)
	})
	for _, prefix := range []string{"", "value", "Token", "JWT", "Swearer", "Basic", "Bearer\t" + token} {
		t.Run("prefix "+prefix, func(t *testing.T) {
			t.Parallel()
			r := h.Request("GET", impltest.MePath, "", "Authorization", strings.TrimSpace(prefix+" "+token))
			wantRefusal(t, h.Do(t, r), notAuthenticated)
		})
	}
	t.Run("token in the query", func(t *testing.T) {
		t.Parallel()
		wantRefusal(t, h.Do(t, h.Request("GET", impltest.MePath+"?access_token="+token, "")), notAuthenticated)
	})
}

func TestB3_OneMethodOnly(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	a := h.Do(t, h.Request("GET", impltest.MePath+"?access_token="+token, "", "Authorization", "Bearer "+token))
	if a.Status != 400 || a.Header.Get("WWW-Authenticate") != `Bearer error="invalid_request"` {
		t.Errorf("got %d %v", a.Status, a.Header)
	}
}

func TestB4_SchemeAndRepeatedHeaders(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	for _, header := range []string{"Bearer " + token, "bearer " + token, "BEARER " + token, "Bearer  " + token} {
		if a := h.Do(t, h.Request("GET", impltest.MePath, "", "Authorization", header)); a.Status != 200 {
			t.Errorf("%.8s: got %d", header, a.Status)
		}
	}
	twice := h.Request("GET", impltest.MePath, "", "Authorization", "Bearer "+token, "Authorization", "Bearer "+token)
	wantRefusal(t, h.Do(t, twice), notAuthenticated)
}

// goodClaims returns the claims of a good token, which a test then spoils.
func goodClaims(h *impltest.Harness, uid, sid any) jwt.MapClaims {
	now := h.Clock.Now().Unix()
	return jwt.MapClaims{
		"iss": "latchkey", "aud": "latchkey:auth", "iat": now, "exp": now + 900, "jti": uuid.NewString(),
		"sub": "ada@example.com", "username": "ada", "uid": uid, "sid": sid,
	}
}

func headerOf(t *testing.T, token string) map[string]any {
	t.Helper()
	return decodePart(t, token, 0)
}

func decodePart(t *testing.T, token string, part int) map[string]any {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[part])
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func sign(t *testing.T, method jwt.SigningMethod, header, claims map[string]any, key any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, jwt.MapClaims(claims))
	for name, value := range header {
		token.Header[name] = value
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestB2_BadTokens(t *testing.T) {
	t.Parallel()
	for _, algorithm := range keyring.Algorithms {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			testBadTokens(t, impltest.New(t, impltest.Options{Algorithm: algorithm}))
		})
	}
}

func testBadTokens(t *testing.T, h *impltest.Harness) {
	issued := h.MustRegister(t, "ada")
	header, key := headerOf(t, issued), h.SigningKey(t)
	uid, sid := decodePart(t, issued, 1)["uid"], decodePart(t, issued, 1)["sid"]
	now := h.Clock.Now().Unix()

	spoil := func(f func(header, claims map[string]any)) string {
		header, claims := map[string]any{"typ": header["typ"], "kid": header["kid"]}, goodClaims(h, uid, sid)
		f(header, claims)
		return sign(t, key.Method, header, claims, key.Key)
	}
	if a := h.Me(t, spoil(func(_, _ map[string]any) {})); a.Status != 200 {
		t.Fatalf("the unspoilt token got %d %s", a.Status, a.Body)
	}
	none := sign(t, jwt.SigningMethodNone, header, goodClaims(h, uid, sid), jwt.UnsafeAllowNoneSignatureType)
	secret := []byte(impltest.SecretKey)
	rows := map[string]string{
		"asdf":  "asdf",
		"empty": "",
		"wrong secret": sign(
			t,
			jwt.SigningMethodHS256,
			header,
			goodClaims(h, uid, sid),
			[]byte(strings.Repeat("wrong", 10)),
		),
		"expired":           spoil(func(_, c map[string]any) { c["iat"], c["exp"] = now-931, now-31 }),
		"not yet valid":     spoil(func(_, c map[string]any) { c["nbf"] = now + 31 }),
		"issued ahead":      spoil(func(_, c map[string]any) { c["iat"] = now + 31 }),
		"wrong audience":    spoil(func(_, c map[string]any) { c["aud"] = "latchkey:other" }),
		"no audience":       spoil(func(_, c map[string]any) { delete(c, "aud") }),
		"wrong issuer":      spoil(func(_, c map[string]any) { c["iss"] = "latchkey/" }),
		"alg none":          none,
		"unknown kid":       spoil(func(h, _ map[string]any) { h["kid"] = "other" }),
		"kid as a path":     spoil(func(h, _ map[string]any) { h["kid"] = "../../dev/null" }),
		"kid as SQL":        spoil(func(h, _ map[string]any) { h["kid"] = "' OR 1=1--" }),
		"another algorithm": sign(t, jwt.SigningMethodHS512, header, goodClaims(h, uid, sid), secret),
		"without exp":       spoil(func(_, c map[string]any) { delete(c, "exp") }),
		"typ JWT":           spoil(func(h, _ map[string]any) { h["typ"] = "JWT" }),
		"crit":              spoil(func(h, _ map[string]any) { h["crit"] = []string{"exp2"}; h["exp2"] = 1 }),
		"jku": spoil(
			func(h, _ map[string]any) { h["jku"], h["x5u"] = "http://127.0.0.1:9/", "http://127.0.0.1:9/" },
		),
		"uid of no user, as text": spoil(func(_, c map[string]any) { c["uid"] = "1" }),
		"no session":              spoil(func(_, c map[string]any) { delete(c, "sid") }),
		"sid of no session":       spoil(func(_, c map[string]any) { c["sid"] = uuid.NewString() }),
		"two parts":               issued[:strings.LastIndex(issued, ".")],
		"spaces inside":           issued[:10] + " " + issued[10:],
		"quoted":                  `"` + issued + `"`,
		"padded":                  issued + "==",
		"9 kB":                    issued + strings.Repeat("A", 9<<10),
		"dots":                    strings.Repeat(".", 8<<10),
	}
	if key.Method != jwt.SigningMethodHS256 {
		// The secret key signs only if the settings say so.
		rows["HS256 with the secret key"] = sign(t, jwt.SigningMethodHS256, header, goodClaims(h, uid, sid), secret)
	}
	for name, token := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRefusal(t, h.Me(t, token), badToken)
		})
	}
}

func TestB9_Leeway(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	h.Clock.Advance(15*time.Minute + 29*time.Second)
	if a := h.Me(t, token); a.Status != 200 {
		t.Errorf("29 s after exp: got %d", a.Status)
	}
	h.Clock.Advance(2 * time.Second)
	wantRefusal(t, h.Me(t, token), badToken)
}

func TestB8_ClaimsMatchTheContract(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	tokens := []string{
		h.MustRegister(t, "ada"),
		h.Login(t, "username", "ada@example.com", "password", impltest.Password).Text("access_token"),
	}
	schema := impltest.Contract().Components.Schemas["AccessTokenClaims"].Value
	for _, token := range tokens {
		claims := decodePart(t, token, 1)
		err := schema.VisitJSON(
			claims,
			openapi3.EnableFormatValidation(),
			openapi3.WithStringFormatValidator("uuid", anyUUID{}),
		)
		if err != nil {
			t.Errorf("claims %v: %v", claims, err)
		}
		header := headerOf(t, token)
		if header["typ"] != "at+jwt" || header["alg"] != "ES256" || header["kid"] == "" || len(header) != 3 {
			t.Errorf("header %v", header)
		}
		me := h.Me(t, token)
		if claims["uid"] != me.Text("id") || claims["sub"] != me.Text("email") || claims["username"] != me.Text("username") {
			t.Errorf("claims %v of %s", claims, me.Body)
		}
	}
}

type anyUUID struct{}

func (anyUUID) Validate(s string) error {
	_, err := uuid.Parse(s)
	return err
}

// The uid identifies the user: not the email, which may pass to another user, and not the name.
func TestB14_IdentityIsTheUID(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	if _, err := h.Pool.Exec(
		t.Context(),
		"UPDATE users SET username = 'grace', username_key = 'grace', email = 'grace@example.com', email_key = 'grace@example.com'",
	); err != nil {
		t.Fatal(err)
	}
	if a := h.Me(t, token); a.Status != 200 || a.Text("username") != "grace" || a.Text("email") != "grace@example.com" {
		t.Errorf("after the change of names: got %d %s", a.Status, a.Body)
	}
	stranger := h.MustRegister(t, "ada")
	if _, err := h.Pool.Exec(t.Context(), "DELETE FROM users WHERE username = 'grace'"); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, h.Me(t, token), userGone)
	if a := h.Me(t, stranger); a.Status != 200 || a.Text("username") != "ada" {
		t.Errorf("the new owner of the names: got %d %s", a.Status, a.Body)
	}
}

// Parallel requests share a statement, and each still gets its own user.
func TestLookupsAtOnce(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	const users, each = 32, 20
	var wg sync.WaitGroup
	for u := range users {
		name := fmt.Sprintf("user%d", u)
		token := h.MustRegister(t, name)
		for range 2 {
			wg.Go(func() {
				for range each {
					a, err := h.Try(t, h.Request("GET", impltest.MePath, "", "Authorization", "Bearer "+token))
					if err != nil || a.Status != 200 || a.Text("username") != name {
						t.Errorf("%s: got %d %s, %v", name, a.Status, a.Body, err)
					}
				}
			})
		}
	}
	wg.Wait()
}

// The cache of good tokens is bound to the text of the token and to the time, and has nothing of
// the user.
func TestB7_RememberedTokens(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	for range 2 {
		if a := h.Me(t, token); a.Status != 200 {
			t.Fatalf("got %d %s", a.Status, a.Body)
		}
	}
	for i := range 20 {
		at := len(token) - 1 - i
		other := byte('A')
		if token[at] == other {
			other = 'B'
		}
		forged := token[:at] + string(other) + token[at+1:]
		if a := h.Me(t, forged); a.Status != 401 || a.Text("code") != "invalid_token" {
			t.Errorf("with its character %d changed: got %d %s", at, a.Status, a.Body)
		}
	}
	h.Clock.Advance(15*time.Minute + 31*time.Second)
	if a := h.Me(t, token); a.Status != 401 {
		t.Errorf("expired: got %d", a.Status)
	}
	h.Clock.Advance(-15 * time.Minute)
	if a := h.Me(t, token); a.Status != 200 {
		t.Errorf("the clock set back: got %d", a.Status)
	}
	h.Clock.Advance(-24 * time.Hour)
	if a := h.Me(t, token); a.Status != 401 {
		t.Errorf("issued tomorrow: got %d", a.Status)
	}
}
