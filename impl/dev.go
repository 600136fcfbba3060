package impl

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/labstack/echo/v4"
)

// forwarding are the headers by which a proxy says that it is one.
var forwarding = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"}

// serveDev serves pages for development, to this machine only. All other clients get the response
// of a path that isn't served.
func (s *Server) serveDev(serve func(http.ResponseWriter, *http.Request) error) echo.HandlerFunc {
	return func(ec echo.Context) error {
		hr := ec.Request()
		if reason := notLocal(hr); reason != "" {
			requestOf(hr.Context()).note(slog.String("refused", reason))
			return echo.ErrNotFound
		}
		err := serve(ec.Response(), hr)
		if errors.Is(err, fs.ErrNotExist) {
			return echo.ErrNotFound
		}
		return err
	}
}

// notLocal returns why a request doesn't come from this machine, or "".
//
//   - The peer must be this machine.
//   - No proxy may be in front, because its peer may be anybody.
//   - The Host header must name this machine. A page of a stranger's whose name was made to lead
//     here (DNS rebinding) has the stranger's name in it.
func notLocal(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return "the peer isn't this machine"
	}
	for _, name := range forwarding {
		if r.Header[name] != nil {
			return "it comes through a proxy"
		}
	}
	if !isLoopback((&url.URL{Host: r.Host}).Hostname()) {
		return "the Host header doesn't name this machine"
	}
	return ""
}
