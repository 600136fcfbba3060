package impl

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/impl/auth"
)

// authenticate finds who sends the request, where the contract's `security` demands it.
func (s *Server) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		hr := ec.Request()
		r := requestOf(hr.Context())
		if !r.operation.Authenticated {
			if token, err := bearerToken(hr); err == nil && r.operation.OptionalToken {
				r.session = s.auth.Session(hr.Context(), token)
			}
			return next(ec)
		}
		token, err := bearerToken(hr)
		if err != nil {
			return err
		}
		r.principal, err = s.auth.Authenticate(hr.Context(), token, r.operation.Scopes)
		if err != nil {
			return err
		}
		r.note(slog.String("user", r.principal.User.ID.String()))
		if age := r.operation.MaxAge; age > 0 && !s.auth.IsFresh(r.principal, age) {
			return s.stale(hr.Context(), r.principal, age)
		}
		return next(ec)
	}
}

// stale returns the refusal of a session that has to prove again who its user is. It looks the
// factors up, which a request that isn't refused never needs.
func (s *Server) stale(ctx context.Context, p auth.Principal, maxAge time.Duration) error {
	factors, err := s.auth.Factors(ctx, p.User.ID)
	if err != nil {
		return err
	}
	return &staleError{maxAge, factors}
}

// bearerToken reads the one `Authorization: Bearer` header (RFC 6750 section 2.1). The scheme is
// compared without case (RFC 9110 section 11.1). A token in the query string is never taken, and
// refused beside one in the header (RFC 6750 section 2: not more than one method in a request).
func bearerToken(r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) > 0 && r.URL.RawQuery != "" && r.URL.Query().Has("access_token") {
		return "", errAmbiguousCredentials
	}
	if len(headers) != 1 {
		return "", errNotAuthenticated
	}
	return parseAuthorization(headers[0])
}

// parseAuthorization returns the token of a bearer header. It doesn't check the token, which may be
// empty.
func parseAuthorization(header string) (string, error) {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", errNotAuthenticated
	}
	return strings.TrimLeft(token, " "), nil
}
