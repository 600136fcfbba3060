package impl

import (
	"context"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// grantRefresh exchanges a refresh token for new tokens of its session (RFC 6749 section 6).
func grantRefresh(ctx context.Context, s *Server, form api.LoginForm) (auth.Grant, error) {
	r := requestOf(ctx)
	granted, err := s.auth.Refresh(ctx, r.caller(), secret.New(value(form.RefreshToken)))
	noteGrant(r, "refresh", granted.User, err)
	return granted, err
}
