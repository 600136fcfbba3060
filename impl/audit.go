package impl

import (
	"cmp"
	"context"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
)

// ListUserSessions lists where a user is logged in.
func (s *Server) ListUserSessions(
	ctx context.Context,
	req api.ListUserSessionsRequestObject,
) (api.ListUserSessionsResponseObject, error) {
	sessions, err := s.auth.UserSessions(ctx, req.UserID)
	return api.ListUserSessions200JSONResponse(sessionList(sessions, requestOf(ctx).principal.SessionID)), err
}

// EndUserSessions ends all sessions of a user.
func (s *Server) EndUserSessions(
	ctx context.Context,
	req api.EndUserSessionsRequestObject,
) (api.EndUserSessionsResponseObject, error) {
	return api.EndUserSessions204Response{}, s.auth.EndUserSessions(ctx, requestOf(ctx).operator(), req.UserID)
}

// ListEvents lists what happened to all accounts.
func (s *Server) ListEvents(
	ctx context.Context,
	req api.ListEventsRequestObject,
) (api.ListEventsResponseObject, error) {
	p := req.Params
	filter := auth.EventFilter{
		UserID: orZero(p.UserID), Type: event.Type(value(p.Type)), Since: orZero(p.Since), Until: orZero(p.Until),
	}
	found, err := s.auth.ListEvents(ctx, filter, value(p.Cursor), cmp.Or(orZero(p.Limit), defaultPage))
	return api.ListEvents200JSONResponse{
		Body:    api.ManagedEventPage{Events: bodies(found.Events, ManagedEventBody), Next: optional(found.Next)},
		Headers: api.ListEvents200ResponseHeaders{Link: requestOf(ctx).nextPage(found.Next)},
	}, err
}

// ManagedEventBody returns an event as the contract shows it to operators.
func ManagedEventBody(e event.Event) api.ManagedEvent {
	own := eventBody(e)
	body := api.ManagedEvent{
		ID: own.ID, Type: own.Type, UserID: e.UserID, Actor: api.ManagedEventActor(own.Actor), SessionID: own.SessionID,
		Address: own.Address, UserAgent: own.UserAgent, Roles: own.Roles, CreatedAt: own.CreatedAt,
		ActorID: optional(e.ActorID),
	}
	if own.Methods != nil {
		body.Methods = new(texts[api.ManagedEventMethods](*own.Methods))
	}
	return body
}

// hideOperator removes what the user of an event must not learn of an operator.
func hideOperator(e event.Event) event.Event {
	if e.Actor == event.Operator {
		e.ActorID, e.SessionID, e.Address, e.UserAgent = uuid.Nil, uuid.Nil, "", ""
	}
	return e
}
