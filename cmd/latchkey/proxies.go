package main

import (
	"fmt"
	"net/netip"
)

// proxies reads the networks of the proxies, and says what is wrong with them. What could mean more than one thing is refused: an
// address with bits behind its prefix, and a network that is everybody, with which any client could say that it is any other.
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
			return nil, fmt.Sprintf("has %q, which is an address with a prefix: write %s, or %s for the one address",
				text, network.Masked(), network.Addr())
		case network.Bits() == 0:
			return nil, fmt.Sprintf("has %q, which is everybody: anyone could then claim any address", text)
		}
		networks = append(networks, network)
	}
	return networks, ""
}
