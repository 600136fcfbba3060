package impl

import (
	"context"
	"log/slog"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// userPath returns the path of a user, relative to that of the request, because a proxy may add a
// prefix to both (RFC 9110 section 10.2.2).
func (r *request) userPath(id string) string {
	isRegistration := r.operation.ID == "RegisterUser" // its path is that of all users
	switch {
	case isRegistration && r.slashAdded:
		return "users/" + id + "/"
	case isRegistration || r.slashAdded:
		return id + "/"
	}
	return "../" + id + "/"
}

// RegisterUser makes a user and logs it in, or has a code mailed that does so.
func (s *Server) RegisterUser(
	ctx context.Context,
	req api.RegisterUserRequestObject,
) (api.RegisterUserResponseObject, error) {
	registered, err := s.auth.Register(ctx, requestOf(ctx).caller(), auth.Registration{
		Email: req.Body.Email, Username: req.Body.Username, Password: secret.New(req.Body.Password),
		Locale: value(req.Body.Locale),
	})
	if err != nil {
		return nil, err
	}
	if registered.Waits {
		requestOf(ctx).note(slog.String("registration", "waiting"))
		return api.RegisterUser202JSONResponse(codeBody(registered.Code)), nil
	}
	granted := registered.Grant
	requestOf(ctx).note(slog.String("registered", granted.User.ID.String()))
	return api.RegisterUser201JSONResponse{
		Body:    registeredUserBody(granted, s.deliver(ctx, granted, req.Body.TokenDelivery)),
		Headers: api.RegisterUser201ResponseHeaders{Pragma: noCache, Location: requestOf(ctx).userPath("me")},
	}, nil
}

// CompleteRegistration makes the user of a registration for its mailed code, and logs it in.
func (s *Server) CompleteRegistration(
	ctx context.Context,
	req api.CompleteRegistrationRequestObject,
) (api.CompleteRegistrationResponseObject, error) {
	r := requestOf(ctx)
	granted, err := s.auth.CompleteRegistration(ctx, r.caller(), answerOf(&req.Body.Request, req.Body.Code))
	r.noteOutcome("registration", uuid.Nil, err)
	if err != nil {
		return nil, err
	}
	r.note(slog.String("registered", granted.User.ID.String()))
	return api.CompleteRegistration201JSONResponse{
		Body:    registeredUserBody(granted, s.deliver(ctx, granted, req.Body.TokenDelivery)),
		Headers: api.CompleteRegistration201ResponseHeaders{Pragma: noCache, Location: r.userPath("me")},
	}, nil
}

// GetCurrentUser serves GET /api/users/me/. It returns the user that the bearer token belongs to.
// [Server.authenticate] has found the user already, by the query UserListBySession.
func (s *Server) GetCurrentUser(
	ctx context.Context,
	_ api.GetCurrentUserRequestObject,
) (api.GetCurrentUserResponseObject, error) {
	user := requestOf(ctx).principal.User
	return api.GetCurrentUser200JSONResponse{
		Body: userBody(user), Headers: api.GetCurrentUser200ResponseHeaders{ETag: auth.ETag(user)},
	}, nil
}

func userBody(u auth.User) api.User {
	return api.User{
		ID:            u.ID,
		Email:         u.Email,
		Username:      u.Username,
		EmailVerified: u.EmailVerified,
		IsActive:      u.IsActive,
		IsSuperuser:   u.IsSuperuser,
		CreatedAt:     u.CreatedAt,
		UpdatedAt:     u.UpdatedAt,
		DisplayName:   optional(u.DisplayName),
		Locale:        optional(u.Locale),
		UserMetadata:  u.Metadata,
		AppMetadata:   u.AppMetadata,
	}
}

// registeredUserBody repeats [userBody], because the generator flattens the contract's allOf.
func registeredUserBody(g auth.Grant, token api.Token) api.RegisteredUser {
	u := g.User
	return api.RegisteredUser{
		ID:            u.ID,
		Email:         u.Email,
		Username:      u.Username,
		EmailVerified: u.EmailVerified,
		IsActive:      u.IsActive,
		IsSuperuser:   u.IsSuperuser,
		CreatedAt:     u.CreatedAt,
		UpdatedAt:     u.UpdatedAt,
		Locale:        optional(u.Locale),
		UserMetadata:  u.Metadata,
		AppMetadata:   u.AppMetadata,
		Token:         token,
	}
}
