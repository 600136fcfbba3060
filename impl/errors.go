package impl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/contract"
)

// The errors of this layer. The others come from [auth].
var (
	errNotAuthenticated     = errors.New("no usable Authorization header")
	errAmbiguousCredentials = errors.New("a token in the header and in the query string")
	errUnsupportedGrant     = errors.New("unsupported grant type")
	errUnsupportedMediaType = errors.New("unsupported media type")
	errBodyTimeout          = errors.New("the body did not arrive in time")
	errCrossOrigin          = errors.New("sent by a page of an origin that is not let in")
	errOriginNotAllowed     = errors.New("the cookie was sent without one origin that is let in")
	errStarting             = errors.New("starting")
)

// staleError reports that a session didn't prove lately enough who its user is.
type staleError struct {
	maxAge time.Duration
	// factors are what the user can prove it with.
	factors []auth.Factor
}

func (e *staleError) Error() string { return "the session has proved nothing for " + e.maxAge.String() }

// problem returns the answer of RFC 9470 section 3.
func (e *staleError) problem() problem {
	age := seconds(e.maxAge)
	return problem{
		status: 401, code: "reauthentication_required", detail: "The session has to prove again who its user is.",
		challenge: fmt.Sprintf(`Bearer error="insufficient_user_authentication", max_age="%d"`, age),
		members:   members{MaxAge: age, Factors: e.factors},
	}
}

// scopeProblem returns the answer of RFC 6750 section 3.1 to a token that lacks a scope.
func scopeProblem(e *auth.ScopeError) problem {
	return problem{
		status: 403, code: "insufficient_scope", detail: "The token or the roles of its user lack a scope.",
		challenge: fmt.Sprintf(`Bearer error="insufficient_scope", scope="%s"`, strings.Join(e.Scopes, " ")),
		members:   members{Scopes: e.Scopes},
	}
}

// problem is what an error becomes on the wire.
type problem struct {
	status int
	code   string
	detail string
	// oauth is the code of RFC 6749 section 5.2, where the status doesn't say it.
	oauth string
	// challenge is the value of WWW-Authenticate (RFC 6750 section 3), where it isn't that of every
	// 401.
	challenge string
	// retryAfter is in seconds.
	retryAfter int
	// budget is the one that is used up.
	budget *auth.Budget
	members
}

// oauthError returns the code of RFC 6749 section 5.2 or 4.1.2.1, sent at the token and the
// revocation endpoint only.
func (p problem) oauthError() string {
	switch {
	case p.oauth != "":
		return p.oauth
	case p.status == http.StatusInternalServerError:
		return "server_error"
	case p.status == http.StatusTooManyRequests, p.status == http.StatusServiceUnavailable:
		return "temporarily_unavailable"
	}
	return "invalid_request"
}

const (
	challengeInvalidToken   = `Bearer error="invalid_token"`
	challengeInvalidRequest = `Bearer error="invalid_request"`

	oauthInvalidGrant = "invalid_grant"

	mediaJSON    = "application/json"
	mediaProblem = "application/problem+json"
)

