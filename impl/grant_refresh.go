package impl

import (
	"context"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
)

// grantRefresh exchanges a refresh token for new tokens of its session (RFC 6749 section 6). A form that has credentials
// beside it breaks the contract, and the token stays as good as it was.
func grantRefresh(ctx context.Context, s *Server, form api.LoginForm) (granted auth.Grant, err error) {
	var invalid invalidRequest
	for name, sent := range map[string]*string{"/username": form.Username, "/password": form.Password} {
		if value(sent) != "" {
			invalid.add(name, "not_allowed", "It must not stand beside a refresh token.")
		}
	}
	if value(form.RefreshToken) == "" {
		invalid.add("/refresh_token", "required", "The field is missing.")
	}
	if len(invalid) > 0 {
		return auth.Grant{}, invalid.sorted()
	}
	r := requestOf(ctx)
	granted, err = s.auth.Refresh(ctx, r.caller(), auth.NewSecret(value(form.RefreshToken)))
	noteGrant(r, "refresh", granted.User, err)
	return granted, err
}
