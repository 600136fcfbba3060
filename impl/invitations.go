package impl

import (
	"context"
	"log/slog"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
)

// CreateUser makes a user without a password, and mails an invitation.
func (s *Server) CreateUser(
	ctx context.Context,
	req api.CreateUserRequestObject,
) (api.CreateUserResponseObject, error) {
	r := requestOf(ctx)
	invited, err := s.auth.Invite(ctx, r.operator(), invitationOf(*req.Body))
	if err != nil {
		return nil, err
	}
	r.note(slog.String("invited", invited.ID.String()))
	return api.CreateUser201JSONResponse{
		Body: ManagedUserBody(invited),
		Headers: api.CreateUser201ResponseHeaders{
			ETag: auth.ETag(invited.User), Location: r.userPath(invited.ID.String()),
		},
	}, nil
}

func invitationOf(body api.Invitation) auth.Invitation {
	return auth.Invitation{
		Email: body.Email, Username: value(body.Username), DisplayName: value(body.DisplayName), Locale: value(body.Locale),
		AppMetadata: body.AppMetadata, Roles: texts[string](orZero(body.Roles)),
	}
}

// SendUserPasswordReset mails a user a link that sets another password.
func (s *Server) SendUserPasswordReset(
	ctx context.Context,
	req api.SendUserPasswordResetRequestObject,
) (api.SendUserPasswordResetResponseObject, error) {
	return api.SendUserPasswordReset204Response{}, s.auth.SendPasswordReset(ctx, requestOf(ctx).operator(), req.UserID)
}
