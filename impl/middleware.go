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

	"github.com/labstack/echo/v4"
)

// addTrailingSlash makes a path below /api the same with and without its last slash, before it is
// routed. It is not a redirect: a redirected client would send the password twice, or not at all.
func addTrailingSlash(u *url.URL) {
	if !strings.HasPrefix(u.Path, "/api/") || strings.HasSuffix(sentPath(u), "/") {
		return
	}
	u.Path += "/"
	if u.RawPath != "" {
		u.RawPath += "/"
	}
}

// sentPath is a path as it was sent as far as its slashes go: an escaped one is none. Where there
// is one, the path has a form of its own.
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

// sentMethod is the request's method as it was sent.
func sentMethod(r *http.Request) string {
	if r.Method == http.MethodGet && r.Context().Value(sentMethodKey{}) != nil {
		return http.MethodHead
	}
	return r.Method
}

// logAccess writes the one line that a request gets in the log, after the answer was written. That
// a client has gone is no error of ours, whatever status nobody reads then.
func (s *Server) logAccess(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		client := ec.Request().Context()
		err := next(ec)
		if err != nil {
			ec.Error(err)
		}
		gone := errors.Is(err, context.Canceled) && client.Err() != nil
		r, hr, res := requestOf(ec.Request().Context()), ec.Request(), ec.Response()
		level := slog.LevelInfo
		if r.isProbe() && res.Status < http.StatusBadRequest {
			level = slog.LevelDebug
		}
		if res.Status >= http.StatusInternalServerError && !gone || r.alarming {
			level = slog.LevelError
		}
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
			slog.Duration("duration", s.now().Sub(r.started)),
		)
		s.logger.LogAttrs(hr.Context(), level, "request", append(attrs, r.attrs...)...)
		return nil
	}
}

// recoverPanics turns a panic into a 500 and leaves its trace in the log alone.
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

// securityHeaders are what every answer carries, by their canonical names. The values are shared,
// and never written to: whoever sets another one puts it in their place.
var securityHeaders = http.Header{
	"Cache-Control":           {"no-store"},
	"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	"Referrer-Policy":         {"no-referrer"},
	"X-Content-Type-Options":  {"nosniff"},
}

// setSecurityHeaders sets them. /docs replaces the policy by one that lets its own files in.
func setSecurityHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		maps.Copy(ec.Response().Header(), securityHeaders)
		return next(ec)
	}
}

// limitTime ends the work on a request at a deadline; what is then waiting answers 503. An
// operation with a token and no body waits for a statement or two, each of which ends by itself; a
// deadline more would cost a tenth of the time of the first.
func (s *Server) limitTime(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		hr := ec.Request()
		if op := requestOf(hr.Context()).operation; op != nil && op.Authenticated && op.Body == nil {
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

// limitBody refuses a larger body, before it is sent where its length is told, and else when it is
// read.
func limitBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		hr := ec.Request()
		if r := requestOf(hr.Context()); r.operation == nil || r.operation.Body == nil {
			return next(ec)
		}
		if hr.ContentLength > maxBody {
			return &http.MaxBytesError{Limit: maxBody}
		}
		hr.Body = http.MaxBytesReader(ec.Response(), hr.Body, maxBody)
		return next(ec)
	}
}

// allowed returns the methods that the path has where it doesn't have the request's, as Allow lists
// them. echo lists OPTIONS among them, which it would answer by itself.
func allowed(ec echo.Context) (methods string, ok bool) {
	methods, ok = ec.Get(echo.ContextKeyHeaderAllow).(string)
	methods = strings.TrimPrefix(methods, "OPTIONS, ")
	return strings.Replace(methods, http.MethodGet, http.MethodGet+", "+http.MethodHead, 1), ok
}

// refuseOptions treats OPTIONS as any other method that a path doesn't have.
func refuseOptions(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		methods, ok := allowed(ec)
		if !ok {
			return next(ec)
		}
		ec.Set(echo.ContextKeyHeaderAllow, methods)
		if ec.Request().Method == http.MethodOptions {
			return echo.MethodNotAllowedHandler(ec)
		}
		return next(ec)
	}
}

// refuseWhileStarting refuses everything but the liveness check until the service can serve.
func (s *Server) refuseWhileStarting(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		if s.started.Load() {
			return next(ec)
		}
		if op := requestOf(ec.Request().Context()).operation; op != nil && op.ID == opLiveness {
			return next(ec)
		}
		return errStarting
	}
}

// refuseEmptySegments treats a path such as /api/users/me/sessions// as any other that isn't
// served; echo would take nothing for an id.
func refuseEmptySegments(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		if strings.Contains(sentPath(ec.Request().URL), "//") {
			return echo.ErrNotFound
		}
		return next(ec)
	}
}
