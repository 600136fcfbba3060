package impl

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/token"
	"github.com/latchkey-auth/latchkey/impl/contract"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// request is what the middleware knows of a request. [Server.startRequest] makes one for each.
type request struct {
	id      uuid.UUID
	idText  string
	started time.Time
	// method is the one that was sent: a HEAD is served as a GET.
	method string
	url    *url.URL
	// handler is called after the middleware.
	handler echo.HandlerFunc
	source
	userAgent string // what the client calls itself
	// slashAdded says that the path was sent without its last slash.
	slashAdded bool
	// alarming makes the line in the log an error, whatever the status is.
	alarming bool
	// operation is never nil: [noOperation] stands for a path that the contract doesn't have.
	operation *contract.Operation
	// cookies are the values of the session's cookie, and origins those of the header Origin, where
	// the operation takes the cookie.
	cookies []secret.Text
	origins []string
	// answer is the header of the response.
	answer http.Header
	// principal is who the bearer token belongs to, where the operation demands one.
	principal auth.Principal
	// session holds the claims of a valid token that was sent to an operation which demands none.
	session *token.Claims
	// attrs go into the request's line in the log.
	attrs []slog.Attr
}

type requestKey struct{}

// requestOf returns the request that a strict handler's context belongs to.
func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	if r == nil {
		return &request{operation: noOperation}
	}
	return r
}

// caller returns who sends the request.
func (r *request) caller() auth.Caller {
	return auth.Caller{Address: r.address, Session: r.session, UserAgent: r.userAgent}
}

// sentPathOf returns the path as it was sent, before the last slash was added.
func sentPathOf(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	return path
}

// noOperation demands nothing and takes nothing.
var noOperation = &contract.Operation{}

// isProbe reports whether the request asks for the service's health.
func (r *request) isProbe() bool {
	return r.operation.ID == opLiveness || r.operation.ID == "GetReadiness"
}

// opLiveness is the only operation that is served before [Server.Begin].
const opLiveness = "GetLiveness"

// note adds attributes to the request's line in the log. They must not contain a secret, and what
// the client chose only if it is needed.
func (r *request) note(attrs ...slog.Attr) { r.attrs = append(r.attrs, attrs...) }

// noteUser adds the user to the request's line in the log, unless there is none, or the token of
// the request has added it.
func (r *request) noteUser(id uuid.UUID) {
	if id != uuid.Nil && r.principal.User.ID == uuid.Nil {
		r.note(slog.String("user", id.String()))
	}
}

// noteOutcome adds the outcome of a login, a refresh or a mailed code to the request's line in the
// log, and the user, or the one whose account was tried. Of a failure the log has what the client
// must not learn: the reason, and whose account it was. user may be zero.
func (r *request) noteOutcome(what string, user uuid.UUID, err error) {
	var (
		failed  *auth.LoginError
		held    *auth.UnverifiedError
		guessed *auth.GuessError
		limited *auth.LimitedError
	)
	outcome := "error"
	switch {
	case err == nil:
		outcome = "ok"
	case errors.As(err, &failed):
		outcome, user = failed.Reason, cmp.Or(failed.UserID, user)
		r.alarming = failed.Reason == auth.ReasonUnreadableHash
	case errors.As(err, &held):
		outcome, user = "email_unverified", cmp.Or(held.UserID, user)
	case errors.As(err, &guessed):
		outcome, user = "invalid_code", cmp.Or(guessed.UserID, user)
	case errors.Is(err, auth.ErrInvalidCode):
		outcome = "invalid_code"
	case errors.Is(err, auth.ErrRefreshReused):
		outcome = "reused"
	case errors.Is(err, auth.ErrInvalidRefresh):
		outcome = "invalid"
	case errors.As(err, &limited):
		outcome = "limited"
	case errors.Is(err, auth.ErrOverloaded):
		outcome = "overloaded"
	}
	r.note(slog.String(what, outcome))
	r.noteUser(user)
}

// No id is a secret, so uuid may keep random bytes in memory and read many at once from the kernel.
// EnableRandPool must not run while an id is made, so it runs first.
func init() { uuid.EnableRandPool() }

const headerRequestID = "X-Request-Id"

// startRequest finds the operation that the router has matched, gives the request an id, and calls
// the middleware. It builds the chain of middleware once; echo would build it for each request. An
// id that the client sends is ignored, because it would let a stranger forge lines of the log.
func (s *Server) startRequest(known routes, middleware ...echo.MiddlewareFunc) echo.MiddlewareFunc {
	chain := func(ec echo.Context) error { return requestOf(ec.Request().Context()).handler(ec) }
	for _, m := range slices.Backward(middleware) {
		chain = m(chain)
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(ec echo.Context) error {
			id, err := uuid.NewV7()
			if err != nil {
				return err
			}
			hr := ec.Request()
			r := &request{
				id:        id,
				idText:    id.String(),
				started:   s.now(),
				method:    sentMethod(hr),
				url:       hr.URL,
				source:    sourceOf(hr, s.proxies),
				userAgent: hr.UserAgent(),
				slashAdded: strings.HasSuffix(hr.URL.Path, "/") &&
					!strings.HasSuffix(sentPathOf(hr), "/"),
				operation: cmp.Or(known.operations[contract.Route{Method: hr.Method, Path: ec.Path()}], noOperation),
				answer:    ec.Response().Header(),
				handler:   next,
			}
			if methods, ok := known.taken(ec.Path(), hr.URL.Path); ok {
				ec.Set(echo.ContextKeyHeaderAllow, methods)
				r.operation = noOperation
			}
			s.warnOfProxy(hr)
			ec.SetRequest(hr.WithContext(context.WithValue(hr.Context(), requestKey{}, r)))
			ec.Response().Header()[headerRequestID] = []string{r.idText}
			return chain(ec)
		}
	}
}
