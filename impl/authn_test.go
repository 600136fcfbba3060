package impl_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/authn"
	"github.com/latchkey-auth/latchkey/impl/auth/keyring"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// Another service checks tokens by the published keys, also during a rotation and without the
// server.
func TestVerifierThroughARotation(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"ES256", "EdDSA", "RS256"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			h := impltest.New(t, impltest.Options{Algorithm: algorithm})
			h.MustRegister(t, "ada")
			first, token := login(t, h, "ada")
			verifier, err := authn.NewVerifier(authn.Options{URL: h.URL, Audience: "latchkey:auth", Now: h.Clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			verify := func(token string) {
				t.Helper()
				claims, err := verifier.Verify(t.Context(), token)
				if err != nil || claims.Username != "ada" || claims.SessionID != decodePart(t, token, 1)["sid"] ||
					claims.Issuer != "latchkey" {
					t.Errorf("got %+v, %v", claims, err)
				}
			}
			verify(first)
			// The clock advances in small steps. A good token is never refused.
			rotate(t, h, 0)
			for waited := time.Duration(0); waited < keyring.MinLead+time.Minute; waited += 20 * time.Second {
				h.Clock.Advance(20 * time.Second)
				follow(t, h)
				var access string
				access, token = wantRefreshed(t, refresh(t, h, token))
				verify(access)
				verify(first)
			}
			last, _ := login(t, h, "ada")
			if kidOf(t, last) == kidOf(t, first) {
				t.Error("the new key doesn't sign")
			}
			verify(last)

			other := impltest.New(
				t,
				impltest.Options{Algorithm: algorithm, Secret: "Qm7xT2vLk9ZpR4wBn6YcH1sJf8GdU3eKa5XoVtW0iNrMqPyC"},
			)
			if _, err := verifier.Verify(t.Context(), other.MustRegister(t, "ada")); !errors.Is(err, authn.ErrInvalidToken) {
				t.Errorf("another server's token: got %v", err)
			}
			// The server would refuse these too, as far as the signature shows it.
			h.Clock.Advance(16 * time.Minute)
			if _, err := verifier.Verify(t.Context(), first); !errors.Is(err, authn.ErrInvalidToken) {
				t.Errorf("an expired token: got %v", err)
			}
		})
	}
}

// The middleware's response is the same as the server's.
func TestVerifierAnswersAsTheServer(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	verifier, err := authn.NewVerifier(authn.Options{URL: h.URL, Audience: "latchkey:auth", Now: h.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	handler := verifier.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, ok := authn.FromContext(r.Context())
		if !ok || claims.Username != "ada" {
			t.Errorf("got %+v, %t", claims, ok)
		}
		w.WriteHeader(http.StatusOK)
	}))
	for name, row := range map[string]struct {
		query   string
		headers []string
	}{
		"a good token":      {"", []string{"Authorization", "Bearer " + token}},
		"no token":          {"", nil},
		"another scheme":    {"", []string{"Authorization", "Basic Og=="}},
		"a bad token":       {"", []string{"Authorization", "Bearer " + token + "x"}},
		"two headers":       {"", []string{"Authorization", "Bearer " + token, "Authorization", "Bearer " + token}},
		"in two ways":       {"?access_token=" + token, []string{"Authorization", "Bearer " + token}},
		"in the query only": {"?access_token=" + token, nil},
	} {
		theirs := h.Do(t, h.Request("GET", impltest.MePath+row.query, "", row.headers...))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, h.Request("GET", impltest.MePath+row.query, "", row.headers...))
		if w.Code != theirs.Status || w.Header().Get("WWW-Authenticate") != theirs.Header.Get("WWW-Authenticate") {
			t.Errorf(
				"%s: got %d %q, the server answers %d %q",
				name,
				w.Code,
				w.Header().Get("WWW-Authenticate"),
				theirs.Status,
				theirs.Header.Get("WWW-Authenticate"),
			)
		}
		if theirs.Status == 200 {
			continue
		}
		mine := impltest.Answer{Body: w.Body.Bytes()}
		if mine.Text("type") != h.URL+theirs.Text("type") {
			t.Errorf("%s: type %s, the server's page is %s", name, mine.Text("type"), h.URL+theirs.Text("type"))
		}
		for _, member := range []string{"title", "status", "detail", "code"} {
			if mine.JSON(member) != theirs.JSON(member) || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: got %s, the server answers %s", name, w.Body, theirs.Body)
			}
		}
	}
}
