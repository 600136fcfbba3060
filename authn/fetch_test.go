package authn_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/authn"
)

func wantUnavailable(t *testing.T, err error, text string) {
	t.Helper()
	if !errors.Is(err, authn.ErrUnavailable) || errors.Is(err, authn.ErrInvalidToken) ||
		!strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want one that tells %q", err, text)
	}
}

// Keys are fetched only from the origin of the metadata.
func TestKeysOfAnotherOrigin(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	elsewhere := newServer(t, signer)
	s := newServer(t, signer)
	_, port, _ := strings.Cut(strings.TrimPrefix(s.url, "http://"), ":")
	for name, address := range map[string]string{
		"another port":              elsewhere.url + keysPath,
		"another host":              "http://localhost:" + port + keysPath,
		"another scheme":            "https://127.0.0.1:" + port + keysPath,
		"no port":                   "http://127.0.0.1" + keysPath,
		"a user":                    strings.Replace(s.url, "://", "://ada@", 1) + keysPath,
		"ours as user of another":   strings.Replace(elsewhere.url, "://", "://127.0.0.1:"+port+"@", 1) + keysPath,
		"a path alone":              keysPath,
		"a file":                    "file:///etc/keys",
		"data":                      `data:application/json,{"keys":[]}`,
		"no URL":                    "http://[::1" + keysPath,
		"without a scheme":          strings.TrimPrefix(elsewhere.url, "http:") + keysPath,
		"a number for the address":  "http://2130706433:" + port + keysPath,
		"the address as IPv6 knows": "http://[::ffff:127.0.0.1]:" + port + keysPath,
	} {
		s.change(func() { s.keysURI = address })
		_, err := s.verifier().Verify(t.Context(), s.token(signer))
		if wantUnavailable(t, err, "another origin"); t.Failed() {
			t.Fatal(name)
		}
	}
	if got := append(elsewhere.requests(), s.requests()...); count(got, metadataPath) != len(got) {
		t.Errorf("got requests %v", got)
	}
}

// One origin has several spellings (RFC 6454 section 4): with the default port or without, and with
// any case of the host.
func TestOneOriginInSeveralTexts(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	outside := newServer(t, signer)
	for _, test := range []struct {
		url, keys string
		ok        bool
	}{
		{"https://auth.example.com", "https://auth.example.com:443" + keysPath, true},
		{"https://auth.example.com:443", "https://AUTH.example.com" + keysPath, true},
		{"http://auth.example.com", "HTTP://auth.example.com:80/elsewhere" + keysPath, true},
		{"http://auth.example.com", "https://auth.example.com" + keysPath, false},
		{"http://auth.example.com", "http://auth.example.com:443" + keysPath, false},
		{"https://auth.example.com", "https://auth.example.com:80" + keysPath, false},
		{"https://auth.example.com", "https://auth.example.com." + keysPath, false},
		{"https://auth.example.com", "https://auth.example.com.example.org" + keysPath, false},
		{"https://auth.example.com", "https://example.com" + keysPath, false},
	} {
		var asked []string
		s := newServer(t, signer)
		s.change(func() { s.keysURI = test.keys })
		v := outside.verifier(func(o *authn.Options) {
			o.URL = test.url
			o.Client = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
				asked = append(asked, r.URL.String())
				r.URL.Path = strings.TrimPrefix(r.URL.Path, "/elsewhere")
				return answer(s, r), nil
			})}
		})
		_, err := v.Verify(t.Context(), outside.token(signer))
		if ok := err == nil; ok != test.ok || len(asked) == 0 || (ok && !strings.EqualFold(asked[1], test.keys)) {
			t.Errorf("%+v: got %v, after %v", test, err, asked)
		}
	}
}

func TestUnusableMetadata(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	for name, test := range map[string]struct {
		change func(*server)
		want   string
	}{
		"HS256":             {func(s *server) { s.keysURI = "-" }, "HS256"},
		"no issuer":         {func(s *server) { s.issuer = "" }, "no issuer"},
		"status 201":        {func(s *server) { s.status = 201 }, "status 201"},
		"status 404":        {func(s *server) { s.prefix = "/auth" }, "status 404"},
		"status 500":        {func(s *server) { s.status = 500 }, "status 500"},
		"issuer twice":      {func(s *server) { s.metadata = `{"issuer":"a","issuer":"b"}` }, "duplicate"},
		"issuer a list":     {func(s *server) { s.metadata = `{"issuer":["latchkey"]}` }, "issuer"},
		"no JSON":           {func(s *server) { s.metadata = `<html>` }, "invalid character"},
		"64 KiB and a byte": {func(s *server) { s.metadata = `{}` + strings.Repeat(" ", 64<<10-1) }, "65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, signer)
			s.change(func() { test.change(s) })
			_, err := s.verifier().Verify(t.Context(), s.token(signer))
			wantUnavailable(t, err, test.want)
		})
	}
}

// endless is a body without an end, and how much of it was read.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return copy(p, strings.Repeat(" ", len(p))), nil
}

func (*endless) Close() error { return nil }

func TestEndlessBody(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	s := newServer(t, signer)
	body := &endless{}
	v := s.verifier(func(o *authn.Options) {
		o.Client = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: body, Request: r}, r.Context().Err()
		})}
	})
	_, err := v.Verify(t.Context(), s.token(signer))
	wantUnavailable(t, err, "more than 65536 bytes")
	if body.read > 64<<10+1 {
		t.Errorf("%d bytes were read", body.read)
	}
}

func TestServerThatIsNotThere(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	s := newServer(t, signer)
	v := s.verifier(func(o *authn.Options) {
		o.Client = &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			return nil, errors.New("connection refused")
		})}
	})
	_, err := v.Verify(t.Context(), s.token(signer))
	wantUnavailable(t, err, "connection refused")
}
