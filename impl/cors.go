package impl

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// preflightAge is how long a browser may go by the answer to a preflight. Browsers cap it at two hours.
const preflightAge = 10 * time.Minute

// letOriginsIn answers the CORS protocol (Fetch standard) at the paths below /api for pages of the given origins. Any
// other origin gets what it would get without: a preflight from there is refused as every OPTIONS is.
// Credentials in the protocol's sense are cookies, and are never allowed: a page sends its token by itself.
func letOriginsIn(origins []string) echo.MiddlewareFunc {
	if len(origins) == 0 {
		return func(next echo.HandlerFunc) echo.HandlerFunc { return next }
	}
	protocol := middleware.CORSWithConfig(middleware.CORSConfig{
		AllowOrigins:  origins,
		AllowHeaders:  []string{"Authorization", "Content-Type"},
		ExposeHeaders: []string{"Location", "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-Id"},
		MaxAge:        int(preflightAge.Seconds()),
	})
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		letIn := protocol(next)
		return func(ec echo.Context) error {
			if !strings.HasPrefix(ec.Request().URL.Path, "/api/") {
				return next(ec)
			}
			if !isFrom(ec, origins) {
				// For a cache it matters that with another origin there would be more headers.
				ec.Response().Header().Set("Vary", "Origin")
				return next(ec)
			}
			return letIn(ec)
		}
	}
}

// isFrom tells whether a request comes from a page of one of the origins, which are compared as they stand; and, if it is
// a preflight, whether it is a whole one, for a path that exists.
func isFrom(ec echo.Context, origins []string) bool {
	hr := ec.Request()
	from := hr.Header.Values("Origin")
	if len(from) != 1 || !slices.Contains(origins, from[0]) {
		return false
	}
	return hr.Method != http.MethodOptions ||
		hr.Header.Get("Access-Control-Request-Method") != "" && ec.Get(echo.ContextKeyHeaderAllow) != nil
}
