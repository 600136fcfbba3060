package authn_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/latchkey-auth/latchkey/authn"
	"github.com/latchkey-auth/latchkey/authn/authntest"
)

const (
	testUser    = authntest.UserID
	testSession = authntest.SessionID

	metadataPath = "/.well-known/oauth-authorization-server"
	keysPath     = "/.well-known/jwks.json"
)

var testNow = authntest.Now

// signer is a key of the server.
type signer struct {
	alg, kid string
	method   jwt.SigningMethod
	private  crypto.Signer
}

func newES256(kid string) signer {
	return signer{"ES256", kid, jwt.SigningMethodES256, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
}

func newEdDSA(kid string) signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return signer{"EdDSA", kid, jwt.SigningMethodEdDSA, must(key, err)}
}

// rsaKey is made once, because that takes long under the race detector.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })

func newRS256(kid string) signer { return signer{"RS256", kid, jwt.SigningMethodRS256, rsaKey()} }

func signers() []signer { return []signer{newES256("es"), newEdDSA("ed"), newRS256("rs")} }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// sign makes a token of any header and any claims.
func (s signer) sign(header, claims string) string {
	signed := b64([]byte(header)) + "." + b64([]byte(claims))
	return signed + "." + b64(must(s.method.Sign(signed, s.private)))
}

// jwk returns the public part, as the server writes it.
func (s signer) jwk() map[string]any {
	j := map[string]any{"kid": s.kid, "alg": s.alg, "use": "sig"}
	switch key := s.private.Public().(type) {
	case *ecdsa.PublicKey:
		point := must(key.Bytes())[1:]
		half := len(point) / 2
		j["kty"], j["crv"], j["x"], j["y"] = "EC", key.Curve.Params().Name, b64(point[:half]), b64(point[half:])
	case ed25519.PublicKey:
		j["kty"], j["crv"], j["x"] = "OKP", "Ed25519", b64(key)
	case *rsa.PublicKey:
		j["kty"], j["n"], j["e"] = "RSA", b64(key.N.Bytes()), b64(big.NewInt(int64(key.E)).Bytes())
	}
	return j
}

// goodClaims returns the claims of a valid token. A test spoils one of them.
func goodClaims() string { return claimsAt(testNow) }

func claimsAt(now time.Time) string {
	return fmt.Sprintf(
		`{"iss":"latchkey","aud":"latchkey:auth","iat":%d,"exp":%d,"jti":"0123456789abcdef","sub":"ada@example.com","username":"ada","uid":%q,"sid":%q}`,
		now.Unix(),
		now.Unix()+900,
		testUser,
		testSession,
	)
}

func replaced(s, old, other string) string {
	if !strings.Contains(s, old) {
		panic(old + " is not in " + s)
	}
	return strings.Replace(s, old, other, 1)
}

// server is Latchkey as a verifier sees it. Its fields are changed by change.
type server struct {
	tb  testing.TB
	url string

	mu     sync.Mutex
	now    time.Time
	asked  []string // the paths
	issuer string
	prefix string
	keys   []map[string]any
	// keysURI is the metadata's jwks_uri: the right one if it is empty, none if it is "-".
	keysURI string
	// metadata and keySet replace a document.
	metadata, keySet string
	cacheControl     string
	age              string // nothing where it is empty
	status           int
	redirect         string
	// If they are not nil, each request sends to entered, and then waits for gate.
	entered, gate chan struct{}
}

func newServer(tb testing.TB, signers ...signer) *server {
	tb.Helper()
	s := &server{tb: tb, now: testNow, issuer: "latchkey", cacheControl: "public, max-age=300", status: http.StatusOK}
	s.publish(signers...)
	listener := httptest.NewServer(s)
	tb.Cleanup(listener.Close)
	s.url = listener.URL
	return s
}

func (s *server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// publish replaces the keys.
func (s *server) publish(signers ...signer) {
	keys := []map[string]any{}
	for _, signer := range signers {
		keys = append(keys, signer.jwk())
	}
	s.change(func() { s.keys = keys })
}

func (s *server) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *server) advance(d time.Duration) { s.change(func() { s.now = s.now.Add(d) }) }

// requests returns the paths that were requested.
func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// fetches returns how often the keys were requested.
func (s *server) fetches() int {
	count := 0
	for _, path := range s.requests() {
		if strings.HasSuffix(path, keysPath) {
			count++
		}
	}
	return count
}

func (s *server) verifier(change ...func(*authn.Options)) *authn.Verifier {
	s.tb.Helper()
	o := authn.Options{URL: s.url, Audience: "latchkey:auth", Now: s.clock, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&o)
	}
	v, err := authn.NewVerifier(o)
	if err != nil {
		s.tb.Fatal(err)
	}
	return v
}

func (s *server) header(signer signer) string {
	return fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"at+jwt"}`, signer.alg, signer.kid)
}

// token returns a token that is issued now.
func (s *server) token(signer signer) string {
	return signer.sign(s.header(signer), claimsAt(s.clock()))
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.Path)
	entered, gate := s.entered, s.gate
	s.mu.Unlock()
	if entered != nil {
		entered <- struct{}{}
	}
	if gate != nil {
		<-gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.redirect != "" {
		http.Redirect(w, r, s.redirect+r.URL.Path, http.StatusFound)
		return
	}
	body := s.body(r)
	if body == "" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", s.cacheControl)
	if s.age != "" {
		w.Header().Set("Age", s.age)
	}
	w.WriteHeader(s.status)
	if _, err := w.Write([]byte(body)); err != nil {
		s.tb.Log(err)
	}
}

func (s *server) body(r *http.Request) string {
	switch r.URL.Path {
	case s.prefix + metadataPath:
		if s.metadata != "" {
			return s.metadata
		}
		metadata := map[string]any{"issuer": s.issuer, "jwks_uri": "http://" + r.Host + s.prefix + keysPath}
		switch s.keysURI {
		case "":
		case "-":
			delete(metadata, "jwks_uri")
		default:
			metadata["jwks_uri"] = s.keysURI
		}
		return string(must(json.Marshal(metadata)))
	case s.prefix + keysPath:
		if s.keySet != "" {
			return s.keySet
		}
		return string(must(json.Marshal(map[string]any{"keys": s.keys})))
	}
	return ""
}
