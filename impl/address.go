package impl

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxHops bounds how many entries of a forwarding header are looked at: more proxies than anybody has.
const maxHops = 32

// clientAddress is where a request comes from: the socket's peer, unless that is one of our proxies. Then it is the last
// address in Forwarded (RFC 7239) or X-Forwarded-For that is not one of our proxies too: what stands before it, anybody may have
// written. An entry that is no address ends the search, at the proxy that has passed it on.
//
// A proxy writes one of the two headers and passes the other one on as the client sent it. If both are there and differ,
// neither is believed, and the request counts as the proxy's own.
func clientAddress(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap()
	if !isTrusted(addr, trusted) {
		return addr
	}
	forwarded, byForwarded := walk(addr, forwardedFor(r.Header.Values("Forwarded")), trusted)
	plain, byPlain := walk(addr, splitList(r.Header.Values("X-Forwarded-For")), trusted)
	switch {
	case byForwarded && byPlain && forwarded != plain:
		return addr
	case byForwarded:
		return forwarded
	}
	return plain
}

// warnOfProxy says once in the log that a request seems to come through a proxy that isn't named: a peer nearby has sent a forwarding header, which
// isn't believed. All who come that way count as one address.
func (s *Server) warnOfProxy(r *http.Request) {
	if r.Header["X-Forwarded-For"] == nil && r.Header["Forwarded"] == nil {
		return
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	addr := peer.Addr().Unmap()
	if err != nil || !addr.IsLoopback() && !addr.IsPrivate() || isTrusted(addr, s.proxies) {
		return
	}
	s.unnamedProxy.Do(func() {
		s.logger.Warn("LATCHKEY_TRUSTED_PROXIES doesn't name a proxy that seems to be in front: whoever comes through it shares its address's limits", "peer", addr.String())
	})
}

// walk goes back from the peer through what the proxies have written, last entry first, as long as it meets proxies of ours.
// It tells whether there was anything.
func walk(peer netip.Addr, entries []string, trusted []netip.Prefix) (netip.Addr, bool) {
	at := peer
	for i := len(entries) - 1; i >= max(0, len(entries)-maxHops); i-- {
		addr, ok := parseNode(entries[i])
		if !ok {
			break
		}
		at = addr
		if !isTrusted(addr, trusted) {
			break
		}
	}
	return at, len(entries) > 0
}

// scheme is how the client has reached the server: as one of our proxies says, if it is one that asks, and else without TLS.
func scheme(r *http.Request, trusted []netip.Prefix) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err == nil && isTrusted(peer.Addr().Unmap(), trusted) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		return "https"
	}
	return "http"
}

func isTrusted(addr netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// splitList reads a list field (RFC 9110 section 5.6.1), over all its lines.
func splitList(values []string) []string {
	var entries []string
	for _, value := range values {
		for entry := range strings.SplitSeq(value, ",") {
			entries = append(entries, strings.TrimSpace(entry))
		}
	}
	return entries
}

// forwardedFor are the `for` parameters of a Forwarded header, "" for an element without one, or one that can't be read.
func forwardedFor(values []string) []string {
	var nodes []string
	// No address has a comma or a semicolon in it, so that a quoted one is no reason to read quoted strings.
	for _, element := range splitList(values) {
		node := ""
		for pair := range strings.SplitSeq(element, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if !strings.EqualFold(name, "for") {
				continue
			}
			if node != "" {
				node = "" // twice: RFC 7239 section 4
				break
			}
			node = unquote(value)
		}
		nodes = append(nodes, node)
	}
	return nodes
}

func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// parseNode reads an address with or without a port: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1], [2001:db8::1]:80.
func parseNode(s string) (netip.Addr, bool) {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	} else {
		s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	}
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}
