package main

import (
	"strings"
	"testing"
)

// H-3: networks that contain all addresses are refused, in one piece or in several.
func TestH3_Proxies(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10.0.0.0/8":             "",
		"172.16.0.0/12":          "",
		"192.0.2.1":              "",
		"fc00::/7":               "",
		"fd00::/8":               "",
		"2001:db8::/32":          "",
		"2600::/16":              "",
		"2001:db8::1":            "",
		"0.0.0.0/0":              "every address",
		"::/0":                   "every address",
		"0.0.0.0/1":              "too wide",
		"128.0.0.0/1":            "too wide",
		"192.0.0.0/7":            "too wide",
		"2000::/3":               "too wide",
		"8000::/1":               "too wide",
		"fc00::/6":               "too wide",
		"2600::/15":              "too wide",
		"10.1.2.3/8":             "an address with a prefix",
		"::ffff:10.0.0.0/104":    "written as IPv4",
		"proxy.internal":         "must be networks",
		"fe80::1%eth0":           "must be networks",
		"10.0.0.0/8;10.0.0.0/16": "must be networks",
	} {
		networks, problem := proxies([]string{text})
		if !strings.Contains(problem, want) || (problem == "") != (want == "") || len(networks) != 1 && want == "" {
			t.Errorf("%s: got %v, %q, want %q", text, networks, problem, want)
		}
	}
}
