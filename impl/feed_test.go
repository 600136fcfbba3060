package impl_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// writer is a transaction of another server.
type writer struct {
	pgx.Tx
	t *testing.T
}

func write(t *testing.T, h *impltest.Harness) writer {
	t.Helper()
	tx, err := h.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return writer{tx, t}
}

// add adds an event whose user agent is its name.
func (w writer) add(name string, at time.Time) {
	w.t.Helper()
	id, err := event.NewID(at)
	if err != nil {
		w.t.Fatal(err)
	}
	const text = `INSERT INTO events (id, type, user_id, actor, address, user_agent, created_at)
		VALUES ($1, 'user.logged_in', $2, 'user', '127.0.0.1', $3, $4)`
	if _, err := w.Exec(w.t.Context(), text, id, uuid.Nil, name, at); err != nil {
		w.t.Fatal(err)
	}
}

func (w writer) commit() {
	w.t.Helper()
	if err := w.Commit(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func openFeed(t *testing.T, h *impltest.Harness, f auth.EventFilter) *event.Feed {
	t.Helper()
	feed, err := h.Auth.FollowEvents(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return feed
}

// shown returns the names of the events that a feed shows.
func shown(t *testing.T, read func(context.Context, func(event.Event) error) error) (names []string) {
	t.Helper()
	err := read(t.Context(), func(e event.Event) error {
		names = append(names, e.UserAgent)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func wantShown(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// A feed shows the events of a transaction that is committed late, also if their ids are older than
// those already shown, and if the transaction began before the feed.
func TestFeedOfLateTransactions(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	now := h.Clock.Now()
	before, early, late := write(t, h), write(t, h), write(t, h)
	before.add("before the feed", now)
	feed := openFeed(t, h, auth.EventFilter{})
	late.add("late", now)
	early.add("early", now)
	early.commit()
	wantShown(t, "the first look", shown(t, feed.Next), "early")
	wantShown(t, "again", shown(t, feed.Next))
	aborted := write(t, h)
	aborted.add("aborted", now)
	if err := aborted.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := write(t, h)
	other.add("from a clock that is an hour behind", now.Add(-time.Hour))
	other.commit()
	wantShown(t, "a clock behind", shown(t, feed.Next), "from a clock that is an hour behind")
	late.commit()
	before.commit()
	wantShown(t, "the late ones", shown(t, feed.Next), "before the feed", "late")
	wantShown(t, "at last", shown(t, feed.Next))
}

// Events from before the feed are shown once, also if they are committed between the two reads.
func TestFeedOfThePast(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	now := h.Clock.Now()
	done, open := write(t, h), write(t, h)
	done.add("too old", now.Add(-2*time.Hour))
	done.add("second", now.Add(-time.Minute))
	done.add("first", now.Add(-time.Hour))
	done.commit()
	open.add("committed while it begins", now.Add(-time.Second))
	feed := openFeed(t, h, auth.EventFilter{Since: now.Add(-time.Hour)})
	open.commit()
	wantShown(t, "the past", shown(t, feed.Past), "first", "second", "committed while it begins")
	next := write(t, h)
	next.add("next", now)
	next.commit()
	wantShown(t, "the next", shown(t, feed.Next), "next")
	wantShown(t, "at last", shown(t, feed.Next))
}

// Rows that were restored from another server's dump have that server's transaction numbers. None
// of them counts as new, whatever the numbers are.
func TestFeedAfterARestore(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	restored := write(t, h)
	restored.add("restored", h.Clock.Now().Add(-48*time.Hour))
	restored.commit()
	const future = "UPDATE events SET transaction_id = (pg_current_xact_id()::text::bigint + 3)::text::xid8"
	if _, err := h.Pool.Exec(t.Context(), future); err != nil {
		t.Fatal(err)
	}
	feed := openFeed(t, h, auth.EventFilter{Since: h.Clock.Now().Add(-72 * time.Hour)})
	wantShown(t, "the past", shown(t, feed.Past), "restored")
	for range 5 {
		w := write(t, h)
		w.add("new", h.Clock.Now())
		w.commit()
		wantShown(t, "the next", shown(t, feed.Next), "new")
	}
}

// A feed of a user and a type shows no other events. The many events of one transaction take
// several pages.
func TestFeedFilter(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	id := claims(t, h.MustRegister(t, "ada")).UID
	feed := openFeed(t, h, auth.EventFilter{UserID: id, Type: event.SessionsEnded})
	all := openFeed(t, h, auth.EventFilter{})
	h.MustLogin(t, "ada")
	h.MustRegister(t, "grace")
	for range 2 {
		if err := h.Auth.EndUserSessions(t.Context(), auth.Operator{}, id); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(shown(t, feed.Next)); got != 2 {
		t.Errorf("%d events of the filter", got)
	}
	if got := len(shown(t, all.Next)); got != 4 {
		t.Errorf("%d events in all", got)
	}
	const many = 2500
	w := write(t, h)
	for range many {
		w.add("many", h.Clock.Now())
	}
	w.commit()
	names := shown(t, all.Next)
	slices.Sort(names)
	if got := len(names); got != many || names[0] != "many" {
		t.Errorf("%d events of %d", got, many)
	}
	wantShown(t, "at last", shown(t, all.Next))
}
