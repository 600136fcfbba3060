package impl_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// busyAndIdle registers two users and returns their ids.
func busyAndIdle(tb testing.TB, h *impltest.Harness) (busy, idle string) {
	tb.Helper()
	for _, user := range []struct {
		name string
		id   *string
	}{{"busy", &busy}, {"idle", &idle}} {
		h.MustRegister(tb, user.name)
		found, err := h.Auth.FindUser(tb.Context(), user.name)
		if err != nil {
			tb.Fatal(err)
		}
		*user.id = found.ID.String()
	}
	return busy, idle
}

// fillEvents makes events, one a second. Half of them belong to one user. One in a hundred of these
// is a user.updated. The idle user has logged in only at the beginning.
func fillEvents(tb testing.TB, h *impltest.Harness, n int, busy, idle string) {
	tb.Helper()
	const text = `INSERT INTO events (id, type, user_id, actor, session_id, address, user_agent, data, created_at)
		SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000' || '8000' || lpad(to_hex(i), 12, '0'))::uuid,
			CASE WHEN i % ($1 / 100) = 0 THEN 'user.updated' WHEN i % 3 = 0 THEN 'login.failed' ELSE 'user.logged_in' END,
			CASE WHEN i < $1 / 50 THEN $3::uuid WHEN i % 2 = 0 THEN $2::uuid 
				ELSE uuid_in(overlay(overlay(md5((i % 5000)::text) PLACING '7' FROM 13) PLACING 'a' FROM 17)::cstring) END,
			'user', $2, '203.0.113.7', 'Mozilla/5.0', '{"methods": ["pwd"]}', at
		FROM (SELECT i, '2024-01-01'::timestamptz + i * interval '1 second' AS at FROM generate_series(1, $1::int) i) s`
	if _, err := h.Pool.Exec(tb.Context(), text, n, busy, idle); err != nil {
		tb.Fatal(err)
	}
	if _, err := h.Pool.Exec(tb.Context(), "VACUUM ANALYZE"); err != nil {
		tb.Fatal(err)
	}
}

// everyEventFilter returns a query string for every combination of the filters of a list of events.
func everyEventFilter(n int, busy, idle string) (queries []string) {
	at := func(i int) string {
		return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Second).Format(time.RFC3339)
	}
	for _, user := range []string{"", busy, idle, "01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90"} {
		for _, what := range []string{"", "user.logged_in", "user.updated", "email.changed"} {
			for _, times := range [][2]string{
				{}, {at(n / 2), ""}, {"", at(n / 2)}, {at(n / 2), at(n/2 + 100)}, {at(n + 1), ""}, {"", at(0)},
			} {
				query := url.Values{}
				for name, value := range map[string]string{"user_id": user, "type": what, "since": times[0], "until": times[1]} {
					if value != "" {
						query.Set(name, value)
					}
				}
				queries = append(queries, query.Encode())
			}
		}
	}
	return queries
}

// A page reads few rows, whatever its filters are, also if a user or a type is rare or its last
// event is old. PostgreSQL plans a prepared statement anew for its first uses only, so each filter
// is sent as often.
func TestEventPagesReadFewRows(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "zoe", "support", "events:read")
	const n = 20_000
	busy, idle := busyAndIdle(t, h)
	fillEvents(t, h, n, busy, idle)
	for range 2 {
		for _, query := range everyEventFilter(n, busy, idle) {
			before := rowsRead(t, h, "events")
			a := h.Do(t, h.Request(http.MethodGet, impltest.AllEventsPath+"?"+query, "", "Authorization", "Bearer "+token))
			// The narrowest range of times has 100 events. 20 more have ids in between.
			if read := rowsRead(t, h, "events") - before; a.Status != http.StatusOK || read > 130 {
				t.Errorf("%s: got %d, read %d rows", query, a.Status, read)
			}
		}
	}
}

// BenchmarkListEvents measures a page of 1,000,000 events with every combination of filters: a
// request through the whole handler.
func BenchmarkListEvents(b *testing.B) {
	h := impltest.New(b)
	token := h.MustOperator(b, "zoe", "support", "events:read")
	const events = 1_000_000
	busy, idle := busyAndIdle(b, h)
	fillEvents(b, h, events, busy, idle)
	for _, filter := range everyEventFilter(events, busy, idle) {
		b.Run(filter, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				serve(b, h, h.Request("GET", impltest.AllEventsPath+"?"+filter, "", "Authorization", "Bearer "+token), 200)
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)-1].Microseconds()), "max-µs")
		})
	}
}
