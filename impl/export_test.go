package impl

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// FaultHeader makes a request panic, behind all middleware; see AddFault.
const FaultHeader = "X-Test-Fault"

// AddFault lets the tests reach the 500 of every operation.
func (s *Server) AddFault() {
	s.echo.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(ec echo.Context) error {
			if what := ec.Request().Header.Get(FaultHeader); what != "" {
				panic(what)
			}
			return next(ec)
		}
	})
}

// WatchHeaders calls see with the headers of each request behind all middleware.
func (s *Server) WatchHeaders(see func(http.Header)) {
	s.echo.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(ec echo.Context) error {
			see(ec.Request().Header)
			return next(ec)
		}
	})
}

// ParseAuthorization is the function that reads an Authorization header.
var ParseAuthorization = parseAuthorization

// ErrNotAuthenticated is its only error.
var ErrNotAuthenticated = errNotAuthenticated

// Routes lists every method and path that is served, as `GET /healthz`.
func (s *Server) Routes() []string {
	return bodies(s.echo.Routes(), func(r *echo.Route) string { return r.Method + " " + r.Path })
}
