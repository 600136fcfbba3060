package impl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/contract"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

const (
	cookieName = "latchkey-refresh"
	// securePrefix lets a browser take the cookie only over TLS (RFC 6265bis section 4.1.3.1).
	securePrefix = "__Secure-"
	// cookiePath is that of the login's operations: a browser sends the cookie nowhere else.
	cookiePath = "/api/users/login/"
)

// refreshCookie is the cookie that keeps a session's refresh token in a browser, where no script
// can read it. Everything about it is derived from the public URL, and nothing from a request.
type refreshCookie struct {
	name, path string
	isSecure   bool
	// origins are those whose pages may refresh by the cookie.
	origins []string
}

var errCookieURL = errors.New(
	"sessions in cookies need a public URL, with https, or with http at a loopback address",
)

func newRefreshCookie(publicURL string, origins []string) (*refreshCookie, error) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return nil, errCookieURL
	}
	c := &refreshCookie{
		name: cookieName, path: u.EscapedPath() + cookiePath, isSecure: u.Scheme == "https",
		origins: append(slices.Clone(origins), u.Scheme+"://"+u.Host),
	}
	if c.isSecure {
		c.name = securePrefix + cookieName
	}
	if err := (&http.Cookie{Name: c.name, Path: c.path}).Valid(); err != nil {
		return nil, fmt.Errorf("the public URL has no path for a cookie: %w", err)
	}
	return c, nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// takeCookies takes the cookies out of a request, so that nothing else can read one. It keeps the
// session's for an operation whose `security` names it.
func (s *Server) takeCookies(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		hr := ec.Request()
		r := requestOf(hr.Context())
		if s.cookie != nil && r.operation.TakesCookie {
			for _, cookie := range hr.CookiesNamed(s.cookie.name) {
				r.cookies = append(r.cookies, secret.New(cookie.Value))
			}
			r.origins = hr.Header.Values("Origin")
		}
		hr.Header.Del("Cookie")
		return next(ec)
	}
}

var (
	errNoCookie       = fmt.Errorf("%w: there is no cookie", auth.ErrInvalidRefresh)
	errSeveralCookies = fmt.Errorf("%w: there are several cookies", auth.ErrInvalidRefresh)
)

// token returns the refresh token in a request's cookie.
//
// A sibling domain can add a cookie of the same name, and choose which one comes first. If one of
// several were tried, the user could go on in the session of a stranger. So none is tried, and none
// is removed: that would leave the stranger's alone.
func (c *refreshCookie) token(r *request) (secret.Text, error) {
	switch {
	case len(r.cookies) == 0:
		return secret.Text{}, errNoCookie
	case len(r.origins) != 1 || !slices.Contains(c.origins, r.origins[0]):
		return secret.Text{}, errOriginNotAllowed
	case len(r.cookies) > 1:
		return secret.Text{}, errSeveralCookies
	}
	return r.cookies[0], nil
}

// isSpent reports whether a refresh by the cookie has failed for good. A token of another user than
// that of the access token beside it may be good: another tab has logged in since.
func isSpent(err error) bool {
	return errors.Is(err, auth.ErrRefreshReused) ||
		errors.Is(err, auth.ErrInvalidRefresh) && !errors.Is(err, auth.ErrOtherOwner)
}

func (c *refreshCookie) set(r *request, token secret.Text, seconds int) {
	cookie := http.Cookie{
		Name: c.name, Value: token.Reveal(), Path: c.path, MaxAge: seconds,
		HttpOnly: true, Secure: c.isSecure, SameSite: http.SameSiteStrictMode,
	}
	r.answer.Set("Set-Cookie", cookie.String())
}

// remove has the browser delete the cookie, if the server has such cookies.
func (c *refreshCookie) remove(r *request) {
	if c != nil {
		c.set(r, secret.Text{}, -1)
	}
}

// checkDelivery adds a violation if tokens are wanted in a cookie, and the server has none.
func (s *Server) checkDelivery(fields map[string]any, found *contract.Violations) {
	if s.cookie == nil && fields["token_delivery"] == string(api.Cookie) {
		found.Add("/token_delivery", "not_allowed", "The server keeps no sessions in cookies.")
	}
}

func isByCookie(delivery *api.TokenDelivery) bool { return value(delivery) == string(api.Cookie) }

// deliver returns the tokens of a grant for the body, and sets the cookie if the refresh token is
// delivered by it.
func (s *Server) deliver(ctx context.Context, g auth.Grant, delivery *api.TokenDelivery) api.Token {
	if g.IsExtDropped {
		requestOf(ctx).note(slog.String("ext", "too_large"))
	}
	if isByCookie(delivery) {
		s.cookie.set(requestOf(ctx), g.Refresh, int(refreshSeconds(g)))
	}
	return tokenBody(g, delivery)
}
