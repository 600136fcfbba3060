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

// EventFilter is which events a list has.
type EventFilter = event.Filter

// EventPage is a page of a list of events.
type EventPage struct {
	Events []event.Event
	// Next is the cursor of the next page, or empty.
	Next string
}

// eventList names the list of events in its cursors.
const eventList = "events"

// ListEvents returns a page of what happened to all accounts, the newest first. An empty cursor is
// that of the first page. It fails with an [*InvalidInputError] or [ErrUnavailable].
func (s *Service) ListEvents(ctx context.Context, f EventFilter, cursor string, page int) (EventPage, error) {
	f.Since, f.Until = f.Since.UTC(), f.Until.UTC() // a cursor is for a moment, however it is written
	var before uuid.UUID
	if err := s.openCursor(eventList, f, cursor, &before); err != nil {
		return EventPage{}, err
	}
	events, last, err := event.List(ctx, s.queries, f, before, page)
	if err != nil || last == uuid.Nil {
		return EventPage{Events: events}, err
	}
	next, err := s.opts.Cursors.Seal(eventList, f, last)
	return EventPage{events, next}, err
}

// FollowEvents returns a feed of the events that are committed from now on. Only the filter's user
// and type count for it, and its time for [event.Feed.Past]. It fails with [ErrUnavailable].
func (s *Service) FollowEvents(ctx context.Context, f EventFilter) (*event.Feed, error) {
	return event.Follow(ctx, s.queries, f, s.opts.Now())
}

// record writes an event in the transaction of what happened.
func (s *Service) record(ctx context.Context, tx store.Tx, c Caller, e event.Event) error {
	return event.Add(ctx, tx, s.told(c, e))
}

// told returns an event with what is known about the caller.
func (s *Service) told(c Caller, e event.Event) event.Event {
	e.CreatedAt = s.opts.Now()
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

// noteFailure records a guess at an account, at most once an hour for each type. It runs outside
// the request, whose time would otherwise reveal that the account exists. An event is lost if many
// fail at once.
func (s *Service) noteFailure(c Caller, what event.Type, user uuid.UUID) {
	failed := s.told(c, event.Event{Type: what, UserID: user, Actor: event.Unknown})
	s.beside.TryGo(func() error { return event.AddSampled(context.Background(), s.queries, failed) })
}

// SweepEvents deletes events that are older than the retention, in batches, and returns how many.
func (s *Service) SweepEvents(ctx context.Context, retention time.Duration) (int64, error) {
	return event.Sweep(ctx, s.queries, retention, nil)
}
