package main

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// checkOrigins refuses what no browser sends as an Origin, since it would silently let nobody in; and the wildcard,
// with which any page could try passwords from the addresses of those who look at it.
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

// serializeOrigin writes an origin as browsers do (RFC 6454 section 6.2, URL standard): the host in lower case and ASCII,
// a scheme's own port left out. It is false for what isn't an origin.
func serializeOrigin(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || strings.TrimPrefix(u.Path, "/") != "" || strings.ContainsAny(text, "?#*") {
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

// domains maps a name as browsers do, which let names have an underscore too (URL standard, "domain to ASCII").
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
