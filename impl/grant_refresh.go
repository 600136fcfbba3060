package impl

import (
	"context"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
)

// grantRefresh exchanges a refresh token for new tokens of its session (RFC 6749 section 6). Whoever sends credentials beside it
// doesn't know what is asked for, and gets nothing.
func grantRefresh(ctx context.Context, s *Server, form api.LoginForm) (granted auth.Grant, err error) {
	r := requestOf(ctx)
	if value(form.Username) != "" || value(form.Password) != "" {
		err = auth.ErrInvalidRefresh
	} else {
		granted, err = s.auth.Refresh(ctx, r.caller(), auth.NewSecret(value(form.RefreshToken)))
	}
	noteGrant(r, "refresh", granted.User, err)
	return granted, err
}