// problems is the one table from an error to its problem document. The first row that matches is
// used. An error that matches no row is a 500.
var problems = []struct {
	err error
	problem
}{
	// A login failed: a wrong password, an unknown email, an inactive user. The client doesn't
	// learn which.
	{auth.ErrInvalidCredentials, problem{
		status: 401, code: "invalid_credentials", oauth: oauthInvalidGrant, detail: "Authentication was unsuccessful.",
	}},
	{auth.ErrRefreshReused, problem{
		status: 400, code: "refresh_token_reused", oauth: oauthInvalidGrant,
		detail: "The refresh token was used before. Its session has been ended.",
	}},
	{auth.ErrInvalidRefresh, problem{
		status: 400, code: "invalid_refresh_token", oauth: oauthInvalidGrant,
		detail: "The refresh token was not accepted.",
	}},
	{auth.ErrNoAccount, problem{status: 404, code: "account_not_found", detail: "There is no such user."}},
	{auth.ErrNoSession, problem{status: 404, code: "session_not_found", detail: "The user has no such session."}},
	{errNotAuthenticated, problem{status: 401, code: "not_authenticated", detail: "Not authenticated"}},
	{auth.ErrInvalidToken, problem{
		status: 401, code: "invalid_token", challenge: challengeInvalidToken,
		detail: "Could not validate token credentials.",
	}},
	{auth.ErrNoUser, problem{
		status: 401, code: "user_not_found", challenge: challengeInvalidToken, detail: "No authenticated user.",
	}},
	{auth.ErrInactiveUser, problem{
		status: 401, code: "user_inactive", challenge: challengeInvalidToken, detail: "Not an active user.",
	}},
	{errAmbiguousCredentials, problem{
		status: 400, code: "ambiguous_credentials", challenge: challengeInvalidRequest,
		detail: "A token may be sent in one way only: the Authorization header.",
	}},
	{auth.ErrInvalidCode, problem{
		status: 401, code: "invalid_code", detail: "The code or the link is not valid, or not any more.",
	}},
	{auth.ErrEmailVerified, problem{
		status: 409, code: "email_verified", detail: "The email of the account is verified already.",
	}},
	{auth.ErrEmailTaken, problem{status: 409, code: "email_taken", detail: "The email belongs to another user."}},
	{auth.ErrUsernameTaken, problem{status: 409, code: "username_taken", detail: "The username belongs to another user."}},
	{auth.ErrExternalIDTaken, problem{
		status: 409, code: "external_id_taken", detail: "The external id belongs to another user.",
	}},
	{auth.ErrLastSuperuser, problem{
		status: 409, code: "last_superuser", detail: "No other active user is a superuser.",
	}},
	{auth.ErrWrongPassword, problem{status: 403, code: "wrong_password", detail: "The password is wrong."}},
	{auth.ErrChangedSince, problem{status: 412, code: "precondition_failed", detail: "The user has another ETag by now."}},
	{errNoPrecondition, problem{status: 428, code: "precondition_required", detail: "The header If-Match is missing."}},
	{auth.ErrInvalidScope, problem{
		status: 400, code: "invalid_scope", oauth: "invalid_scope",
		detail: "The scope is not known, or the session was not opened with it.",
	}},
	{errUnsupportedGrant, problem{
		status: 400, code: "unsupported_grant_type", oauth: "unsupported_grant_type",
		detail: "The grant type must be password or refresh_token.",
	}},
	{errOriginNotAllowed, problem{
		status: 403, code: "origin_not_allowed",
		detail: "The cookie needs one Origin header, that of a page that is let in.",
	}},
	{errUnsupportedMediaType, problem{
		status: 415, code: "unsupported_media_type",
		detail: "The body's Content-Type or Content-Encoding is not one that this operation takes.",
	}},
	{errBodyTimeout, problem{status: 408, code: "request_timeout", detail: "The body did not arrive in time."}},
	{ErrSchemaOutdated, problem{
		status: 503, code: "schema_outdated", retryAfter: 5, detail: "The database waits for a migration.",
	}},
	{ErrSchemaTooNew, problem{
		status: 503, code: "schema_too_new", retryAfter: 30, detail: "The database was migrated by a newer server.",
	}},
	{ErrReadOnly, problem{
		status: 503, code: "database_read_only", retryAfter: 1, detail: "The database takes no writes.",
	}},
	{ErrKeysUnavailable, problem{
		status: 503, code: "keys_unavailable", retryAfter: 5, detail: "No key signs access tokens.",
	}},
	{auth.ErrRegistrationClosed, problem{
		status: 403, code: "registration_closed", detail: "Nobody may register here.",
	}},
	{errCrossOrigin, problem{
		status: 403, code: "cross_origin", detail: "A page of another origin may not send this request.",
	}},
	{errStarting, problem{status: 503, code: "starting", retryAfter: 1, detail: "The server is starting."}},
	{errShuttingDown, problem{status: 503, code: "shutting_down", detail: "The server is shutting down.", retryAfter: 5}},
	{auth.ErrUnavailable, problem{
		status: 503, code: "unavailable", retryAfter: 1, detail: "The service can't answer now. Try again.",
	}},
	{auth.ErrOverloaded, problem{
		status: 503, code: "overloaded", retryAfter: 1, detail: "Too many passwords wait to be checked. Try again.",
	}},
	{context.DeadlineExceeded, problem{
		status: 503, code: "unavailable", retryAfter: 1, detail: "The service can't answer now. Try again.",
	}},
	// The client has gone, and nobody will read it.
	{context.Canceled, problem{status: 503, code: "unavailable", retryAfter: 1, detail: "The request was given up."}},
	{echo.ErrNotFound, problem{status: 404, code: "not_found", detail: "There is nothing at this path."}},
	{echo.ErrMethodNotAllowed, problem{
		status: 405, code: "method_not_allowed",
		detail: "The path does not have this method; Allow lists those that it has.",
	}},
}

