package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	neturl "net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/latchkey-auth/latchkey/authn/authntest"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

const fastAPIPage = "docs/fastapi.md"

// fastAPI writes the files of docs/fastapi.md, for a server at a URL.
func fastAPI(t *testing.T, url string) *document {
	t.Helper()
	for _, file := range installed[fastAPIPage] {
		impltest.Installed(t, file)
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, fastAPIPage))
	if err != nil {
		t.Fatal(err)
	}
	d := &document{root: root, dir: openFolder(t), metrics: freeAddr(t), api: freeAddr(t), url: url}
	for _, block := range codeBlock.FindAllStringSubmatch(string(text), -1) {
		if block[1] == "python" && !d.write(t, block[2]) {
			t.Fatalf("this block is no file: %s", block[2])
		}
	}
	if err := os.CopyFS(d.dir, os.DirFS("testdata/fastapi")); err != nil {
		t.Fatal(err)
	}
	return d
}

// ordersWith asks the application for the orders, with the Authorization headers.
func ordersWith(t *testing.T, d *document, authorization ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequest("GET", "http://"+d.api+"/orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header["Authorization"] = authorization
	req.Header.Set("Origin", "http://127.0.0.1:5173")
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if got := res.Header.Get("Access-Control-Allow-Origin"); got != "http://127.0.0.1:5173" {
		t.Errorf("%q: a page can't read the %s: %q", authorization, res.Status, got)
	}
	return res
}

// The application of docs/fastapi.md accepts the server's tokens, and no others.
func TestFastAPI(t *testing.T) {
	t.Parallel()
	const docsOrigin = "http://127.0.0.1:8080"
	_, url := serve(t, openFolder(t), onDatabase(postgrestest.NewEmpty(t), "LATCHKEY_CORS_ORIGINS="+docsOrigin))
	registered, err := register(url, "ada@example.com", "ada", impltest.Password)
	if err != nil {
		t.Fatal(err)
	}
	good := registered.token()
	want := func(d *document, name, authorization string, status int, challenge string) {
		t.Helper()
		res := ordersWith(t, d, authorization)
		if res.StatusCode != status || res.Header.Get("WWW-Authenticate") != challenge {
			t.Errorf("%s: got %s, %q; want %d, %q", name, res.Status, res.Header.Get("WWW-Authenticate"), status, challenge)
		}
	}

	d := fastAPI(t, url)
	d.serveAPI(t, "uvicorn main:app --port 8080\n")
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER "} {
		body, err := io.ReadAll(ordersWith(t, d, scheme+good).Body)
		if err != nil || string(body) != `{"username":"ada","orders":[]}` {
			t.Errorf("%s: %s %v", scheme, body, err)
		}
	}
	for name, authorization := range map[string]string{"nothing": "", "another scheme": "Basic " + good, "none": good} {
		want(d, name, authorization, 401, "Bearer")
	}

	for name, token := range forgeries(t, url, good) {
		want(d, name, "Bearer "+token, 401, `Bearer error="invalid_token"`)
	}
	checkAuthorize(t, d, docsOrigin)
	d.serveAPI(t, "uvicorn fastapi_late:app --port 8080\n")
	want(d, "expired", "Bearer "+good, 401, `Bearer error="invalid_token"`)

	down := fastAPI(t, "http://"+freeAddr(t))
	down.serveAPI(t, "uvicorn main:app --port 8080\n")
	res := ordersWith(t, down, "Bearer "+good)
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "1" {
		t.Errorf("while the server is down: %s %v", res.Status, res.Header)
	}
	want(down, "a text that needs no key, while the server is down", "Bearer x", 401, `Bearer error="invalid_token"`)
}

