package authn_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/authn"
)

// refusal is the expected response to a request that is refused.
type refusal struct {
	status                             int
	code, title, detail, challenge, in string
}

var (
	notAuthenticated = refusal{401, "not_authenticated", "A token is missing", "Not authenticated", "Bearer", ""}
	badToken         = refusal{
		401,
		"invalid_token",
		"The access token is not valid",
		"Could not validate token credentials.",
		`Bearer error="invalid_token"`,
		"",
	}
	ambiguous = refusal{
		400,
		"ambiguous_credentials",
		"The token was sent twice",
		"A token may be sent in one way only: the Authorization header.",
		`Bearer error="invalid_request"`,
		"",
	}
	down = refusal{
		503,
		"unavailable",
		"The service can't answer now",
		"The service can't answer now. Try again.",
		"",
		"1",
	}
)

func TestMiddlewareRefuses(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	s := newServer(t, signer)
	token := s.token(signer)
	broken := newServer(t, signer)
	broken.change(func() { broken.status = 500 })
	for name, test := range map[string]struct {
		server  *server
		target  string
		headers []string
		want    refusal
	}{
		"no header":                 {s, "/", nil, notAuthenticated},
		"empty":                     {s, "/", []string{""}, notAuthenticated},
		"the token alone":           {s, "/", []string{token}, notAuthenticated},
		"Basic":                     {s, "/", []string{"Basic " + token}, notAuthenticated},
		"Swearer":                   {s, "/", []string{"Swearer " + token}, notAuthenticated},
		"a tab":                     {s, "/", []string{"Bearer\t" + token}, notAuthenticated},
		"two headers":               {s, "/", []string{"Bearer " + token, "Bearer " + token}, notAuthenticated},
		"in the query":              {s, "/?access_token=" + token, nil, notAuthenticated},
		"in both":                   {s, "/?access_token=" + token, []string{"Bearer " + token}, ambiguous},
		"in both, the query's none": {s, "/?a=b&access_token", []string{"Bearer " + token}, ambiguous},
		"in both, the name encoded": {s, "/?access%5Ftoken=x", []string{"Bearer " + token}, ambiguous},
		"no token":                  {s, "/", []string{"Bearer"}, badToken},
		"an odd one":                {s, "/", []string{"Bearer x"}, badToken},
		"a spoilt one":              {s, "/", []string{"Bearer " + token + "x"}, badToken},
		"one and more":              {s, "/", []string{"Bearer " + token + " x"}, badToken},
		"an odd one, server down":   {broken, "/", []string{"Bearer x"}, badToken},
		"server down":               {broken, "/", []string{"Bearer " + token}, down},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := test.server.verifier().Middleware(
				http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("let through") }),
			)
			r := httptest.NewRequest(http.MethodGet, test.target, nil)
			if len(test.headers) > 0 {
				r.Header["Authorization"] = test.headers
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			wantRefusal(t, w, test.server.url, test.want)
		})
	}
}

// Callers see only a 503. The log has the reason, once for each fetch and not for each request.
func TestFailedFetchesAreLogged(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	s := newServer(t, signer)
	var log bytes.Buffer
	v := s.verifier(func(o *authn.Options) { o.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
	h := v.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	request := func(token string, want int) {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		v.AwaitFetch()
		if w.Code != want {
			t.Errorf("got %d, want %d", w.Code, want)
		}
	}
	wantLogged := func(want ...string) {
		t.Helper()
		var got []string
		for line := range bytes.Lines(log.Bytes()) {
			var entry struct{ Level, Error string }
			if err := json.Unmarshal(line, &entry); err != nil || entry.Level != "WARN" {
				t.Errorf("got %s, %v", line, err)
			}
			got = append(got, entry.Error)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	token, reason := s.token(signer), "GET "+s.url+metadataPath+": status 500"
	s.change(func() { s.status = http.StatusInternalServerError })
	for range 10 {
		request(token, http.StatusServiceUnavailable)
	}
	wantLogged(reason)
	s.advance(time.Second)
	request(token, http.StatusServiceUnavailable)
	wantLogged(reason, reason)

	s.change(func() { s.status = http.StatusOK })
	s.advance(time.Second)
	request(token, http.StatusNoContent)
	wantLogged(reason, reason)

	s.change(func() { s.status = http.StatusInternalServerError })
	s.advance(10 * time.Second)
	for range 10 { // an unknown key, while others are known
		request(s.token(newEdDSA("other")), http.StatusUnauthorized)
	}
	wantLogged(reason, reason, reason)
}

func wantRefusal(t *testing.T, w *httptest.ResponseRecorder, url string, want refusal) {
	t.Helper()
	header := http.Header{"Content-Type": {"application/problem+json"}, "Cache-Control": {"no-store"}}
	if want.challenge != "" {
		header.Set("WWW-Authenticate", want.challenge)
	}
	if want.in != "" {
		header.Set("Retry-After", want.in)
	}
	if w.Code != want.status || !reflect.DeepEqual(w.Header(), header) {
		t.Errorf("got %d %v, want %d %v", w.Code, w.Header(), want.status, header)
	}
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	wantBody := map[string]any{
		"type":   url + "/problems/" + want.code,
		"title":  want.title,
		"status": float64(want.status),
		"detail": want.detail,
		"code":   want.code,
	}
	if !reflect.DeepEqual(body, wantBody) {
		t.Errorf("got %v, want %v", body, wantBody)
	}
}

func TestMiddlewareLetsThrough(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	s := newServer(t, signer)
	v := s.verifier()
	want, err := v.Verify(t.Context(), s.token(signer))
	if err != nil {
		t.Fatal(err)
	}
	var got []authn.Claims
	h := v.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, ok := authn.FromContext(r.Context())
		if !ok {
			t.Error("no claims")
		}
		got = append(got, claims)
		w.WriteHeader(http.StatusNoContent)
	}))
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER ", "Bearer  "} {
		r := httptest.NewRequest(http.MethodPost, "/?token=x", nil)
		r.Header.Set("Authorization", scheme+s.token(signer))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusNoContent || len(w.Header()) > 0 {
			t.Errorf("%q: got %d %v", scheme, w.Code, w.Header())
		}
	}
	if !reflect.DeepEqual(got, []authn.Claims{want, want, want, want}) {
		t.Errorf("got %+v, want four of %+v", got, want)
	}
}

func TestContext(t *testing.T) {
	t.Parallel()
	ada := authn.Claims{UserID: testUser}
	if claims, ok := authn.FromContext(authn.NewContext(t.Context(), ada)); !ok || !reflect.DeepEqual(claims, ada) {
		t.Errorf("got %+v, %v", claims, ok)
	}
	if claims, ok := authn.FromContext(t.Context()); ok || !reflect.DeepEqual(claims, authn.Claims{}) {
		t.Errorf("got %+v, %v", claims, ok)
	}
}

// Whatever is sent, the error is one of the two, and an accepted token is one that the server
// signed.
func FuzzVerify(f *testing.F) {
	signer := newEdDSA("ed")
	s := newServer(f, signer)
	v := s.verifier()
	good := s.token(signer)
	for _, seed := range []string{"", "..", good, good + "=", signer.sign(`{}`, `{}`), signer.sign(s.header(signer), `{"exp":1e999}`)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		_, err := v.Verify(t.Context(), token)
		if (err == nil) != (token == good) || (err != nil && !errors.Is(err, authn.ErrInvalidToken)) {
			t.Errorf("%q: got %v", token, err)
		}
	})
}
