package impl_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/auth/token"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// baseOf returns the base of the URLs in the metadata that a request gets.
func baseOf(t *testing.T, h *impltest.Harness, headers ...string) string {
	t.Helper()
	r := h.Request("GET", impltest.MetadataPath, "", headers...)
	r.Host = "asked.example:8000"
	base, ok := strings.CutSuffix(h.Do(t, r).Text("token_endpoint"), impltest.LoginPath)
	if !ok {
		t.Errorf("%v: no token endpoint", headers)
	}
	return base
}

// H-3: scheme, host and prefix follow the rule of the address: the proxy that the client connected
// to has written them.
func TestH3_SchemeAndHost(t *testing.T) {
	t.Parallel()
	const asked = "http://asked.example:8000"
	trusted := impltest.New(
		t,
		impltest.Options{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")}},
	)
	untrusted := impltest.New(t)
	const proto, host, prefix, addresses, forwarded = "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix", "X-Forwarded-For", "Forwarded"
	for name, row := range map[string]struct {
		headers []string
		want    string
	}{
		"nothing":                          {nil, asked},
		"https":                            {[]string{proto, "https"}, "https://asked.example:8000"},
		"HTTPS":                            {[]string{proto, "HTTPS"}, "https://asked.example:8000"},
		"two proxies":                      {[]string{proto, "https, http"}, "https://asked.example:8000"},
		"two proxies, two lines":           {[]string{proto, "https", proto, "http"}, "https://asked.example:8000"},
		"two proxies, their addresses":     {[]string{proto, "https, http", addresses, "203.0.113.7, 10.0.0.2"}, "https://asked.example:8000"},
		"a client that claims it":          {[]string{proto, "https, http", addresses, "198.51.100.1, 203.0.113.7"}, asked},
		"a host":                           {[]string{proto, "https", host, "auth.example.com"}, "https://auth.example.com"},
		"a host with a port":               {[]string{host, "auth.example.com:8443"}, "http://auth.example.com:8443"},
		"an IPv6 host":                     {[]string{host, "[2001:db8::1]:80"}, "http://[2001:db8::1]:80"},
		"two hosts":                        {[]string{host, "evil.example, auth.example.com"}, "http://auth.example.com"},
		"a host that a client claims":      {[]string{host, "evil.example, auth.example.com", addresses, "203.0.113.7"}, "http://auth.example.com"},
		"two hosts, their addresses":       {[]string{host, "auth.example.com, inner.example", addresses, "203.0.113.7, 10.0.0.2"}, "http://auth.example.com"},
		"a prefix":                         {[]string{prefix, "/auth"}, asked + "/auth"},
		"a prefix with a slash":            {[]string{prefix, "/auth/"}, asked + "/auth"},
		"a long prefix":                    {[]string{prefix, "/a/b/c"}, asked + "/a/b/c"},
		"a prefix that climbs":             {[]string{prefix, "/a/../b"}, asked},
		"a prefix that leads elsewhere":    {[]string{prefix, "//evil.example"}, asked},
		"a scheme that is none":            {[]string{proto, "javascript"}, asked},
		"a host with a path":               {[]string{host, "evil.example/x"}, asked},
		"a host with a user":               {[]string{host, "a@evil.example"}, asked},
		"a host with a space":              {[]string{host, "evil example"}, asked},
		"an empty host":                    {[]string{host, ""}, asked},
		"Forwarded":                        {[]string{forwarded, "for=203.0.113.7;proto=https;host=auth.example.com"}, "https://auth.example.com"},
		"Forwarded, quoted":                {[]string{forwarded, `for="203.0.113.7";proto="https";host="auth.example.com:8443"`}, "https://auth.example.com:8443"},
		"Forwarded, its names in capitals": {[]string{forwarded, "For=203.0.113.7;Proto=https;Host=auth.example.com"}, "https://auth.example.com"},
		"Forwarded by two":                 {[]string{forwarded, "for=203.0.113.7;proto=https;host=auth.example.com, for=10.0.0.2;proto=http;host=inner"}, "https://auth.example.com"},
		"Forwarded by a client":            {[]string{forwarded, "for=198.51.100.1;proto=https;host=evil.example, for=203.0.113.7;proto=http"}, asked},
		"Forwarded, twice in one":          {[]string{forwarded, "for=203.0.113.7;proto=https;proto=http"}, asked},
		"Forwarded without for":            {[]string{forwarded, "proto=https;host=auth.example.com"}, "https://auth.example.com"},
		"Forwarded and the other's scheme": {[]string{forwarded, "for=203.0.113.7", proto, "https"}, asked},
		"both, of two minds":               {[]string{forwarded, "for=203.0.113.7;proto=https", addresses, "203.0.113.8", proto, "https"}, asked},
	} {
		if got := baseOf(t, trusted, row.headers...); got != row.want {
			t.Errorf("%s: got %s, want %s", name, got, row.want)
		}
		if got := baseOf(t, untrusted, row.headers...); got != asked {
			t.Errorf("%s, from nobody's proxy: got %s", name, got)
		}
	}
}

// The configured public URL wins over the issuer, and the issuer over the request.
func TestPublicURL(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ public, issuer, want string }{
		"neither":        {"", "latchkey", "http://asked.example:8000"},
		"issuer":         {"", "https://issuer.example/auth", "https://issuer.example/auth"},
		"set":            {"https://public.example/auth", "latchkey", "https://public.example/auth"},
		"both":           {"https://public.example", "https://issuer.example", "https://public.example"},
		"set, a slash":   {"https://public.example/auth/", "latchkey", "https://public.example/auth"},
		"issuer, a name": {"", "urn:latchkey", "http://asked.example:8000"},
	} {
		h := impltest.New(t, impltest.Options{PublicURL: row.public, Tokens: token.Options{Issuer: row.issuer}})
		if got := baseOf(t, h); got != row.want {
			t.Errorf("%s: got %s, want %s", name, got, row.want)
		}
	}
}

// RFC 8414 section 3.1: the path of an issuer follows the well-known path. Other paths are 404.
func TestMetadataOfAnIssuerWithAPath(t *testing.T) {
	t.Parallel()
	for issuer, paths := range map[string]map[string]int{
		"https://issuer.example/auth":    {"": 200, "/auth": 200, "/auth/": 404, "/other": 404, "/auth/more": 404, "//auth": 404, "/%61uth": 200},
		"https://issuer.example/a/b":     {"": 200, "/a/b": 200, "/a": 404},
		"https://issuer.example/tenant/": {"": 200, "/tenant": 200},
		"https://issuer.example":         {"": 200, "/auth": 404},
		"latchkey":                       {"": 200, "/latchkey": 404},
	} {
		h := impltest.New(t, impltest.Options{Tokens: token.Options{Issuer: issuer}})
		for path, want := range paths {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				// Not through Harness.Do: the contract has no path of an issuer.
				res, err := http.DefaultTransport.RoundTrip(h.Request(method, impltest.MetadataPath+path, ""))
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if res.StatusCode != want {
					t.Errorf("%s: %s %s: got %d, want %d", issuer, method, path, res.StatusCode, want)
				}
			}
		}
	}
}
