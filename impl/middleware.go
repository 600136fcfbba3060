package impl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"github.com/labstack/echo/v4"
)

// addTrailingSlash adds the last slash to a path below /api before it is routed, so that the path
// is served with and without the slash. A redirect would make the client send the password twice,
// or not at all.
func addTrailingSlash(u *url.URL) {
	if !strings.HasPrefix(u.Path, "/api/") || strings.HasSuffix(sentPath(u), "/") {
		return
	}
	u.Path += "/"
	if u.RawPath != "" {
		u.RawPath += "/"
	}
}

// sentPath returns a path in which an escaped slash stays escaped, because it separates nothing.
func sentPath(u *url.URL) string {
	if u.RawPath == "" {
		return u.Path
	}
	return u.EscapedPath()
}

type sentMethodKey struct{}

// asGet returns a HEAD request as a GET, which has the same answer (RFC 9110 section 9.3.2).
// net/http leaves the body out.
func asGet(r *http.Request) *http.Request {
	get := r.WithContext(context.WithValue(r.Context(), sentMethodKey{}, r.Method))
	get.Method = http.MethodGet
	return get
}

// sentMethod returns the request's method as it was sent.
func sentMethod(r *http.Request) string {
	if r.Method == http.MethodGet && r.Context().Value(sentMethodKey{}) != nil {
		return http.MethodHead
	}
	return r.Method
}

// account logs one line for each request and calls the observer, after the response was written.
func (s *Server) account(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		client := ec.Request().Context()
		err := next(ec)
		if err != nil {
			ec.Error(err)
		}
		gone := errors.Is(err, context.Canceled) && client.Err() != nil
		r, hr, res := requestOf(ec.Request().Context()), ec.Request(), ec.Response()
		took := s.now().Sub(r.started)
		if s.observe != nil {
			s.observe(r.operation.ID, res.Status, took)
		}
		level := s.levelOf(r, res.Status, err, gone)
		if !s.logger.Enabled(hr.Context(), level) {
			return nil
		}
		attrs := append(make([]slog.Attr, 0, 10+len(r.attrs)),
			slog.String("request_id", r.idText),
			slog.String("remote", r.address.String()),
			slog.String("method", r.method),
			// Without the query string, where a client may have put what it should not.
			slog.String("path", hr.URL.Path),
			slog.Int("status", res.Status),
			slog.Int64("bytes", res.Size),
			slog.Duration("duration", took),
		)
		s.logger.LogAttrs(hr.Context(), level, "request", append(attrs, r.attrs...)...)
		return nil
	}
}

// levelOf returns the level of a request's line in the log. A response with a status of 500 or more
// is an error, with two exceptions: the client has disconnected, or the server is starting or
// stopping. A probe is logged at debug if it succeeds. A probe of a server that starts or stops is
// logged at info once.
func (s *Server) levelOf(r *request, status int, err error, gone bool) slog.Level {
	var told *atomic.Bool
	switch {
	case errors.Is(err, errStarting):
		told = &s.probedStart
	case errors.Is(err, errShuttingDown):
		told = &s.probedStop
	}
	switch {
	case r.alarming, status >= http.StatusInternalServerError && !gone && told == nil:
		return slog.LevelError
	case r.isProbe() && (status < http.StatusBadRequest || told != nil && told.Swap(true)):
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// recoverPanics turns a panic into a 500. Only the log gets the stack trace.
func recoverPanics(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) (err error) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if e, ok := p.(error); ok && errors.Is(e, http.ErrAbortHandler) {
				panic(p) // net/http's own way to drop a connection
			}
			requestOf(ec.Request().Context()).note(slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("panic: %v", p)
		}()
		return next(ec)
	}
}

// securityHeaders are the headers of every response, by their canonical names. Requests share the
// values, so nothing may change one in place.
var securityHeaders = http.Header{
	"Cache-Control":           {"no-store"},
	"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	"Referrer-Policy":         {"no-referrer"},
	"X-Content-Type-Options":  {"nosniff"},
}

// setSecurityHeaders sets [securityHeaders]. /docs replaces the policy by one that allows its
// files.
func setSecurityHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		maps.Copy(ec.Response().Header(), securityHeaders)
		return next(ec)
	}
}

// limitTime gives a request a deadline, after which it fails with 503. An operation with a token
// and without a body gets none. It waits for one or two statements, which have bounds of their own,
// and a deadline would cost a tenth of the first statement's time.
func (s *Server) limitTime(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		hr := ec.Request()
		if op := requestOf(hr.Context()).operation; op.Authenticated && op.Body == nil {
			return next(ec)
		}
		ctx, cancel := context.WithTimeout(hr.Context(), s.timeouts.Request)
		defer cancel()
		ec.SetRequest(hr.WithContext(ctx))
		return next(ec)
	}
}

// maxBody is the largest body that is read, in bytes.
const maxBody = 64 << 10

// limitBody refuses a body that is larger than [maxBody]: at once if its length is announced, and
// otherwise while it is read.
func limitBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		hr := ec.Request()
		if requestOf(hr.Context()).operation.Body == nil {
			return next(ec)
		}
		if hr.ContentLength > maxBody {
			return &http.MaxBytesError{Limit: maxBody}
		}
		hr.Body = http.MaxBytesReader(ec.Response(), hr.Body, maxBody)
		return next(ec)
	}
}

// allowed returns the methods of the path, as Allow lists them, and true, if the path doesn't have
// the request's method. echo also lists OPTIONS, which we don't serve.
func allowed(ec echo.Context) (methods string, ok bool) {
	methods, ok = ec.Get(echo.ContextKeyHeaderAllow).(string)
	methods = strings.TrimPrefix(methods, "OPTIONS, ")
	return strings.Replace(methods, http.MethodGet, http.MethodGet+", "+http.MethodHead, 1), ok
}

// refuseMethods refuses a method that a path doesn't have, OPTIONS too.
func refuseMethods(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		methods, ok := allowed(ec)
		if !ok {
			return next(ec)
		}
		ec.Set(echo.ContextKeyHeaderAllow, methods)
		return echo.MethodNotAllowedHandler(ec)
	}
}

// refuseWhileStarting refuses everything but the liveness check until the service can serve.
func (s *Server) refuseWhileStarting(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		if s.started.Load() || requestOf(ec.Request().Context()).operation.ID == opLiveness {
			return next(ec)
		}
		return errStarting
	}
}

// refuseEmptySegments refuses a path such as /api/users/me/sessions// as not found. echo would
// accept an empty id.
func refuseEmptySegments(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		if strings.Contains(sentPath(ec.Request().URL), "//") {
			return echo.ErrNotFound
		}
		return next(ec)
	}
}
