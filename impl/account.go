package impl

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/contract"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// UpdateCurrentUser changes the profile of the user.
func (s *Server) UpdateCurrentUser(
	ctx context.Context,
	req api.UpdateCurrentUserRequestObject,
) (api.UpdateCurrentUserResponseObject, error) {
	update := auth.UserUpdate{
		Username: req.Body.Username, Metadata: req.Body.UserMetadata,
		DisplayName: nullable(req.Body.DisplayName), Locale: nullable(req.Body.Locale),
	}
	r := requestOf(ctx)
	user, err := s.auth.UpdateUser(ctx, r.caller(), r.principal, value(req.Params.IfMatch), update)
	return api.UpdateCurrentUser200JSONResponse{
		Body: userBody(user), Headers: api.UpdateCurrentUser200ResponseHeaders{ETag: auth.ETag(user)},
	}, err
}

// nullable returns a text of a merge patch that fits the contract: nil for an absent one, and an
// empty one for null. It panics if the member is anything else.
func nullable(member json.RawMessage) *string {
	if member == nil {
		return nil
	}
	var text string
	if err := json.Unmarshal(member, &text); err != nil { // null leaves it empty
		panic(err)
	}
	return &text
}

// DeleteCurrentUser deletes the account of the token.
func (s *Server) DeleteCurrentUser(
	ctx context.Context,
	_ api.DeleteCurrentUserRequestObject,
) (api.DeleteCurrentUserResponseObject, error) {
	r := requestOf(ctx)
	if err := s.auth.DeleteOwnUser(ctx, r.caller(), r.principal); err != nil {
		return nil, err
	}
	r.note(slog.String("deleted", r.principal.User.ID.String()))
	s.cookie.remove(r)
	return api.DeleteCurrentUser204Response{}, nil
}

// ChangePassword replaces the password of a user who proves the present one.
func (s *Server) ChangePassword(
	ctx context.Context,
	req api.ChangePasswordRequestObject,
) (api.ChangePasswordResponseObject, error) {
	r := requestOf(ctx)
	current, chosen := secret.New(req.Body.CurrentPassword), secret.New(req.Body.NewPassword)
	return api.ChangePassword204Response{}, s.auth.ChangePassword(ctx, r.caller(), r.principal, current, chosen)
}

// Reauthenticate proves again who the user of a session is.
func (s *Server) Reauthenticate(
	ctx context.Context,
	req api.ReauthenticateRequestObject,
) (api.ReauthenticateResponseObject, error) {
	grant, err := s.reauthenticate(ctx, *req.Body)
	return api.Reauthenticate200JSONResponse{
		// The cookie isn't set: a refresh beside this request may have set a newer one.
		Body:    tokenBody(grant, req.Body.TokenDelivery),
		Headers: api.Reauthenticate200ResponseHeaders{Pragma: noCache},
	}, err
}

func (s *Server) reauthenticate(ctx context.Context, body api.Reauthentication) (auth.Grant, error) {
	if found := factorViolations(body); len(found) > 0 {
		return auth.Grant{}, found
	}
	r := requestOf(ctx)
	if body.Factor == api.ReauthenticationFactorPassword {
		return s.auth.Reauthenticate(ctx, r.caller(), r.principal, secret.New(value(body.Password)))
	}
	grant, err := s.auth.ReauthenticateByCode(ctx, r.caller(), r.principal, answerOf(body.Request, value(body.Code)))
	r.noteOutcome("reauthentication", uuid.Nil, err)
	return grant, err
}

// factorMembers are the members that belong to each factor.
var factorMembers = map[string][]string{
	string(auth.FactorPassword):  {"password"},
	string(auth.FactorEmailCode): {"request", "code"},
}

// factorViolations returns what is wrong with a body that fits the schema.
func factorViolations(body api.Reauthentication) contract.Violations {
	var found contract.Violations
	fields := map[string]any{"factor": string(body.Factor)}
	for name, member := range map[string]*string{"password": body.Password, "request": body.Request, "code": body.Code} {
		if member != nil {
			fields[name] = *member
		}
	}
	checkFactor(fields, &found)
	return found.Sorted()
}

// checkFactor adds a violation for each member that the factor lacks, and for each that belongs to
// another factor.
func checkFactor(fields map[string]any, found *contract.Violations) {
	factor, _ := fields["factor"].(string)
	own, ok := factorMembers[factor]
	if !ok {
		return // the schema has found it, or the body is of another operation
	}
	for _, name := range own {
		if fields[name] == nil {
			found.Add("/"+name, "required", "The field is missing.")
		}
	}
	for _, others := range factorMembers {
		for _, name := range others {
			if fields[name] != nil && !slices.Contains(own, name) {
				found.Add("/"+name, "not_allowed", "The field belongs to another factor.")
			}
		}
	}
}

// defaultPage is the contract's default of `limit`, which is never 0.
const defaultPage = 50

// ListOwnEvents lists what happened to the account of the token.
func (s *Server) ListOwnEvents(
	ctx context.Context,
	req api.ListOwnEventsRequestObject,
) (api.ListOwnEventsResponseObject, error) {
	before := uuid.Nil
	if req.Params.Cursor != nil {
		before = uuid.MustParse(*req.Params.Cursor) // the contract's pattern is that of an id
	}
	limit := cmp.Or(orZero(req.Params.Limit), defaultPage)
	events, next, err := s.auth.Events(ctx, requestOf(ctx).principal.User.ID, before, limit)
	list := api.EventList{
		Events: bodies(events, func(e event.Event) api.Event { return eventBody(hideOperator(e)) }),
	}
	if next != uuid.Nil {
		list.Next = new(next.String())
	}
	return api.ListOwnEvents200JSONResponse(list), err
}

func eventBody(e event.Event) api.Event {
	body := api.Event{
		ID: e.ID, Type: api.EventType(e.Type), Actor: api.EventActor(e.Actor), CreatedAt: e.CreatedAt,
		SessionID: optional(e.SessionID),
	}
	if e.Address != "" {
		body.Address, body.UserAgent = &e.Address, &e.UserAgent
	}
	if len(e.Methods) > 0 {
		body.Methods = new(texts[api.EventMethods](e.Methods))
	}
	if e.Roles != nil {
		body.Roles = new(texts[api.Role](e.Roles))
	}
	return body
}
