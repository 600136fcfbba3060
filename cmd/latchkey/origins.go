package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// checkOrigins refuses values that no browser sends as an Origin, because they would match nothing
// without a warning. It also refuses the wildcard. With a wildcard any page could try passwords
// from the addresses of its visitors.
func checkOrigins(origins []string) string {
	for _, origin := range origins {
		sent, ok := serializeOrigin(origin)
		if !ok {
			return fmt.Sprintf("has %q, must be origins such as https://app.example.com or http://localhost:5173, "+
				"separated by commas, without a path or a wildcard", origin)
		}
		if sent != origin {
			return fmt.Sprintf("has %q, which browsers send as %s", origin, sent)
		}
	}
	return ""
}

// warnOfOrigin logs that a page called the API whose origin is not let in. Such a page sees no
// reason: its browser hides the response.
func warnOfOrigin(origin string, logger *slog.Logger) {
	if origin == "null" {
		logger.Warn("a page without an origin, such as a local file, called the API: it can't be let in, serve it over HTTP")
		return
	}
	logger.Warn(
		"a page called the API whose origin is not in LATCHKEY_CORS_ORIGINS: add the origin if the page is yours",
		"origin", origin,
	)
}

// serializeOrigin writes an origin as browsers do (RFC 6454 section 6.2, URL standard). The host is
// in lower case and ASCII, and the scheme's default port is omitted. It returns false if the text
// isn't an origin.
func serializeOrigin(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil ||
		strings.TrimPrefix(u.Path, "/") != "" || strings.ContainsAny(text, "?#*") {
		return "", false
	}
	host, err := serializeHost(u.Hostname())
	if err != nil {
		return "", false
	}
	if u.Port() == "" {
		return u.Scheme + "://" + host, true
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || port == 0 {
		return "", false
	}
	if own := map[string]uint64{"http": 80, "https": 443}[u.Scheme]; port == own {
		return u.Scheme + "://" + host, true
	}
	return fmt.Sprintf("%s://%s:%d", u.Scheme, host, port), true
}

// domains maps a domain name as browsers do. They also accept underscores (URL standard, "domain to
// ASCII").
var domains = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false), idna.StrictDomainName(false))

func serializeHost(host string) (string, error) {
	if net.ParseIP(host) == nil {
		return domains.ToASCII(host)
	}
	ip, err := netip.ParseAddr(host)
	if err == nil && ip.Is6() {
		return "[" + ip.String() + "]", nil
	}
	return ip.String(), err
}
