package impl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/contract"
	"github.com/latchkey-auth/latchkey/impl/docs"
)

// What this layer itself has to say; the rest comes from [auth].
var (
	errNotAuthenticated     = errors.New("no usable Authorization header")
	errAmbiguousCredentials = errors.New("a token in the header and in the query string")
	errUnsupportedGrant     = errors.New("unsupported grant type")
	errUnsupportedMediaType = errors.New("unsupported media type")
	errBodyTimeout          = errors.New("the body did not arrive in time")
	errCrossOrigin          = errors.New("sent by a page of an origin that is not let in")
	errStarting             = errors.New("starting")
)

// problem is what an error becomes on the wire.
type problem struct {
	status int
	code   string
	detail string
	// oauth is the code of RFC 6749 section 5.2 or 4.1.2.1, sent at the token and the revocation
	// endpoint only.
	oauth string
	// challenge is the value of WWW-Authenticate (RFC 6750 section 3).
	challenge string
	// retryAfter is in seconds.
	retryAfter int
	// budget is the one that is used up.
	budget *auth.Budget
	errors contract.Violations
}

const (
	challenge               = "Bearer"
	challengeInvalidToken   = `Bearer error="invalid_token"`
	challengeInvalidRequest = `Bearer error="invalid_request"`

	oauthInvalidRequest = "invalid_request"
	oauthInvalidGrant   = "invalid_grant"

	mediaJSON    = "application/json"
	mediaProblem = "application/problem+json"
)

// problems is the one table from an error to its problem document. The first row that fits counts. An
// error in none of them is internal.
var problems = []struct {
	err error
	problem
}{
	{
		auth.ErrInvalidCredentials,
		problem{
			status:    401,
			code:      "invalid_credentials",
			detail:    "Authentication was unsuccessful.",
			oauth:     oauthInvalidGrant,
			challenge: challenge,
		},
	},
	{
		auth.ErrRefreshReused,
		problem{
			status: 400,
			code:   "refresh_token_reused",
			detail: "The refresh token was used before. Its session has been ended.",
			oauth:  oauthInvalidGrant,
		},
	},
	{
		auth.ErrInvalidRefresh,
		problem{
			status: 400,
			code:   "invalid_refresh_token",
			detail: "The refresh token was not accepted.",
			oauth:  oauthInvalidGrant,
		},
	},
	{auth.ErrNoSession, problem{status: 404, code: "session_not_found", detail: "The user has no such session."}},
	{
		errNotAuthenticated,
		problem{status: 401, code: "not_authenticated", detail: "Not authenticated", challenge: challenge},
	},
	{
		auth.ErrInvalidToken,
		problem{
			status:    401,
			code:      "invalid_token",
			detail:    "Could not validate token credentials.",
			challenge: challengeInvalidToken,
		},
	},
	{
		auth.ErrNoUser,
		problem{status: 401, code: "user_not_found", detail: "No authenticated user.", challenge: challengeInvalidToken},
	},
	{
		auth.ErrInactiveUser,
		problem{status: 401, code: "user_inactive", detail: "Not an active user.", challenge: challengeInvalidToken},
	},
	{
		errAmbiguousCredentials,
		problem{
			status:    400,
			code:      "ambiguous_credentials",
			detail:    "A token may be sent in one way only: the Authorization header.",
			challenge: challengeInvalidRequest,
		},
	},
	{
		auth.ErrInvalidCode,
		problem{
			status:    401,
			code:      "invalid_code",
			detail:    "The code or the link is not valid, or not any more.",
			challenge: challenge,
		},
	},
	{
		auth.ErrEmailVerified,
		problem{status: 409, code: "email_verified", detail: "The email of the account is verified already."},
	},
	{auth.ErrEmailTaken, problem{status: 409, code: "email_taken", detail: "The email belongs to another user."}},
	{auth.ErrUsernameTaken, problem{status: 409, code: "username_taken", detail: "The username belongs to another user."}},
	{
		errUnsupportedGrant,
		problem{
			status: 400,
			code:   "unsupported_grant_type",
			detail: "The grant type must be password or refresh_token.",
			oauth:  "unsupported_grant_type",
		},
	},
	{
		errUnsupportedMediaType,
		problem{
			status: 415,
			code:   "unsupported_media_type",
			detail: "The body's Content-Type or Content-Encoding is not one that this operation takes.",
			oauth:  oauthInvalidRequest,
		},
	},
	{
		errBodyTimeout,
		problem{status: 408, code: "request_timeout", detail: "The body did not arrive in time.", oauth: oauthInvalidRequest},
	},
	{
		ErrSchemaOutdated,
		problem{status: 503, code: "schema_outdated", detail: "The database waits for a migration.", retryAfter: 5},
	},
	{
		ErrSchemaTooNew,
		problem{status: 503, code: "schema_too_new", detail: "The database was migrated by a newer server.", retryAfter: 30},
	},
	{
		ErrReadOnly,
		problem{status: 503, code: "database_read_only", detail: "The database takes no writes.", retryAfter: 1},
	},
	{
		ErrKeysUnavailable,
		problem{status: 503, code: "keys_unavailable", detail: "No key signs access tokens.", retryAfter: 5},
	},
	{
		errCrossOrigin,
		problem{
			status: 403,
			code:   "cross_origin",
			detail: "A page of another origin may not send this request.",
			oauth:  oauthInvalidRequest,
		},
	},
	{
		errStarting,
		problem{
			status:     503,
			code:       "starting",
			detail:     "The server is starting.",
			oauth:      "temporarily_unavailable",
			retryAfter: 1,
		},
	},
	{errShuttingDown, problem{status: 503, code: "shutting_down", detail: "The server is shutting down.", retryAfter: 5}},
	{
		auth.ErrUnavailable,
		problem{
			status:     503,
			code:       "unavailable",
			detail:     "The service can't answer now. Try again.",
			oauth:      "temporarily_unavailable",
			retryAfter: 1,
		},
	},
	{
		auth.ErrOverloaded,
		problem{
			status:     503,
			code:       "overloaded",
			detail:     "Too many passwords wait to be checked. Try again.",
			oauth:      "temporarily_unavailable",
			retryAfter: 1,
		},
	},
	{
		context.DeadlineExceeded,
		problem{
			status:     503,
			code:       "unavailable",
			detail:     "The service can't answer now. Try again.",
			oauth:      "temporarily_unavailable",
			retryAfter: 1,
		},
	},
	// The client has gone, and nobody will read it.
	{
		context.Canceled,
		problem{
			status:     503,
			code:       "unavailable",
			detail:     "The request was given up.",
			oauth:      "temporarily_unavailable",
			retryAfter: 1,
		},
	},
	{echo.ErrNotFound, problem{status: 404, code: "not_found", detail: "There is nothing at this path."}},
	{
		echo.ErrMethodNotAllowed,
		problem{
			status: 405,
			code:   "method_not_allowed",
			detail: "The path does not have this method; Allow lists those that it has.",
		},
	},
}

