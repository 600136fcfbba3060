package main

import (
	"fmt"
	"net/netip"
)

// proxies parses the networks of the proxies and returns what is wrong with them. It refuses:
//
//   - an address with bits behind its prefix, because it is ambiguous
//   - a network of all addresses, or a very wide one. It would include clients, and they could then
//     claim any address.
func proxies(texts []string) (networks []netip.Prefix, problem string) {
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil && addr.Zone() == "" {
			network, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		switch {
		case err != nil:
			return nil, fmt.Sprintf("has %q, must be networks such as 10.0.0.0/8 or 2001:db8::/32, separated by commas", text)
		case network.Addr().Is4In6():
			return nil, fmt.Sprintf("has %q, must be written as IPv4", text)
		case network.Masked() != network:
			return nil, fmt.Sprintf("has %q, which is an address with a prefix: write %s, or %s for one address",
				text, network.Masked(), network.Addr())
		case network.Bits() == 0:
			return nil, fmt.Sprintf("has %q, which contains every address: any client could then claim any address", text)
		case network.Bits() < leastBits(network):
			return nil, fmt.Sprintf("has %q, which is too wide to contain only proxies: the widest IPv4 network is a /%d, "+
				"the widest IPv6 network a /%d or %s", text, leastBitsV4, leastBitsV6, uniqueLocal)
		}
		networks = append(networks, network)
	}
	return networks, ""
}

// The widest accepted networks. 10.0.0.0/8 is the widest private network of IPv4. Nobody owns more
// of IPv6 than a /16, apart from the private addresses (RFC 4193).
const (
	leastBitsV4 = 8
	leastBitsV6 = 16
)

var uniqueLocal = netip.MustParsePrefix("fc00::/7")

func leastBits(network netip.Prefix) int {
	switch {
	case network.Addr().Is4():
		return leastBitsV4
	case uniqueLocal.Contains(network.Addr()) && network.Bits() >= uniqueLocal.Bits():
		return uniqueLocal.Bits()
	}
	return leastBitsV6
}
