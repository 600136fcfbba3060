package impl

import (
	"net"
	"net/http"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
)

// source is where a request comes from, and the address under which its client found the server.
type source struct {
	address netip.Addr
	// scheme is http or https. prefix is empty, or a path without a slash at its end. The client
	// chooses the host, so it may be used only in a response to that client.
	scheme, host, prefix string
}

// sourceOf returns where a request comes from. The address is that of the socket's peer, unless the
// peer is one of our proxies. Then it is the last address in Forwarded (RFC 7239) or
// X-Forwarded-For that is not one of our proxies: anybody may have written the entries before it.
// An entry that is no address ends the search at the proxy that passed it on. Scheme and host are
// those that the proxy wrote which saw the address.
//
// A proxy writes one of the two headers, and passes the other one on as the client sent it. If both
// headers are there and differ, neither is used, and the address is that of the proxy.
func sourceOf(r *http.Request, trusted []netip.Prefix) source {
	s := source{scheme: "http", host: r.Host}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return s
	}
	s.address = peer.Addr().Unmap()
	if !isTrusted(s.address, trusted) {
		return s
	}
	elements := parseForwarded(r.Header.Values("Forwarded"))
	forwarded, at := walk(
		s.address, bodies(elements, func(e element) string { return e.node }), trusted,
	)
	entries := splitList(r.Header.Values("X-Forwarded-For"))
	plain, plainAt := walk(s.address, entries, trusted)
	switch {
	case len(elements) > 0 && len(entries) > 0 && forwarded != plain:
		return s
	case len(elements) > 0:
		s.address = forwarded
		s.take(elements[at].proto, elements[at].host, "")
		return s
	}
	s.address = plain
	// The value of a proxy is as far from the end as its address.
	value := func(name string) string {
		values := splitList(r.Header.Values(name))
		if len(values) == 0 {
			return ""
		}
		return values[min(len(values)-1, max(0, len(values)-max(1, len(entries))+plainAt))]
	}
	scheme := value("X-Forwarded-Proto")
	if len(entries) == 0 { // without addresses the number of proxies is unknown, and the first value is used
		scheme, _, _ = strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	}
	s.take(strings.TrimSpace(scheme), value("X-Forwarded-Host"), value("X-Forwarded-Prefix"))
	return s
}

var (
	hostForm   = regexp.MustCompile(`^([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?$`)
	prefixForm = regexp.MustCompile(`^(/[A-Za-z0-9._~-]{1,64}){1,8}/?$`)
)

// take keeps those values of a proxy that are valid.
func (s *source) take(scheme, host, prefix string) {
	if scheme = strings.ToLower(scheme); scheme == "https" || scheme == "http" {
		s.scheme = scheme
	}
	if hostForm.MatchString(host) {
		s.host = host
	}
	if prefixForm.MatchString(prefix) && path.Clean(prefix) == strings.TrimSuffix(prefix, "/") {
		s.prefix = path.Clean(prefix)
	}
}

// warnOfProxy logs once that a request seems to come through a proxy that isn't trusted: a peer
// with a private address has sent a forwarding header. The header is ignored, so all clients of
// that proxy count as one address.
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
		s.logger.Warn(
			"a proxy that is not trusted seems to be in front: its clients share its limits", "peer", addr.String(),
		)
	})
}

// walk reads the entries that the proxies have written, the last one first, until an entry is not
// one of our proxies. It returns the address of that entry, and its index.
func walk(peer netip.Addr, entries []string, trusted []netip.Prefix) (netip.Addr, int) {
	at, index := peer, max(0, len(entries)-1)
	for i := len(entries) - 1; i >= 0; i-- {
		addr, ok := parseNode(entries[i])
		if !ok {
			break
		}
		at, index = addr, i
		if !isTrusted(addr, trusted) {
			break
		}
	}
	return at, index
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

// element is one element of a Forwarded header, which one proxy has written. A parameter that is
// missing, or that stands twice (RFC 7239 section 4), is empty.
type element struct{ node, proto, host string }

// parseForwarded returns the elements of a Forwarded header. It splits at each comma and semicolon,
// also in quoted strings, because no useful value contains one.
func parseForwarded(values []string) []element {
	var elements []element
	for _, text := range splitList(values) {
		parameters := map[string]string{}
		for pair := range strings.SplitSeq(text, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			name = strings.ToLower(name)
			if _, twice := parameters[name]; twice {
				value = ""
			}
			parameters[name] = unquote(value)
		}
		elements = append(elements, element{parameters["for"], parameters["proto"], parameters["host"]})
	}
	return elements
}

func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// parseNode reads an address with or without a port: 192.0.2.1, 192.0.2.1:80, 2001:db8::1,
// [2001:db8::1], [2001:db8::1]:80.
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
