package impl

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strconv"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
)

// errNoPrecondition reports that a change doesn't say which state it was made for.
var errNoPrecondition = errors.New("no If-Match")

// operator returns who sends a request to an operation of operators.
func (r *request) operator() auth.Operator {
	return auth.Operator{Caller: r.caller(), UserID: r.principal.User.ID, SessionID: r.principal.SessionID}
}

// defaultUserPage is the contract's default of `limit`.
const defaultUserPage = 50

// ListUsers lists users, a page at a time.
func (s *Server) ListUsers(ctx context.Context, req api.ListUsersRequestObject) (api.ListUsersResponseObject, error) {
	params, limit := req.Params, defaultUserPage
	if params.Limit != nil {
		limit = *params.Limit
	}
	page, err := s.auth.ListUsers(ctx, auth.UserFilter{
		EmailPrefix: value(params.EmailPrefix), IsActive: params.IsActive, EmailVerified: params.EmailVerified,
		Role: value(params.Role),
	}, value(params.Cursor), limit)
	if err != nil {
		return nil, err
	}
	body := api.UserPage{Users: make([]api.ManagedUser, len(page.Users)), Next: optional(page.Next)}
	for i, user := range page.Users {
		body.Users[i] = managedUserBody(user)
	}
	var headers api.ListUsers200ResponseHeaders
	if page.Next != "" {
		headers.Link = optional(nextPage(page.Next, userQuery(params)))
	}
	return api.ListUsers200JSONResponse{Body: body, Headers: headers}, nil
}

// userQuery returns the query string of a list of users without its cursor.
func userQuery(params api.ListUsersParams) url.Values {
	query := url.Values{}
	if params.Limit != nil {
		query.Set("limit", strconv.Itoa(*params.Limit))
	}
	if params.EmailPrefix != nil {
		query.Set("email_prefix", *params.EmailPrefix)
	}
	if params.IsActive != nil {
		query.Set("is_active", strconv.FormatBool(*params.IsActive))
	}
	if params.EmailVerified != nil {
		query.Set("email_verified", strconv.FormatBool(*params.EmailVerified))
	}
	if params.Role != nil {
		query.Set("role", string(*params.Role))
	}
	return query
}

// nextPage returns the value of Link for the next page of a list (RFC 8288), relative to the address
// of the request.
func nextPage(cursor string, query url.Values) string {
	query.Set("cursor", cursor)
	return "<?" + query.Encode() + `>; rel="next"`
}

// GetUser returns a user.
func (s *Server) GetUser(ctx context.Context, req api.GetUserRequestObject) (api.GetUserResponseObject, error) {
	user, err := s.auth.GetUser(ctx, req.UserID)
	if err != nil {
		return nil, err
	}
	return api.GetUser200JSONResponse{
		Body: managedUserBody(user), Headers: api.GetUser200ResponseHeaders{ETag: auth.ETag(user.User)},
	}, nil
}

// UpdateUser changes a user.
func (s *Server) UpdateUser(
	ctx context.Context, req api.UpdateUserRequestObject,
) (api.UpdateUserResponseObject, error) {
	if req.Params.IfMatch == nil {
		return nil, errNoPrecondition
	}
	update, err := managedUpdate(*req.Body)
	if err != nil {
		return nil, err
	}
	r := requestOf(ctx)
	user, err := s.auth.UpdateManagedUser(ctx, r.operator(), req.UserID, *req.Params.IfMatch, update)
	if err != nil {
		return nil, err
	}
	r.note(slog.String("updated", user.ID.String()))
	return api.UpdateUser200JSONResponse{
		Body: managedUserBody(user), Headers: api.UpdateUser200ResponseHeaders{ETag: auth.ETag(user.User)},
	}, nil
}

// managedUpdate returns the update of a body.
func managedUpdate(body api.ManagedUserUpdate) (auth.ManagedUpdate, error) {
	update := auth.ManagedUpdate{
		UserUpdate:  auth.UserUpdate{Username: body.Username, Metadata: body.UserMetadata},
		AppMetadata: body.AppMetadata, IsActive: body.IsActive,
	}
	var err error
	if update.DisplayName, err = nullable(body.DisplayName); err != nil {
		return auth.ManagedUpdate{}, err
	}
	if update.Locale, err = nullable(body.Locale); err != nil {
		return auth.ManagedUpdate{}, err
	}
	if update.ExternalID, err = nullable(body.ExternalID); err != nil {
		return auth.ManagedUpdate{}, err
	}
	if body.Roles != nil {
		update.Roles = make([]string, len(*body.Roles))
		for i, role := range *body.Roles {
			update.Roles[i] = string(role)
		}
	}
	return update, nil
}

// DeleteUser deletes a user.
func (s *Server) DeleteUser(
	ctx context.Context, req api.DeleteUserRequestObject,
) (api.DeleteUserResponseObject, error) {
	r := requestOf(ctx)
	if _, err := s.auth.DeleteUser(ctx, r.operator(), req.UserID); err != nil {
		return nil, err
	}
	r.note(slog.String("deleted", req.UserID.String()))
	return api.DeleteUser204Response{}, nil
}

// managedUserBody repeats [userBody], because the generator flattens the contract's allOf.
func managedUserBody(u auth.ManagedUser) api.ManagedUser {
	body := api.ManagedUser{
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
		Roles:         make([]api.Role, len(u.Roles)),
		HasPassword:   u.HasPassword,
		ExternalID:    optional(u.ExternalID),
		LastLoginAt:   u.LastLoginAt,
	}
	for i, role := range u.Roles {
		body.Roles[i] = api.Role(role)
	}
	return body
}
