package impl_test

import (
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// remoteOf returns the address in the log, which the request is counted under.
func remoteOf(t *testing.T, h *impltest.Harness, headers ...string) string {
	t.Helper()
	before := len(h.Log.String())
	h.Do(t, h.Request("GET", impltest.MePath, "", headers...))
	found := regexp.MustCompile(` remote=(\S+)`).FindStringSubmatch(h.Log.String()[before:])
	if found == nil {
		t.Fatal("the log has no address")
	}
	return found[1]
}

// H-3: forwarding headers count only as far as our own proxies have written them. The tests connect
// from 127.0.0.1.
func TestH3_Spoofing(t *testing.T) {
	t.Parallel()
	const peer, client, spoofed = "127.0.0.1", "203.0.113.7", "198.51.100.66"
	long := strings.TrimSuffix(strings.Repeat(spoofed+", ", 1000), ", ")
	for _, row := range []struct {
		name    string
		proxies string
		headers []string
		want    string
	}{
		{"nothing is trusted", "", []string{"X-Forwarded-For", spoofed, "Forwarded", "for=" + spoofed, "X-Real-IP", spoofed}, peer},
		{"other proxies are trusted", "10.0.0.0/8", []string{"X-Forwarded-For", spoofed}, peer},
		{"no header", "127.0.0.1/32", nil, peer},
		{"one entry", "127.0.0.1/32", []string{"X-Forwarded-For", client}, client},
		{"an entry of the client's before it", "127.0.0.1/32", []string{"X-Forwarded-For", spoofed + ", " + client}, client},
		{"a line of the client's before it", "127.0.0.1/32", []string{"X-Forwarded-For", spoofed, "X-Forwarded-For", client}, client},
		{"a proxy between", "127.0.0.1/32 10.0.0.0/8", []string{"X-Forwarded-For", spoofed + "," + client + ",10.1.2.3"}, client},
		{"the client claims to be a proxy", "127.0.0.1/32 10.0.0.0/8", []string{"X-Forwarded-For", "10.6.6.6, " + client}, client},
		{"only proxies", "127.0.0.1/32 10.0.0.0/8", []string{"X-Forwarded-For", "10.1.1.1, 10.2.2.2"}, "10.1.1.1"},
		{"a port", "127.0.0.1/32", []string{"X-Forwarded-For", client + ":4711"}, client},
		{"IPv6", "127.0.0.1/32", []string{"X-Forwarded-For", spoofed + ", 2001:db8::7"}, "2001:db8::7"},
		{"IPv6 in brackets, with a port", "127.0.0.1/32", []string{"X-Forwarded-For", "[2001:db8::7]:4711"}, "2001:db8::7"},
		{"IPv6 in another spelling", "127.0.0.1/32", []string{"X-Forwarded-For", "2001:0DB8:0:0::7"}, "2001:db8::7"},
		{"IPv4 within IPv6", "127.0.0.1/32", []string{"X-Forwarded-For", "::ffff:" + client}, client},
		{"a zone", "127.0.0.1/32", []string{"X-Forwarded-For", "fe80::1%eth0"}, peer},
		{"no address", "127.0.0.1/32", []string{"X-Forwarded-For", spoofed + ", unknown"}, peer},
		{"an empty entry", "127.0.0.1/32", []string{"X-Forwarded-For", spoofed + ", "}, peer},
		{"octal", "127.0.0.1/32", []string{"X-Forwarded-For", "0203.0.113.7"}, peer},
		{"X-Real-IP", "127.0.0.1/32", []string{"X-Real-IP", spoofed}, peer},
		{"Forwarded", "127.0.0.1/32", []string{"Forwarded", `for=` + spoofed + `, for=` + client + `;proto=https;by=127.0.0.1`}, client},
		{"Forwarded, IPv6", "127.0.0.1/32", []string{"Forwarded", `For="[2001:db8::7]:4711"`}, "2001:db8::7"},
		{"Forwarded, hidden", "127.0.0.1/32", []string{"Forwarded", `for=` + spoofed + `, for=_hidden`}, peer},
		{"Forwarded, twice in one element", "127.0.0.1/32", []string{"Forwarded", `for=` + client + `;for=` + spoofed}, peer},
		{"Forwarded, without for", "127.0.0.1/32", []string{"Forwarded", `for=` + spoofed + `, proto=https`}, peer},
		{"Forwarded, an open quote", "127.0.0.1/32", []string{"Forwarded", `for="` + spoofed}, peer},
		{"both headers, one mind", "127.0.0.1/32", []string{"Forwarded", "for=" + client, "X-Forwarded-For", client}, client},
		{"both headers, two minds", "127.0.0.1/32", []string{"Forwarded", "for=" + spoofed, "X-Forwarded-For", client}, peer},
		{"a thousand entries", "127.0.0.1/32", []string{"X-Forwarded-For", long}, spoofed},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var o impltest.Options
			for network := range strings.FieldsSeq(row.proxies) {
				o.Proxies = append(o.Proxies, netip.MustParsePrefix(network))
			}
			if got := remoteOf(t, impltest.New(t, o), row.headers...); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

// H-3: a peer that isn't our proxy can't leave its budget by naming other addresses.
func TestH3_SpoofedAddressesShareABudget(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Limits: true})
	for i := range 200 {
		r := h.LoginRequest(
			"username",
			"nobody"+string(rune('a'+i%26))+string(rune('a'+i/26))+"@example.com",
			"password",
			"a wrong password",
		)
		r.Header.Set("X-Forwarded-For", netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}).String())
		want := 401
		if i >= 100 {
			want = 429
		}
		if a := h.Do(t, r); a.Status != want {
			t.Fatalf("attempt %d: got %d, want %d", i, a.Status, want)
		}
	}
}

// H-3: the log names a proxy that isn't configured, once. A distant client can't cause such a line.
func TestH3_AProxyThatIsNotNamed(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, proxies, peer string
		headers             []string
		want                int
	}{
		{"on this machine", "10.0.0.0/8", "127.0.0.1:4711", []string{"X-Forwarded-For", "203.0.113.7"}, 1},
		{"in a private network", "", "[fd00::7]:4711", []string{"Forwarded", "for=203.0.113.7"}, 1},
		{"named", "10.0.0.0/8", "10.0.0.7:4711", []string{"X-Forwarded-For", "203.0.113.7"}, 0},
		{"named, at a socket for both families", "10.0.0.0/8", "[::ffff:10.0.0.7]:4711", []string{"X-Forwarded-For", "203.0.113.7"}, 0},
		{"no header", "", "127.0.0.1:4711", nil, 0},
		{"anybody", "", "203.0.113.7:4711", []string{"X-Forwarded-For", "198.51.100.66"}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var o impltest.Options
			for network := range strings.FieldsSeq(row.proxies) {
				o.Proxies = append(o.Proxies, netip.MustParsePrefix(network))
			}
			h := impltest.New(t, o)
			for range 2 {
				r := h.Request("GET", impltest.MePath, "", row.headers...)
				r.RemoteAddr = row.peer
				h.Server.ServeHTTP(httptest.NewRecorder(), r)
			}
			if got := strings.Count(h.Log.String(), "level=WARN msg=\"a proxy that is not trusted"); got != row.want {
				t.Errorf("told %d times, want %d:\n%s", got, row.want, h.Log)
			}
		})
	}
}
