package impl

import (
	"context"
	"net/url"
	"strconv"
	"time"

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
	if err != nil {
		return nil, err
	}
	return api.ListUserSessions200JSONResponse(sessionList(sessions, requestOf(ctx).principal.SessionID)), nil
}

// EndUserSessions ends all sessions of a user.
func (s *Server) EndUserSessions(
	ctx context.Context,
	req api.EndUserSessionsRequestObject,
) (api.EndUserSessionsResponseObject, error) {
	if err := s.auth.EndUserSessions(ctx, requestOf(ctx).operator(), req.UserID); err != nil {
		return nil, err
	}
	return api.EndUserSessions204Response{}, nil
}

// ListEvents lists what happened to all accounts.
func (s *Server) ListEvents(
	ctx context.Context,
	req api.ListEventsRequestObject,
) (api.ListEventsResponseObject, error) {
	p := req.Params
	page := defaultEventPage
	if p.Limit != nil {
		page = *p.Limit
	}
	found, err := s.auth.ListEvents(ctx, eventFilter(p), value(p.Cursor), page)
	if err != nil {
		return nil, err
	}
	body := api.ManagedEventPage{Events: make([]api.ManagedEvent, len(found.Events)), Next: optional(found.Next)}
	for i, e := range found.Events {
		body.Events[i] = managedEventBody(e)
	}
	var headers api.ListEvents200ResponseHeaders
	if found.Next != "" {
		headers.Link = optional(nextPage(found.Next, eventQuery(p)))
	}
	return api.ListEvents200JSONResponse{Body: body, Headers: headers}, nil
}

func eventFilter(p api.ListEventsParams) auth.EventFilter {
	var f auth.EventFilter
	if p.UserID != nil {
		f.UserID = *p.UserID // the contract's pattern is that of an id
	}
	if p.Type != nil {
		f.Type = event.Type(*p.Type)
	}
	if p.Since != nil {
		f.Since = *p.Since
	}
	if p.Until != nil {
		f.Until = *p.Until
	}
	return f
}

// eventQuery returns the query string of a list of events without its cursor.
func eventQuery(p api.ListEventsParams) url.Values {
	query := url.Values{}
	if p.Limit != nil {
		query.Set("limit", strconv.Itoa(*p.Limit))
	}
	if p.UserID != nil {
		query.Set("user_id", p.UserID.String())
	}
	if p.Type != nil {
		query.Set("type", string(*p.Type))
	}
	if p.Since != nil {
		query.Set("since", p.Since.Format(time.RFC3339Nano))
	}
	if p.Until != nil {
		query.Set("until", p.Until.Format(time.RFC3339Nano))
	}
	return query
}

// managedEventBody returns an event as operators see it.
func managedEventBody(e event.Event) api.ManagedEvent {
	own := eventBody(e)
	body := api.ManagedEvent{
		ID: own.ID, Type: own.Type, UserID: e.UserID, Actor: api.ManagedEventActor(own.Actor), SessionID: own.SessionID,
		Address: own.Address, UserAgent: own.UserAgent, Roles: own.Roles, CreatedAt: own.CreatedAt,
	}
	if own.Methods != nil {
		methods := make([]api.ManagedEventMethods, len(*own.Methods))
		for i, method := range *own.Methods {
			methods[i] = api.ManagedEventMethods(method)
		}
		body.Methods = &methods
	}
	if e.ActorID != uuid.Nil {
		body.ActorID = &e.ActorID
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
