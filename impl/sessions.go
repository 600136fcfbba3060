package impl

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
)

// Logout ends the session whose token was sent.
func (s *Server) Logout(ctx context.Context, _ api.LogoutRequestObject) (api.LogoutResponseObject, error) {
	r := requestOf(ctx)
	err := s.auth.EndSession(ctx, r.caller(), r.principal, r.principal.SessionID)
	if err != nil && !errors.Is(err, auth.ErrNoSession) { // somebody was faster
		return nil, err
	}
	s.cookie.remove(r)
	return api.Logout204Response{}, nil
}

// ListSessions lists where the user is logged in.
func (s *Server) ListSessions(
	ctx context.Context,
	_ api.ListSessionsRequestObject,
) (api.ListSessionsResponseObject, error) {
	who := requestOf(ctx).principal
	sessions, err := s.auth.Sessions(ctx, who.User.ID)
	return api.ListSessions200JSONResponse(sessionList(sessions, who.SessionID)), err
}

// sessionList returns sessions as the contract has them. current is the one that asks.
func sessionList(sessions []auth.Session, current uuid.UUID) api.SessionList {
	return api.SessionList{
		Sessions: bodies(sessions, func(s auth.Session) api.Session { return sessionBody(s, current) }),
	}
}

// EndSession ends one of the user's sessions.
func (s *Server) EndSession(
	ctx context.Context,
	req api.EndSessionRequestObject,
) (api.EndSessionResponseObject, error) {
	r := requestOf(ctx)
	if err := s.auth.EndSession(ctx, r.caller(), r.principal, req.SessionID); err != nil {
		return nil, err
	}
	if req.SessionID == r.principal.SessionID {
		s.cookie.remove(r)
	}
	return api.EndSession204Response{}, nil
}

// EndAllSessions ends all of the user's sessions.
func (s *Server) EndAllSessions(
	ctx context.Context,
	_ api.EndAllSessionsRequestObject,
) (api.EndAllSessionsResponseObject, error) {
	r := requestOf(ctx)
	if err := s.auth.EndSessions(ctx, r.caller(), r.principal); err != nil {
		return nil, err
	}
	s.cookie.remove(r)
	return api.EndAllSessions204Response{}, nil
}

func sessionBody(session auth.Session, current uuid.UUID) api.Session {
	return api.Session{
		ID:         session.ID,
		CreatedAt:  session.CreatedAt,
		LastUsedAt: session.UsedAt,
		ExpiresAt:  session.ExpiresAt,
		UserAgent:  session.UserAgent,
		Address:    session.Address,
		IsCurrent:  session.ID == current,
	}
}