var internalError = problem{
	status: 500,
	code:   "internal_error",
	detail: "The server failed. Its log has more under the request's id.",
	oauth:  "server_error",
}

// problemOf is the one function between the vocabularies. What it doesn't know is a 500 that says
// nothing.
func problemOf(err error) problem {
	var (
		invalid  contract.Violations
		input    *auth.InvalidInputError
		notReady notReadyError
		tooLarge *http.MaxBytesError
		limited  *auth.LimitedError
	)
	switch {
	case errors.As(err, &limited):
		return problem{
			status: 429, code: "rate_limited", detail: "Too many attempts. Try again later.", oauth: "temporarily_unavailable",
			retryAfter: seconds(limited.RetryAfter), budget: &limited.Budget,
		}
	case errors.As(err, &input):
		return problemOf(invalidInput(input))
	case errors.As(err, &invalid):
		return problem{
			status: 422,
			code:   "invalid_request",
			detail: "The request does not match the contract.",
			oauth:  oauthInvalidRequest,
			errors: invalid,
		}
	case errors.As(err, &tooLarge):
		return problem{
			status: 413,
			code:   "body_too_large",
			detail: "The body is larger than " + strconv.FormatInt(tooLarge.Limit, 10) + " bytes.",
			oauth:  oauthInvalidRequest,
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

// writeError writes an error as the problem document (RFC 9457) that the table makes of it. It is
// the only place that does.
func (s *Server) writeError(err error, ec echo.Context) {
	r := requestOf(ec.Request().Context())
	p := problemOf(err)
	r.note(slog.String("code", p.code))
	if p.status >= http.StatusInternalServerError || p.status == http.StatusUnauthorized || p.oauth == oauthInvalidGrant {
		r.note(slog.String("error", err.Error()))
	}
	if ec.Response().Committed {
		return
	}
	h := ec.Response().Header()
	if p.challenge != "" {
		h.Set("WWW-Authenticate", p.challenge)
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
	if r.isOAuth() {
		h.Set("Content-Type", mediaJSON) // RFC 6749 section 5.2
	}
	h.Set("Content-Length", strconv.Itoa(len(body))) // so that the answer is whole once it is sent, whatever follows
	ec.Response().WriteHeader(p.status)
	_, _ = ec.Response().Write(body) // a client that has gone needs no answer
}

// seconds are whole ones, never fewer than it takes.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// document is a problem with the members that only some problems have.
type document struct {
	api.Problem
	Errors           []api.FieldError `json:"errors,omitempty"`
	Error            string           `json:"error,omitempty"`
	ErrorDescription string           `json:"error_description,omitempty"`
	RequestID        string           `json:"request_id,omitempty"`
}

func (s *Server) document(p problem, r *request) document {
	doc := document{Errors: fieldErrors(p.errors), Problem: api.Problem{
		Type:   s.problemType(r, p.code),
		Title:  s.problems[p.code].Title,
		Status: p.status,
		Detail: p.detail,
		Code:   p.code,
	}}
	if r.isOAuth() && p.oauth != "" {
		doc.Error, doc.ErrorDescription = p.oauth, p.detail
	}
	if p.status == http.StatusInternalServerError {
		doc.RequestID = r.idText
	}
	return doc
}

// fieldErrors returns what is wrong with a request as the contract has it.
func fieldErrors(found contract.Violations) []api.FieldError {
	fields := make([]api.FieldError, len(found))
	for i, v := range found {
		fields[i] = api.FieldError{Pointer: v.Pointer, Code: api.FieldErrorCode(v.Code), Detail: v.Detail}
	}
	return fields
}

// invalidInput returns what the service refused after the contract had let it pass.
func invalidInput(err *auth.InvalidInputError) contract.Violations {
	var found contract.Violations
	for _, f := range err.Fields {
		found.Add("/"+f.Field, f.Code, f.Detail)
	}
	return found.Sorted()
}

// problemType returns the reference to the page of a code (RFC 9457 section 3.1.1). It has the
// prefix under which the client finds the service: the path of the public URL, or else what a proxy
// says.
func (s *Server) problemType(r *request, code string) string {
	prefix := r.prefix
	if s.publicURL != "" {
		prefix = ""
		if u, err := url.Parse(s.publicURL); err == nil {
			prefix = u.EscapedPath()
		}
	}
	return prefix + docs.ProblemPath + code
}
