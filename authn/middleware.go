package authn

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"
)

// problem is the response to a refused request (RFC 9457), in the words of the server.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	// Scopes are those that a token needs.
	Scopes []string `json:"scopes,omitempty"`

	// challenge is the value of WWW-Authenticate (RFC 6750 section 3), and retryAfter that of
	// Retry-After.
	challenge, retryAfter string
}

// The contract has the titles; the tests of the service hold these to it.
var (
	notAuthenticated = problem{
		Status:    http.StatusUnauthorized,
		Code:      "not_authenticated",
		Title:     "A token is missing",
		Detail:    "Not authenticated",
		challenge: "Bearer",
	}
	invalidToken = problem{
		Status:    http.StatusUnauthorized,
		Code:      "invalid_token",
		Title:     "The access token is not valid",
		Detail:    "Could not validate token credentials.",
		challenge: `Bearer error="invalid_token"`,
	}
	ambiguousCredentials = problem{
		Status:    http.StatusBadRequest,
		Code:      "ambiguous_credentials",
		Title:     "The token was sent twice",
		Detail:    "A token may be sent in one way only: the Authorization header.",
		challenge: `Bearer error="invalid_request"`,
	}
	unavailable = problem{
		Status:     http.StatusServiceUnavailable,
		Code:       "unavailable",
		Title:      "The service can't answer now",
		Detail:     "The service can't answer now. Try again.",
		retryAfter: "1",
	}
)

var (
	errNotAuthenticated     = errors.New("no usable Authorization header")
	errAmbiguousCredentials = errors.New("a token in the header and in the query string")
)

// contextKey is the key of the claims, and pagesKey that of the address of the server's pages.
type contextKey struct{}
type pagesKey struct{}

// FromContext returns what the token of a request says, in a handler behind [Verifier.Middleware].
func FromContext(ctx context.Context) (Claims, bool) {
	claims, ok := ctx.Value(contextKey{}).(Claims)
	return claims, ok
}

// NewContext returns a copy of ctx from which [FromContext] returns the claims. It is for
// middlewares of one's own and for tests of handlers: it doesn't check the claims.
func NewContext(ctx context.Context, claims Claims) context.Context {
	return context.WithValue(ctx, contextKey{}, claims)
}

// Middleware lets a request through to next if it has a valid token, whose claims [FromContext]
// then returns. It refuses any other request as the server itself would, with a problem document
// and the challenge of RFC 6750.
func (v *Verifier) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, err := v.authenticate(r)
		if err != nil {
			writeProblem(w, problemOf(err), v.problems)
			return
		}
		ctx := context.WithValue(r.Context(), pagesKey{}, v.problems)
		next.ServeHTTP(w, r.WithContext(NewContext(ctx, claims)))
	})
}

func (v *Verifier) authenticate(r *http.Request) (Claims, error) {
	token, err := bearerToken(r)
	if err != nil {
		return Claims{}, err
	}
	return v.Verify(r.Context(), token)
}

// bearerToken reads the one `Authorization: Bearer` header (RFC 6750 section 2.1). The scheme is
// compared without case (RFC 9110 section 11.1). A token in the query string is never taken, and
// refused beside one in the header (RFC 6750 section 2: not more than one method in a request).
func bearerToken(r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) > 0 && r.URL.Query().Has("access_token") {
		return "", errAmbiguousCredentials
	}
	if len(headers) != 1 {
		return "", errNotAuthenticated
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", errNotAuthenticated
	}
	return strings.TrimLeft(token, " "), nil
}

// problemOf returns the problem document of an error. An unknown error refuses the request as well.
func problemOf(err error) problem {
	switch {
	case errors.Is(err, errNotAuthenticated):
		return notAuthenticated
	case errors.Is(err, errAmbiguousCredentials):
		return ambiguousCredentials
	case errors.Is(err, ErrInvalidToken):
		return invalidToken
	}
	return unavailable
}

// writeProblem writes a problem, with a reference to the server's page about it. pages is the
// address of the pages, or nil if it isn't known.
func writeProblem(w http.ResponseWriter, p problem, pages *url.URL) {
	h := w.Header()
	if p.challenge != "" {
		h.Set("WWW-Authenticate", p.challenge)
	}
	if p.retryAfter != "" {
		h.Set("Retry-After", p.retryAfter)
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	p.Type = "about:blank"
	if pages != nil {
		p.Type = pages.JoinPath(p.Code).String()
	}
	_ = json.MarshalWrite(w, p) // a client that has gone needs no answer
}
