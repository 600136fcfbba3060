package impl

import (
	"context"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// grantRefresh exchanges a refresh token for new tokens of its session (RFC 6749 section 6). The
// token in the form counts, and the cookie only without one.
func grantRefresh(ctx context.Context, s *Server, form api.LoginForm) (granted auth.Grant, err error) {
	r := requestOf(ctx)
	token := secret.New(value(form.RefreshToken))
	if isRefreshByCookie(form) {
		if token, err = s.cookie.token(r); err != nil {
			noteGrant(r, "refresh", auth.User{}, err)
			return auth.Grant{}, err
		}
	}
	granted, err = s.auth.Refresh(ctx, r.caller(), token, value(form.Scope))
	noteGrant(r, "refresh", granted.User, err)
	if isRefreshByCookie(form) && isSpent(err) {
		s.cookie.remove(r)
	}
	return granted, err
}
