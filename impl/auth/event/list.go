package event

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// Filter is which events a list has. A zero field leaves nothing out.
type Filter struct {
	UserID uuid.UUID
	Type   Type
	// Since is the earliest time. Until is the first that is too late.
	Since, Until time.Time
}

// List returns a page of events, the newest first: those before an event, or the newest for the
// zero UUID. next is the id of the last one, or the zero UUID if there are no more. The work is
// that of one page, whatever the filter is and however many events there are.
func List(
	ctx context.Context, queries *db.Queries, f Filter, before uuid.UUID, page int,
) (events []Event, next uuid.UUID, err error) {
	rows, err := f.rows(ctx, queries, f.ids(before), int32(page)+1)
	if err != nil {
		return nil, uuid.Nil, store.Error(err)
	}
	if len(rows) > page {
		rows, next = rows[:page], rows[page-1].ID
	}
	events, err = all(rows)
	return events, next, err
}

// idSlack is how far the time in an event's id is at most from the time of the event. [NewID] takes
// it from the event. Elsewhere, as in older releases, the id is made a moment later.
const idSlack = 10 * time.Second

// idRange are the ids from after on and before before.
type idRange struct{ after, before uuid.UUID }

// ids returns between which ids the events of a filter are, so that no others are read.
func (f Filter) ids(before uuid.UUID) idRange {
	r := idRange{before: cmp.Or(before, uuid.Max)}
	if !f.Until.IsZero() {
		if last := idAt(f.Until.Add(idSlack)); less(last, r.before) {
			r.before = last
		}
	}
	if !f.Since.IsZero() {
		r.after = idAt(f.Since.Add(-idSlack))
	}
	return r
}

func less(a, b uuid.UUID) bool { return string(a[:]) < string(b[:]) }

// endOfTime is after each event.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// rows reads one page. Each filter has a query of its own, because each needs an index of its own.
func (f Filter) rows(ctx context.Context, queries *db.Queries, ids idRange, size int32) ([]db.Event, error) {
	since, until := f.Since, f.Until
	if until.IsZero() {
		until = endOfTime
	}
	switch {
	case f.UserID != uuid.Nil && f.Type != "":
		return queries.EventListByUserAndType(ctx, db.EventListByUserAndTypeParams{
			UserID: f.UserID, Type: string(f.Type),
			Before: ids.before, After: ids.after, Since: since, Until: until, PageSize: size,
		})
	case f.UserID != uuid.Nil:
		return queries.EventListByUser(ctx, db.EventListByUserParams{
			UserID: f.UserID, Before: ids.before, After: ids.after, Since: since, Until: until, PageSize: size,
		})
	case f.Type != "":
		return queries.EventListByType(ctx, db.EventListByTypeParams{
			Type: string(f.Type), Before: ids.before, After: ids.after, Since: since, Until: until, PageSize: size,
		})
	}
	return queries.EventList(ctx, db.EventListParams{
		Before: ids.before, After: ids.after, Since: since, Until: until, PageSize: size,
	})
}

func all(rows []db.Event) ([]Event, error) {
	events := make([]Event, len(rows))
	for i, r := range rows {
		var err error
		if events[i], err = of(r); err != nil {
			return nil, err
		}
	}
	return events, nil
}

func of(r db.Event) (Event, error) {
	var d details
	if err := json.Unmarshal(r.Data, &d); err != nil {
		return Event{}, errors.New("the data of an event can't be read")
	}
	return Event{
		ID: r.ID, Type: Type(r.Type), UserID: r.UserID, Actor: Actor(r.Actor), ActorID: store.OrZero(r.ActorID),
		SessionID: store.OrZero(r.SessionID), Address: store.OrZero(r.Address), UserAgent: store.OrZero(r.UserAgent),
		Methods: d.Methods, Roles: d.Roles, CreatedAt: r.CreatedAt.UTC(),
	}, nil
}