// checkAuthorize checks that Authorize in FastAPI's documentation can log in: its request is that
// of Swagger UI, to the address in the application's own contract.
func checkAuthorize(t *testing.T, d *document, origin string) {
	t.Helper()
	res, err := client.Get("http://" + d.api + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var contract struct {
		Components struct {
			SecuritySchemes map[string]struct {
				Flows struct{ Password struct{ TokenURL string } }
			}
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&contract); err != nil {
		t.Fatal(err)
	}
	address := contract.Components.SecuritySchemes["OAuth2PasswordBearer"].Flows.Password.TokenURL
	form := neturl.Values{"grant_type": {"password"}, "username": {"ada@example.com"}, "password": {impltest.Password}}
	req, err := http.NewRequest("POST", address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Basic Og==") // an empty client
	req.Header.Set("Origin", origin)
	login, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = login.Body.Close() }()
	if login.StatusCode != http.StatusOK || login.Header.Get("Access-Control-Allow-Origin") != origin {
		t.Errorf("Authorize gets %s %v from %s", login.Status, login.Header, address)
	}
}

// forgeries returns changes of a token, by name: without a signature, and with signatures that
// others can make.
func forgeries(t *testing.T, url, good string) map[string]string {
	t.Helper()
	res, err := client.Get(url + "/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var set struct {
		Keys []struct{ Kid, X, Y string }
	}
	if err := json.NewDecoder(res.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	key := set.Keys[0]
	point := []byte{4} // uncompressed
	for _, coordinate := range []string{key.X, key.Y} {
		data, err := base64.RawURLEncoding.DecodeString(coordinate)
		if err != nil {
			t.Fatal(err)
		}
		point = append(point, data...)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	signed := func(alg string, method jwt.SigningMethod, secret any) string {
		header := fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"at+jwt"}`, alg, key.Kid)
		text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + parts[1]
		signature, err := method.Sign(text, secret)
		if err != nil {
			t.Fatal(err)
		}
		return text + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	none := signed("none", jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType)
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return map[string]string{
		"alg none":                   none,
		"alg none, with a signature": none + parts[2],
		"HS256 by the PEM":           signed("HS256", jwt.SigningMethodHS256, text),
		"HS256 by the PEM, trimmed":  signed("HS256", jwt.SigningMethodHS256, bytes.TrimSpace(text)),
		"another key":                signed("ES256", jwt.SigningMethodES256, ecKey(t)),
		"a header of nested lists":   base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("[", 2500))) + ".e30.AA",
	}
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// lenient are the tokens of authntest that the page's code accepts, although authn refuses them, by
// the beginnings of their names. PyJWT reads JSON as Python does, and asks little of a claim. Only
// the server could sign such tokens; it doesn't. The one with other unused bits says the same as
// the token that it was made of.
var lenient = regexp.MustCompile(`^(an unused bit|unused bits|(claims|header) with a BOM|` +
	`alg twice|an unknown one twice|exp twice|sid twice|sub twice|uid twice|` +
	`Aud beside|Sid beside|iss with long s|sub with a long s|sub a lone surrogate|` +
	`(sid|uid) (a|in|of|with|without) |exp ("|[0-9]e3|253402300800|9223372036854775808)|` +
	`iat (true|0|0.5|-1|-1767606300)$|nbf a string)`)

// stricter are the tokens that only the page's code refuses. The server doesn't write them.
var stricter = regexp.MustCompile(`^typ `)

// The code of docs/fastapi.md decides on each token as authn does, save for the exceptions above.
// It fetches the keys as seldom as it says.
func TestFastAPITokens(t *testing.T) {
	t.Parallel()
	key := ecKey(t)
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	jwk := fmt.Sprintf(`{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"es","x":%q,"y":%q}`,
		base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:]))
	var fetches atomic.Int32
	var body atomic.Value
	body.Store("{")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		_, _ = io.WriteString(w, body.Load().(string)) //nolint:forcetypeassert // a string was stored
	}))
	t.Cleanup(server.Close)
	tokens := authntest.Signer{
		Algorithm: "ES256", KeyID: "es", JWK: jwk, Elsewhere: "http://127.0.0.1:1",
		Sign: func(text string) []byte {
			signature, err := jwt.SigningMethodES256.Sign(text, key)
			if err != nil {
				t.Error(err)
			}
			return signature
		},
	}
	ask := fastAPIChecker(t, fastAPI(t, server.URL))
	want := func(when string, at int64, token, status string, fetched int32) {
		t.Helper()
		if got := ask(at, token); got != status || fetches.Load() != fetched {
			t.Errorf("%s: got %s after %d fetches, want %s after %d", when, got, fetches.Load(), status, fetched)
		}
	}
	now := authntest.Now.Unix()
	good, unknown := tokens.Good(), tokens.Refused()["kid unknown"]

	want("the first answer is no JSON", now-2, good, "503", 1)
	body.Store(`{"keys":[]}`)
	want("at once", now-2, good, "503", 1)
	want("a second later, without a key", now-1, good, "503", 2)
	body.Store(`{"keys":[` + jwk + `]}`)
	want("two seconds later", now, good, "200", 3)
	for name, token := range tokens.Accepted() {
		if got := ask(now, token); (got == "200") == stricter.MatchString(name) {
			t.Errorf("%s, which authn accepts: %s", name, got)
		}
	}
	for name, token := range tokens.Refused() {
		if got := ask(now, token); (got != "401") != lenient.MatchString(name) {
			t.Errorf("%s, which authn refuses: %s", name, got)
		}
	}
	want("an unknown key, at once", now, unknown, "401", 3)
	want("an unknown key, later", now+10, unknown, "401", 4)
	body.Store("{")
	want("an unknown key, while the server fails", now+20, unknown, "401", 5)
	want("a known key, while the server fails", now+20, good, "200", 5)
	late := tokens.Token(tokens.Header(), strings.NewReplacer(
		"1767605400", fmt.Sprint(now+86_000), "1767606300", fmt.Sprint(now+90_000)).Replace(authntest.Claims()))
	want("a day later", now+86_400, late, "200", 6)
	want("more than a day later", now+86_400+301, late, "503", 7)
}

// fastAPIChecker starts the page's code, and returns a function that asks it for the status of a
// token at a time.
func fastAPIChecker(t *testing.T, d *document) func(at int64, token string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "fastapi_tokens.py")
	cmd.Dir, cmd.Stderr = d.dir, io.Discard // the warnings of the page's code
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // the end of the test's context may have killed it
	})
	lines := bufio.NewScanner(out)
	return func(at int64, token string) string {
		t.Helper()
		encoded := base64.StdEncoding.EncodeToString([]byte(token))
		if _, err := fmt.Fprintf(in, "{\"at\":%d,\"token\":%q}\n", at, encoded); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() {
			t.Fatalf("no answer: %v", lines.Err())
		}
		return lines.Text()
	}
}
