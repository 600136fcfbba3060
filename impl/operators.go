package impl

import (
	"cmp"
	"context"
	"errors"
	"log/slog"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
)

// errNoPrecondition reports that a change doesn't say which state it was made for.
var errNoPrecondition = errors.New("no If-Match")

// operator returns who sends a request to an operation of operators.
func (r *request) operator() auth.Operator {
	return auth.Operator{Caller: r.caller(), UserID: r.principal.User.ID, SessionID: r.principal.SessionID}
}

// ListUsers lists users, a page at a time.
func (s *Server) ListUsers(ctx context.Context, req api.ListUsersRequestObject) (api.ListUsersResponseObject, error) {
	p := req.Params
	filter := auth.UserFilter{
		EmailPrefix: value(p.EmailPrefix), IsActive: p.IsActive, EmailVerified: p.EmailVerified, Role: value(p.Role),
	}
	page, err := s.auth.ListUsers(ctx, filter, value(p.Cursor), cmp.Or(orZero(p.Limit), defaultPage))
	return api.ListUsers200JSONResponse{
		Body:    api.UserPage{Users: bodies(page.Users, ManagedUserBody), Next: optional(page.Next)},
		Headers: api.ListUsers200ResponseHeaders{Link: requestOf(ctx).nextPage(page.Next)},
	}, err
}

// nextPage returns the value of Link for the next page of a list (RFC 8288), relative to the
// address of the request, or nil without a next page. It repeats the operation's own parameters
// alone: those are bounded, and are no secrets.
func (r *request) nextPage(cursor string) *string {
	if cursor == "" {
		return nil
	}
	query := r.operation.OwnQuery(r.url.Query())
	query.Set("cursor", cursor)
	return new("<?" + query.Encode() + `>; rel="next"`)
}

// GetUser returns a user.
func (s *Server) GetUser(ctx context.Context, req api.GetUserRequestObject) (api.GetUserResponseObject, error) {
	user, err := s.auth.GetUser(ctx, req.UserID)
	return api.GetUser200JSONResponse{
		Body: ManagedUserBody(user), Headers: api.GetUser200ResponseHeaders{ETag: auth.ETag(user.User)},
	}, err
}

// UpdateUser changes a user.
func (s *Server) UpdateUser(
	ctx context.Context, req api.UpdateUserRequestObject,
) (api.UpdateUserResponseObject, error) {
	if req.Params.IfMatch == nil {
		return nil, errNoPrecondition
	}
	r := requestOf(ctx)
	update := managedUpdate(*req.Body)
	user, err := s.auth.UpdateManagedUser(ctx, r.operator(), req.UserID, *req.Params.IfMatch, update)
	if err != nil {
		return nil, err
	}
	r.note(slog.String("updated", user.ID.String()))
	return api.UpdateUser200JSONResponse{
		Body: ManagedUserBody(user), Headers: api.UpdateUser200ResponseHeaders{ETag: auth.ETag(user.User)},
	}, nil
}

// managedUpdate returns the update of a body.
func managedUpdate(body api.ManagedUserUpdate) auth.ManagedUpdate {
	update := auth.ManagedUpdate{
		UserUpdate: auth.UserUpdate{
			Username: body.Username, Metadata: body.UserMetadata,
			DisplayName: nullable(body.DisplayName), Locale: nullable(body.Locale),
		},
		AppMetadata: body.AppMetadata, IsActive: body.IsActive, ExternalID: nullable(body.ExternalID),
	}
	if body.Roles != nil {
		update.Roles = texts[string](*body.Roles)
	}
	return update
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

// ManagedUser is a user as the contract shows it to operators.
type ManagedUser = api.ManagedUser

// ManagedUserBody returns the body of a user. It repeats [userBody], because the generator flattens
// the contract's allOf.
func ManagedUserBody(u auth.ManagedUser) ManagedUser {
	return ManagedUser{
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
		Roles:         texts[api.Role](u.Roles),
		HasPassword:   u.HasPassword,
		ExternalID:    optional(u.ExternalID),
		LastLoginAt:   u.LastLoginAt,
	}
}
