// Package impl is the thin layer between the contract and the auth service. It turns requests that
// the contract allows into calls of [auth.Service], and the results and errors into the contract's
// responses.
//
// A request passes the middleware that [New] lists, then the generated stub, then one method of
// [Server], a file for each tag of the contract. All of them return errors and never write them.
// The one table in errors.go has the status, the code and the headers of each error. A response
// that a method returns together with an error is not sent.
package impl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/contract"
	"github.com/latchkey-auth/latchkey/impl/docs"
)

// Options are what a [Server] is made of. Logger and Now are required.
type Options struct {
	// Logger gets one line for each request.
	Logger *slog.Logger
	// Now is the clock.
	Now func() time.Time
	// Origins are those whose pages may call the API from a browser, as `https://app.example.com`;
	// none is the default.
	Origins []string
	// OriginRefused is called for each other origin whose page calls the API: once in each period
	// of an hour, and for at most 32 of them. The origin is as the client sent it, at most 300
	// bytes, or "null" for a page without one. OriginRefused may be nil.
	OriginRefused func(origin string)
	// Proxies are the networks of our own proxies, whose word counts on where a request comes from;
	// none is the default.
	Proxies []netip.Prefix
	// PublicURL is where clients find the service, such as `https://example.com/auth`; empty where
	// a request says it.
	PublicURL string
	// SessionCookies lets clients have the refresh token in a cookie. PublicURL is then required.
	SessionCookies bool
	// Dev serves the paths below /dev/, to this machine only. It fails with [fs.ErrNotExist] for a
	// path that isn't served. Nil serves nothing.
	Dev func(http.ResponseWriter, *http.Request) error
	// Timeouts bound what a client or the database may take; zero values are replaced by
	// [DefaultTimeouts].
	Timeouts Timeouts
	// Observe is called after each response with the id of its operation, which is empty for a path
	// that the contract doesn't have. Requests wait for it. Nil observes nothing.
	Observe func(operation string, status int, took time.Duration)
}

// Server serves every path that Latchkey serves.
type Server struct {
	echo     *echo.Echo
	auth     *auth.Service
	ready    func(context.Context) error
	logger   *slog.Logger
	now      func() time.Time
	observe  func(operation string, status int, took time.Duration)
	timeouts Timeouts
	proxies  []netip.Prefix
	// publicURL has no slash at its end.
	publicURL string
	// cookie keeps sessions in browsers; nil without such sessions.
	cookie *refreshCookie
	// problems are the contract's texts on each code of an error.
	problems map[string]docs.Problem
	// issuerPath is the path of an issuer that is an address, under which its metadata is found
	// too.
	issuerPath string
	// started is set once auth and ready are.
	started  atomic.Bool
	draining atomic.Bool
	// probedStart and probedStop are set once the log has a probe of the starting or stopping
	// server.
	probedStart, probedStop atomic.Bool
	// unnamedProxy limits the warning about a proxy that is not named to one.
	unnamedProxy sync.Once
}

var _ api.StrictServerInterface = (*Server)(nil)

// readContract reads the contract once for all servers of the process.
var readContract = sync.OnceValues(func() (*contract.Document, error) { return contract.Read(api.ContractJSON) })

// New makes a [Server] whose service can't serve yet. Until [Server.Begin] only the liveness check
// succeeds, and everything else gets a 503. New fails without a logger or a clock.
func New(o Options) (*Server, error) {
	switch {
	case o.Logger == nil:
		return nil, errors.New("impl: no logger")
	case o.Now == nil:
		return nil, errors.New("impl: no clock")
	}
	s := &Server{
		logger: o.Logger, now: o.Now, observe: o.Observe, timeouts: o.Timeouts.orDefault(), proxies: o.Proxies,
		publicURL: strings.TrimSuffix(o.PublicURL, "/"),
	}
	crossOrigin, err := newCrossOrigin(o.Origins, s.publicURL)
	if err != nil {
		return nil, fmt.Errorf("impl: %w", err)
	}
	if o.SessionCookies {
		if s.cookie, err = newRefreshCookie(s.publicURL, o.Origins); err != nil {
			return nil, fmt.Errorf("impl: %w", err)
		}
	}
	document, err := readContract()
	if err != nil {
		return nil, fmt.Errorf("impl: %w", err)
	}
	plan, err := contract.New(document, s.rules())
	if err != nil {
		return nil, fmt.Errorf("impl: %w", err)
	}
	if s.problems, err = docs.ReadProblems(plan.Extensions["x-latchkey-problems"]); err != nil {
		return nil, fmt.Errorf("impl: read the contract: %w", err)
	}
	known := newRoutes(plan)

	e := echo.New()
	e.HTTPErrorHandler = s.writeError
	e.Use(s.startRequest(known, // the operation, the request's id, and who sends it; then
		s.account,
		recoverPanics,
		setSecurityHeaders,
		s.takeCookies,
		crossOrigin.report(o.OriginRefused, o.Now),
		letOriginsIn(o.Origins, o.SessionCookies),
		s.refuseWhileStarting,
		crossOrigin.refuse,
		s.limitTime,
		limitBody,
		refuseEmptySegments,
		refuseMethods,
		s.authenticate,  // as the operation's security demands
		validateRequest, // the path, the query string, headers and body, against the operation's schemas
	))
	api.RegisterHandlers(e, api.NewStrictHandler(s, nil))
	if err := known.covers(e.Routes()); err != nil {
		return nil, fmt.Errorf("impl: %w", err)
	}
	for path, page := range docs.Pages(ContractPages(), s.problems) {
		e.GET(path, echo.WrapHandler(page))
	}
	if o.Dev != nil {
		e.GET("/dev/*", s.serveDev(o.Dev))
	}
	s.echo = e
	return s, nil
}

// Begin lets the server serve. It is called once, and fails without a service or a readiness check.
// ready returns nil if the database is reachable and has a schema that this binary can use.
// Otherwise it returns an error, which may be [ErrSchemaOutdated], [ErrSchemaTooNew], [ErrReadOnly]
// or [ErrKeysUnavailable].
func (s *Server) Begin(service *auth.Service, ready func(context.Context) error) error {
	switch {
	case service == nil:
		return errors.New("impl: no auth service")
	case ready == nil:
		return errors.New("impl: no readiness check")
	}
	s.auth, s.ready = service, ready
	if u, err := url.Parse(issuerURL(service.Issuer())); err == nil {
		s.issuerPath = u.Path
	}
	s.started.Store(true)
	return nil
}

// ServeHTTP serves one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	addTrailingSlash(r.URL)
	if s.started.Load() {
		s.ofIssuer(r.URL)
	}
	if r.Method == http.MethodHead {
		r = asGet(r)
	}
	if r.ContentLength == 0 {
		s.echo.ServeHTTP(w, r)
		return
	}
	s.serveWithBody(w, r)
}

// Drain makes the readiness check fail from now on, so that a load balancer sends no more requests
// here.
func (s *Server) Drain() { s.draining.Store(true) }

// Roles returns the roles of the contract.
func Roles() (auth.Roles, error) {
	roles, err := contract.ReadRoles(api.ContractJSON)
	return auth.Roles(roles), err
}

// ContractPages returns the contract that this server holds itself to, in both its forms.
func ContractPages() docs.Contract {
	return docs.Contract{JSON: api.ContractJSON, YAML: api.ContractYAML}
}
