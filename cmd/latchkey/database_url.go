package main

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/latchkey-auth/latchkey/impl/secret"
)

// databaseURL returns the URL in the form that the driver accepts. libpq allows the folder of a
// socket in place of the host, with escaped slashes (PostgreSQL 34.1.1.2). Go's net/url doesn't.
func databaseURL(secret secret.Text) string {
	text := secret.Reveal()
	parts := authority.FindStringSubmatch(text)
	if parts == nil || !strings.Contains(strings.ToLower(parts[3]), "%2f") {
		return text
	}
	scheme, user, path, query := parts[1], parts[2], parts[4], parts[5]
	var hosts, ports []string
	for host := range strings.SplitSeq(parts[3], ",") {
		port := ""
		if at := strings.LastIndexByte(host, ':'); at > strings.LastIndexByte(host, ']') {
			host, port = host[:at], host[at+1:]
		}
		name, err := url.PathUnescape(strings.Trim(host, "[]"))
		if err != nil {
			return text
		}
		hosts, ports = append(hosts, name), append(ports, port)
	}
	if query != "" {
		query += "&"
	}
	query += "host=" + url.PathEscape(strings.Join(hosts, ","))
	if strings.Trim(strings.Join(ports, ""), " ") != "" {
		query += "&port=" + strings.Join(ports, ",")
	}
	return scheme + user + path + "?" + query
}

// authority splits a URL into scheme, user, hosts, path and query.
var authority = regexp.MustCompile(`^(postgres(?:ql)?://)([^/?#]*@)?([^/?#@]*)(/[^?#]*)?(?:\?([^#]*))?$`)
