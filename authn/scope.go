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

// RequireScope returns a middleware that lets a request through if its token has all of the scopes.
// It goes behind [Verifier.Middleware]. It refuses any other request as the server itself would:
// with 403 and the challenge of RFC 6750 section 3.1, or with 401 if nothing has checked a token.
//
// A token keeps its scopes until it expires, also if its user has lost the role. The server itself
// asks for the role at each request.
//
// It panics without a scope, or if one is no scope of RFC 6749 section 3.3: a list that was meant
// to have one, and is empty, must not let everybody in.
func RequireScope(scopes ...string) func(http.Handler) http.Handler {
	if len(scopes) == 0 || slices.ContainsFunc(scopes, isNoScope) {
		panic("authn: RequireScope needs scopes, such as users:read")
	}
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

// isNoScope reports whether a text is no scope-token of RFC 6749 section 3.3.
func isNoScope(scope string) bool {
	isOther := func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' }
	return scope == "" || strings.ContainsFunc(scope, isOther)
}
