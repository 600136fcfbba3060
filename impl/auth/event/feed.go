package event

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// feedPage is how many events one statement of a feed reads at most.
const feedPage = 1000

// foreignAfter is how old an event is that a feed takes for one of another server: it was restored
// from a dump, and its transaction's number says nothing.
const foreignAfter = 24 * time.Hour

// Feed returns each event once, as soon as it can be seen.
//
// Ids don't show what is new: a transaction that made an event earlier may be committed later. A
// feed therefore asks for the events of the transactions that its last snapshot of the database
// didn't see. It loses none, however long a transaction takes and whatever the clocks show.
type Feed struct {
	queries *db.Queries
	filter  Filter
	// since is the time from which on events are the database's own.
	since time.Time
	seen  db.EventSnapshotRow
	// shown are events of [Feed.Past] that seen doesn't see, because they were committed meanwhile.
	shown map[uuid.UUID]bool
}

// Follow returns a [Feed] of the events that are committed from now on. The filter's Until doesn't
// count. It fails with [store.ErrUnavailable].
func Follow(ctx context.Context, queries *db.Queries, f Filter, now time.Time) (*Feed, error) {
	seen, err := queries.EventSnapshot(ctx)
	if err != nil {
		return nil, store.Error(err)
	}
	return &Feed{
		queries: queries, filter: f, since: now.Add(-foreignAfter), seen: seen, shown: map[uuid.UUID]bool{},
	}, nil
}

// Past calls show with the events since the filter's time, the oldest first. They are shown once:
// [Feed.Next] leaves them out.
func (f *Feed) Past(ctx context.Context, show func(Event) error) error {
	params := db.EventListFromParams{
		After: f.filter.ids(uuid.Nil).after, Since: f.filter.Since,
		UserID: store.Null(f.filter.UserID), Type: store.Null(string(f.filter.Type)), PageSize: feedPage,
	}
	for {
		rows, err := f.queries.EventListFrom(ctx, params)
		if err != nil {
			return store.Error(err)
		}
		for _, r := range rows {
			if r.CreatedAt.After(f.since) {
				f.shown[r.ID] = true
			}
			if err := showRow(r, show); err != nil {
				return err
			}
		}
		if len(rows) < feedPage {
			return nil
		}
		params.After = rows[len(rows)-1].ID
	}
}

// Next calls show with the events that were committed since the last call, in the order of their
// transactions. After an error the feed can't be used any more.
func (f *Feed) Next(ctx context.Context, show func(Event) error) error {
	now, err := f.queries.EventSnapshot(ctx)
	if err != nil {
		return store.Error(err)
	}
	params := db.EventListBetweenParams{
		Earlier: f.seen.Snapshot, Later: now.Snapshot, AfterTransaction: f.seen.Oldest, Since: f.since,
		UserID: store.Null(f.filter.UserID), Type: store.Null(string(f.filter.Type)), PageSize: feedPage,
	}
	for {
		rows, err := f.queries.EventListBetween(ctx, params)
		if err != nil {
			return store.Error(err)
		}
		for _, r := range rows {
			params.AfterTransaction, params.After = strconv.FormatUint(*r.TransactionID, 10), r.ID
			if f.shown[r.ID] {
				continue
			}
			if err := showRow(r, show); err != nil {
				return err
			}
		}
		if len(rows) < feedPage {
			f.seen = now
			clear(f.shown) // it sees them
			return nil
		}
	}
}

func showRow(r db.Event, show func(Event) error) error {
	e, err := of(r)
	if err != nil {
		return err
	}
	return show(e)
}
