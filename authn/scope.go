package authn

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Has reports whether the token has all of the scopes.
func (c Claims) Has(scopes ...string) bool {
	return !slices.ContainsFunc(scopes, func(scope string) bool { return !slices.Contains(c.Scopes, scope) })
}

// RequireScope returns a middleware that lets a request through if its token has all of the scopes. It
// goes behind [Verifier.Middleware]. It refuses any other request as the server itself would: with 403
// and the challenge of RFC 6750 section 3.1, or with 401 if nothing has checked a token.
//
// A token keeps its scopes until it expires, also if its user has lost the role. The server itself asks
// for the role at each request.
func RequireScope(scopes ...string) func(http.Handler) http.Handler {
	scopes = slices.Clone(scopes)
	insufficient := problem{
		Status:    http.StatusForbidden,
		Code:      "insufficient_scope",
		Title:     "The token lacks a scope",
		Detail:    "The token or the roles of its user lack a scope.",
		Scopes:    scopes,
		challenge: `Bearer error="insufficient_scope", scope="` + strings.Join(scopes, " ") + `"`,
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			claims, ok := FromContext(r.Context())
			if ok && claims.Has(scopes...) {
				next.ServeHTTP(w, r)
				return
			}
			refusal := insufficient
			if !ok {
				refusal = notAuthenticated
			}
			pages, _ := r.Context().Value(pagesKey{}).(*url.URL)
			writeProblem(w, refusal, pages)
		})
	}
}
