package impl

import (
	"context"
	"errors"

	"github.com/latchkey-auth/latchkey/gen/api"
)

var errNotMade = errors.New("not made yet")

// ListUsers is not made yet.
func (s *Server) ListUsers(context.Context, api.ListUsersRequestObject) (api.ListUsersResponseObject, error) {
	return nil, errNotMade
}

// GetUser is not made yet.
func (s *Server) GetUser(context.Context, api.GetUserRequestObject) (api.GetUserResponseObject, error) {
	return nil, errNotMade
}

// CreateUser is not made yet.
func (s *Server) CreateUser(context.Context, api.CreateUserRequestObject) (api.CreateUserResponseObject, error) {
	return nil, errNotMade
}

// UpdateUser is not made yet.
func (s *Server) UpdateUser(context.Context, api.UpdateUserRequestObject) (api.UpdateUserResponseObject, error) {
	return nil, errNotMade
}

// DeleteUser is not made yet.
func (s *Server) DeleteUser(context.Context, api.DeleteUserRequestObject) (api.DeleteUserResponseObject, error) {
	return nil, errNotMade
}

// ListUserSessions is not made yet.
func (s *Server) ListUserSessions(context.Context, api.ListUserSessionsRequestObject) (api.ListUserSessionsResponseObject, error) {
	return nil, errNotMade
}

// EndUserSessions is not made yet.
func (s *Server) EndUserSessions(context.Context, api.EndUserSessionsRequestObject) (api.EndUserSessionsResponseObject, error) {
	return nil, errNotMade
}

// SendUserPasswordReset is not made yet.
func (s *Server) SendUserPasswordReset(context.Context, api.SendUserPasswordResetRequestObject) (api.SendUserPasswordResetResponseObject, error) {
	return nil, errNotMade
}

// ListEvents is not made yet.
func (s *Server) ListEvents(context.Context, api.ListEventsRequestObject) (api.ListEventsResponseObject, error) {
	return nil, errNotMade
}
