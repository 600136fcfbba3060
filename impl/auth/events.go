package auth

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/auth/session"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// Events returns a page of what happened to a user's account, the newest first, and where the next
// page begins. It fails with [ErrUnavailable].
func (s *Service) Events(ctx context.Context, user, before uuid.UUID, page int) ([]event.Event, uuid.UUID, error) {
	return event.List(ctx, s.queries, event.Filter{UserID: user}, before, page)
}

// record writes an event in the transaction of what happened.
func (s *Service) record(ctx context.Context, tx store.Tx, c Caller, e event.Event) error {
	return event.Add(ctx, tx, s.told(c, e))
}

// told returns an event with what is known of the caller.
func (s *Service) told(c Caller, e event.Event) event.Event {
	e.CreatedAt = s.now()
	e.Address, e.UserAgent = c.address(), session.ShortUserAgent(c.UserAgent)
	return e
}

// noteFailedLogin records a failed login of an account as [Service.noteFailure] does.
func (s *Service) noteFailedLogin(c Caller, err error) {
	var failed *LoginError
	if errors.As(err, &failed) && failed.UserID != uuid.Nil {
		s.noteFailure(c, event.LoginFailed, failed.UserID)
	}
}

// noteFailure records a guess at an account, at most once an hour of each type. It does so beside
// the request: otherwise its time would tell that the account exists. An event is lost if many fail
// at once.
func (s *Service) noteFailure(c Caller, what event.Type, user uuid.UUID) {
	failed := s.told(c, event.Event{Type: what, UserID: user, Actor: event.Unknown})
	s.beside.TryGo(func() error { return event.AddSampled(context.Background(), s.queries, failed) })
}

// SweepEvents deletes events that are older than the retention, in batches, and returns how many.
func (s *Service) SweepEvents(ctx context.Context, retention time.Duration) (int64, error) {
	return event.Sweep(ctx, s.queries, retention, nil)
}
