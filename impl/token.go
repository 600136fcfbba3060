package impl

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
)

const grantPassword = "password"

// Login exchanges an email and a password for an access token (RFC 6749 section 4.3).
func (s *Server) Login(ctx context.Context, req api.LoginRequestObject) (api.LoginResponseObject, error) {
	form := *req.Body
	if grant := value(form.GrantType); grant != "" && grant != grantPassword {
		return nil, errUnsupportedGrant
	}
	user, token, err := s.auth.Login(ctx, requestOf(ctx).caller(), value(form.Username), auth.NewSecret(value(form.Password)))
	noteLogin(requestOf(ctx), user, err)
	if err != nil {
		return nil, err
	}
	return api.Login200JSONResponse{Body: tokenBody(token), Headers: api.Login200ResponseHeaders{Pragma: noCache}}, nil
}

// noCache is the Pragma that RFC 6749 section 5.1 demands of an answer that carries a token, beside the
// Cache-Control that [setSecurityHeaders] gives to all.
const noCache = "no-cache"

func tokenBody(t auth.AccessToken) api.Token {
	return api.Token{
		AccessToken: t.Text.Reveal(),
		TokenType:   api.Bearer,
		ExpiresIn:   int64(t.ExpiresIn / time.Second),
	}
}

// noteLogin puts into the log what a failed log-in doesn't tell its client: the reason, and whose account was tried.
func noteLogin(r *request, user auth.User, err error) {
	var failed *auth.LoginError
	switch {
	case err == nil:
		r.note(slog.String("login", "ok"), slog.String("user", user.ID.String()))
	case errors.As(err, &failed):
		r.note(slog.String("login", failed.Reason))
		r.alarming = failed.Reason == auth.ReasonUnreadableHash
		if failed.UserID != uuid.Nil {
			r.note(slog.String("user", failed.UserID.String()))
		}
	default:
		r.note(slog.String("login", "error"))
	}
}

// value is an optional field, absent and empty being the same (RFC 6749 section 3.2).
func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
