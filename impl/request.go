package impl

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/impl/auth"
)

// request is what is known of a request beside net/http's; one is made for each, by [contract.startRequest].
type request struct {
	id      uuid.UUID
	started time.Time
	// operation is nil for a path that the contract doesn't have.
	operation *operation
	// user is who the bearer token belongs to, where the operation demands one.
	user auth.User
	// alarming says that whoever runs the service should look, whatever the client was answered.
	alarming bool
	// attrs go into the request's line in the log.
	attrs []slog.Attr
}

type requestKey struct{}

// requestOf answers the request that a strict handler's context belongs to.
func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	if r == nil {
		return &request{}
	}
	return r
}

// note adds to the request's line in the log. Never a secret, and nothing that the client chose but where it is needed.
func (r *request) note(attrs ...slog.Attr) { r.attrs = append(r.attrs, attrs...) }

const headerRequestID = "X-Request-Id"

// startRequest finds the operation that the router has matched, and names the request.
// An id that the client sends is not taken over: it would let a stranger forge lines of the log.
func (c contract) startRequest(now func() time.Time) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(ec echo.Context) error {
			id, err := uuid.NewV7()
			if err != nil {
				return err
			}
			hr := ec.Request()
			r := &request{id: id, started: now(), operation: c[routeKey(hr.Method, ec.Path())]}
			ec.SetRequest(hr.WithContext(context.WithValue(hr.Context(), requestKey{}, r)))
			ec.Response().Header().Set(headerRequestID, id.String())
			return next(ec)
		}
	}
}
