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

// UpdateUser is not made yet.
func (s *Server) UpdateUser(context.Context, api.UpdateUserRequestObject) (api.UpdateUserResponseObject, error) {
	return nil, errNotMade
}

// DeleteUser is not made yet.
func (s *Server) DeleteUser(context.Context, api.DeleteUserRequestObject) (api.DeleteUserResponseObject, error) {
	return nil, errNotMade
}