var internalError = problem{
	status: 500,
	code:   "internal_error",
	detail: "The server failed. Its log has more under the request's id.",
}

// problemOf returns the problem of an error. An unknown error is a 500 that reveals nothing.
func problemOf(err error) problem {
	var (
		invalid  contract.Violations
		input    *auth.InvalidInputError
		notReady notReadyError
		tooLarge *http.MaxBytesError
		limited  *auth.LimitedError
		stale    *staleError
		held     *auth.UnverifiedError
		scope    *auth.ScopeError
	)
	switch {
	case errors.As(err, &held):
		asked, factors := codeBody(held.Code), []auth.Factor{auth.FactorEmailCode}
		return problem{
			status: 403, code: "email_unverified", oauth: oauthInvalidGrant,
			detail:  "A code was mailed that proves the email. The login goes on with it.",
			members: members{Request: asked.Request, ExpiresIn: asked.ExpiresIn, Factors: factors},
		}
	case errors.As(err, &stale):
		return stale.problem()
	case errors.As(err, &scope):
		return scopeProblem(scope)
	case errors.As(err, &limited):
		return problem{
			status: 429, code: "rate_limited", detail: "Too many attempts. Try again later.",
			retryAfter: seconds(limited.RetryAfter), budget: &limited.Budget,
		}
	case errors.As(err, &input):
		return problemOf(invalidInput(input))
	case errors.As(err, &invalid):
		return problem{
			status: 422, code: "invalid_request", detail: "The request does not match the contract.",
			members: members{Errors: bodies(invalid, fieldError)},
		}
	case errors.As(err, &tooLarge):
		return problem{
			status: 413, code: "body_too_large", detail: fmt.Sprintf("The body is larger than %d bytes.", tooLarge.Limit),
		}
	}
	known, ok := lookUp(err)
	if errors.As(err, &notReady) && (!ok || known.code == "unavailable") {
		return problem{status: 503, code: "database_unavailable", detail: "The database can't be reached.", retryAfter: 1}
	}
	if !ok {
		return internalError
	}
	return known
}

func lookUp(err error) (problem, bool) {
	for _, row := range problems {
		if errors.Is(err, row.err) {
			return row.problem, true
		}
	}
	return problem{}, false
}

// writeError writes the problem document (RFC 9457) of an error. Nothing else writes one.
func (s *Server) writeError(err error, ec echo.Context) {
	r := requestOf(ec.Request().Context())
	p := problemOf(err)
	r.note(slog.String("code", p.code))
	if p.status >= http.StatusInternalServerError || p.status == http.StatusUnauthorized || p.oauth == oauthInvalidGrant {
		r.note(slog.String("error", err.Error()))
	}
	if errors.Is(err, errOriginNotAllowed) || errors.Is(err, errCrossOrigin) {
		// A page that is missing among the origins that are let in is the likeliest cause.
		r.note(slog.String("origin", strings.Join(ec.Request().Header.Values("Origin"), ", ")))
	}
	if p.budget != nil {
		r.note(slog.String("budget", p.budget.Name))
	}
	if ec.Response().Committed {
		return
	}
	h := ec.Response().Header()
	if p.challenge != "" {
		h.Set("WWW-Authenticate", p.challenge)
	} else if p.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.budget != nil {
		// The fields of draft-ietf-httpapi-ratelimit-headers-10.
		h.Set("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", p.budget.Name, p.budget.Quota, seconds(p.budget.Window())))
		h.Set("RateLimit", fmt.Sprintf("%q;r=0;t=%d", p.budget.Name, p.retryAfter))
	}
	body, err := json.Marshal(s.document(p, r))
	if err != nil {
		r.note(slog.String("error", err.Error()))
		ec.Response().WriteHeader(http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", mediaProblem)
	if r.operation.OAuth {
		h.Set("Content-Type", mediaJSON) // RFC 6749 section 5.2
	}
	h.Set("Content-Length", strconv.Itoa(len(body))) // so that the answer is whole once it is sent, whatever follows
	ec.Response().WriteHeader(p.status)
	_, _ = ec.Response().Write(body) // a client that has gone needs no answer
}

// seconds returns a duration in whole seconds, rounded up.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
