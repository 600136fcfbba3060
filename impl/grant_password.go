package impl

import (
	"context"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// grantPassword opens a session for an email and a password (RFC 6749 section 4.3).
func grantPassword(ctx context.Context, s *Server, form api.LoginForm) (auth.Grant, error) {
	r := requestOf(ctx)
	pass := secret.New(value(form.Password))
	granted, err := s.auth.Login(ctx, r.caller(), value(form.Username), pass, value(form.Scope))
	noteGrant(r, "login", granted.User, err)
	return granted, err
}
