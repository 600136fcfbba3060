package authn_test

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/authn"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	for _, signer := range signers() {
		t.Run(signer.alg, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, signer)
			claims := replaced(goodClaims(), `{`, `{"scope":"users:read events:read","ext":{"plan":"pro","seats":[1]},`)
			got, err := s.verifier().Verify(t.Context(), signer.sign(s.header(signer), claims))
			want := authn.Claims{
				Scopes:    []string{"users:read", "events:read"},
				Ext:       map[string]any{"plan": "pro", "seats": []any{1.0}},
				UserID:    testUser,
				SessionID: testSession,
				TokenID:   "0123456789abcdef",
				Subject:   "ada@example.com",
				Username:  "ada",
				Issuer:    "latchkey",
				IssuedAt:  time.Unix(testNow.Unix(), 0),
				NotBefore: time.Unix(testNow.Unix(), 0),
				ExpiresAt: time.Unix(testNow.Unix()+900, 0),
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
			// A new field of Claims must be filled in and checked here.
			for i, v := 0, reflect.ValueOf(got); i < v.NumField(); i++ {
				if v.Field(i).IsZero() {
					t.Errorf("%s is empty", v.Type().Field(i).Name)
				}
			}
		})
	}
}

// A token is valid from its nbf on, but not before its iat.
func TestNotBefore(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	s := newServer(t, signer)
	v := s.verifier()
	for _, offset := range []int64{-60, 0, 20} {
		claims := replaced(goodClaims(), `{`, fmt.Sprintf(`{"nbf":%d,`, testNow.Unix()+offset))
		got, err := v.Verify(t.Context(), signer.sign(s.header(signer), claims))
		if want := time.Unix(testNow.Unix()+max(offset, 0), 0); err != nil || !got.NotBefore.Equal(want) {
			t.Errorf("nbf at %d s: got %s, %v; want %s", offset, got.NotBefore, err, want)
		}
	}
}

func TestNewVerifierRefusesOptions(t *testing.T) {
	t.Parallel()
	good := authn.Options{URL: "https://auth.example.com", Audience: "latchkey:auth"}
	if _, err := authn.NewVerifier(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*authn.Options){
		"no URL":              func(o *authn.Options) { o.URL = "" },
		"a host alone":        func(o *authn.Options) { o.URL = "auth.example.com" },
		"a host and a port":   func(o *authn.Options) { o.URL = "auth.example.com:8000" },
		"no host":             func(o *authn.Options) { o.URL = "https://" },
		"a port alone":        func(o *authn.Options) { o.URL = "https://:443" },
		"another scheme":      func(o *authn.Options) { o.URL = "file:///etc/keys" },
		"a password":          func(o *authn.Options) { o.URL = "https://ada:secret@auth.example.com" },
		"a query":             func(o *authn.Options) { o.URL = "https://auth.example.com?a=b" },
		"an empty query":      func(o *authn.Options) { o.URL = "https://auth.example.com?" },
		"a fragment":          func(o *authn.Options) { o.URL = "https://auth.example.com#" },
		"no URL at all":       func(o *authn.Options) { o.URL = "https://ada:secret@ :x" },
		"no audience":         func(o *authn.Options) { o.Audience = "" },
		"HS256":               func(o *authn.Options) { o.Algorithms = []string{"ES256", "HS256"} },
		"none":                func(o *authn.Options) { o.Algorithms = []string{"none"} },
		"an empty algorithm":  func(o *authn.Options) { o.Algorithms = []string{""} },
		"one in another case": func(o *authn.Options) { o.Algorithms = []string{"es256"} },
		"one we don't have":   func(o *authn.Options) { o.Algorithms = []string{"PS256"} },
	} {
		o := good
		change(&o)
		v, err := authn.NewVerifier(o)
		if err == nil || v != nil {
			t.Errorf("%s: got %v, %v", name, v, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the password: %v", name, err)
		}
	}
}

// The caller may change its slice of algorithms afterwards.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	es, ed := newES256("es"), newEdDSA("ed")
	s := newServer(t, es, ed)
	algorithms := []string{"EdDSA"}
	v := s.verifier(func(o *authn.Options) { o.Algorithms = algorithms })
	algorithms[0] = "ES256"
	if _, err := v.Verify(t.Context(), s.token(ed)); err != nil {
		t.Errorf("EdDSA: %v", err)
	}
	if _, err := v.Verify(t.Context(), s.token(es)); !errors.Is(err, authn.ErrInvalidToken) {
		t.Errorf("ES256: got %v", err)
	}
	// A server without a key for the algorithms is a mistake in the settings, and not the token's
	// fault.
	s.publish(ed)
	_, err := s.verifier(func(o *authn.Options) { o.Algorithms = []string{"ES256"} }).Verify(t.Context(), s.token(es))
	wantUnavailable(t, err, "for ES256")
}

func TestIssuer(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	for _, test := range []struct {
		name, option, metadata, token string
		ok                            bool
	}{
		{"of the metadata", "", "latchkey", "latchkey", true},
		{"of the metadata, a URL", "", "https://auth.example.com", "https://auth.example.com", true},
		{"other than the metadata's", "", "other", "latchkey", false},
		{"of the options", "mine", "latchkey", "mine", true},
		{"of the metadata, where the options have another", "mine", "latchkey", "latchkey", false},
		{"empty", "", "latchkey", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, signer)
			s.change(func() { s.issuer = test.metadata })
			v := s.verifier(func(o *authn.Options) { o.Issuer = test.option })
			token := signer.sign(
				s.header(signer),
				replaced(goodClaims(), `"iss":"latchkey"`, fmt.Sprintf(`"iss":%q`, test.token)),
			)
			claims, err := v.Verify(t.Context(), token)
			if ok := err == nil; ok != test.ok || (!ok && !errors.Is(err, authn.ErrInvalidToken)) {
				t.Errorf("got %v", err)
			} else if ok && claims.Issuer != test.token {
				t.Errorf("got the issuer %q", claims.Issuer)
			}
		})
	}
}

// The server may be behind a path, and the address may end in a slash.
func TestURLWithPath(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	s := newServer(t, signer)
	s.change(func() { s.prefix = "/auth" })
	for _, path := range []string{"/auth", "/auth/"} {
		v := s.verifier(func(o *authn.Options) { o.URL += path })
		if _, err := v.Verify(t.Context(), s.token(signer)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// The caller's client isn't changed, and its own policy on redirects isn't used.
func TestClientFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	other := newServer(t, signer)
	s := newServer(t)
	s.change(func() { s.redirect = other.url })
	for name, client := range map[string]*http.Client{
		"default": nil,
		"given":   {CheckRedirect: func(*http.Request, []*http.Request) error { return nil }},
		"bare":    {},
	} {
		v := s.verifier(func(o *authn.Options) { o.Client = client })
		if _, err := v.Verify(t.Context(), s.token(signer)); !errors.Is(err, authn.ErrUnavailable) {
			t.Errorf("%s: got %v", name, err)
		}
		if client != nil && (client.Timeout != 0 || (name == "bare") != (client.CheckRedirect == nil)) {
			t.Errorf("%s: the caller's client was changed", name)
		}
	}
	if got := other.requests(); len(got) > 0 {
		t.Errorf("the other server was asked for %v", got)
	}
	if got, want := s.requests(), slices.Repeat([]string{metadataPath}, 3); !slices.Equal(got, want) {
		t.Errorf("got requests %v, want %v", got, want)
	}
}
