package impl

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/net/http/httpguts"
)

const (
	// preflightAge is how long a browser may reuse the response to a preflight. Browsers cap it at
	// two hours.
	preflightAge = 10 * time.Minute
	// maxAskedHeaders bounds how many headers a preflight may ask for.
	maxAskedHeaders = 64
	// maxReportedOrigins bounds how many refused origins are reported in each reportPeriod, because
	// a client can send any number of them.
	maxReportedOrigins = 32
	reportPeriod       = time.Hour
	// maxOrigin is more bytes than a browser's Origin has: a host has at most 253.
	maxOrigin = 300

	exposedHeaders = "ETag,Link,Location,RateLimit,RateLimit-Policy,Retry-After,WWW-Authenticate,X-Request-Id"
)

// letOriginsIn implements the CORS protocol (Fetch standard). Below /api it allows the given
// origins, below /.well-known every origin. Any other origin gets the same response as without
// CORS: a preflight is refused, as every OPTIONS request is. Credentials in the protocol's sense
// are cookies. The given origins may send them only if sessions are kept in cookies, and no other
// origin ever.
func letOriginsIn(origins []string, withCookies bool) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(ec echo.Context) error {
			hr, h := ec.Request(), ec.Response().Header()
			switch {
			case strings.HasPrefix(hr.URL.Path, "/.well-known/"):
				if isPreflight(ec) {
					return answerPreflight(ec, "*")
				}
				return next(ec)
			case !strings.HasPrefix(hr.URL.Path, "/api/") || len(origins) == 0:
				return next(ec)
			}
			// The headers depend on the origin, which a cache has to know.
			h.Set("Vary", "Origin")
			from := hr.Header.Values("Origin")
			switch {
			case len(from) != 1 || !slices.Contains(origins, from[0]):
			case isPreflight(ec):
				allowCredentials(h, withCookies)
				return answerPreflight(ec, from[0])
			case hr.Method != http.MethodOptions:
				allowCredentials(h, withCookies)
				h.Set("Access-Control-Allow-Origin", from[0])
				h.Set("Access-Control-Expose-Headers", exposedHeaders)
			}
			return next(ec)
		}
	}
}

func allowCredentials(h http.Header, withCookies bool) {
	if withCookies {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
}

// isPreflight reports whether a request is a whole preflight, for a path that exists.
func isPreflight(ec echo.Context) bool {
	hr := ec.Request()
	_, exists := allowed(ec)
	return hr.Method == http.MethodOptions && exists && hr.Header.Get("Origin") != "" &&
		hr.Header.Get("Access-Control-Request-Method") != ""
}

// answerPreflight allows the path's methods and all headers that are asked for. An allowed page may
// send any header. One that we don't know, such as traceparent, has no effect.
func answerPreflight(ec echo.Context, origin string) error {
	methods, _ := allowed(ec)
	h := ec.Response().Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Max-Age", strconv.Itoa(int(preflightAge.Seconds())))
	h.Set("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
	if asked := askedHeaders(ec.Request().Header); len(asked) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.Join(asked, ","))
	}
	return ec.NoContent(http.StatusNoContent)
}

// askedHeaders returns the names of the headers that a preflight asks for. It returns none if one
// of them isn't a valid name.
func askedHeaders(h http.Header) []string {
	var names []string
	for _, name := range splitList(h.Values("Access-Control-Request-Headers")) {
		if !httpguts.ValidHeaderFieldName(name) || len(names) == maxAskedHeaders {
			return nil
		}
		names = append(names, name)
	}
	return names
}

// crossOrigin refuses what a page of another origin makes its visitor's browser send: a form can be
// posted to anywhere, and ten posts of the login's form would use up the visitor's own budget.
type crossOrigin struct{ check *http.CrossOriginProtection }

func newCrossOrigin(origins []string, publicURL string) (crossOrigin, error) {
	check := http.NewCrossOriginProtection()
	if u, err := url.Parse(publicURL); err == nil && u.Host != "" {
		origins = append(slices.Clone(origins), u.Scheme+"://"+u.Host) // our own pages, where a proxy rewrites Host
	}
	for _, origin := range origins {
		if err := check.AddTrustedOrigin(origin); err != nil {
			return crossOrigin{}, err
		}
	}
	return crossOrigin{check}, nil
}

// refuse checks Sec-Fetch-Site, or Origin if the browser doesn't send Sec-Fetch-Site. A request
// with neither header doesn't come from a page. If the request has the cookie of a session, the
// refusal says that its origin may not use it.
func (c crossOrigin) refuse(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		hr := ec.Request()
		switch r := requestOf(hr.Context()); {
		case r.operation == noOperation || c.check.Check(hr) == nil:
			return next(ec)
		case len(r.cookies) > 0:
			return errOriginNotAllowed
		}
		return errCrossOrigin
	}
}

// report calls f for each origin that isn't let in and whose page calls the API: once for each
// origin in each [reportPeriod], and at most [maxReportedOrigins] times in all. The origin of a
// page that has none is "null".
func (c crossOrigin) report(f func(origin string), now func() time.Time) echo.MiddlewareFunc {
	var (
		mu       sync.Mutex
		began    time.Time
		reported = map[string]bool{}
	)
	isNew := func(origin string) bool {
		mu.Lock()
		defer mu.Unlock()
		if at := now(); at.Sub(began) >= reportPeriod {
			began = at
			clear(reported)
		}
		if reported[origin] || len(reported) == maxReportedOrigins {
			return false
		}
		reported[origin] = true
		return true
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(ec echo.Context) error {
			hr := ec.Request()
			from := hr.Header.Values("Origin")
			if len(from) != 1 || from[0] == "" || len(from[0]) > maxOrigin || !strings.HasPrefix(hr.URL.Path, "/api/") {
				return next(ec)
			}
			changing := *hr
			changing.Method = http.MethodPost // the check lets methods pass that change nothing
			if f != nil && c.check.Check(&changing) != nil && isNew(from[0]) {
				f(from[0])
			}
			return next(ec)
		}
	}
}
