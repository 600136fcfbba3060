package impl_test

import (
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// rowsRead returns the number of rows of tables and their indexes that were read so far.
func rowsRead(t *testing.T, h *impltest.Harness, tables ...string) (n int64) {
	t.Helper()
	// Each connection reports its reads once a second, or when asked.
	for _, conn := range h.Pool.AcquireAllIdle(t.Context()) {
		_, err := conn.Exec(t.Context(), "SELECT pg_stat_force_next_flush()")
		conn.Release()
		if err != nil {
			t.Fatal(err)
		}
	}
	row := h.Pool.QueryRow(t.Context(), `SELECT sum(n)::bigint FROM (
		SELECT seq_tup_read AS n FROM pg_stat_user_tables WHERE relname = ANY($1)
		UNION ALL SELECT idx_tup_read FROM pg_stat_user_indexes WHERE relname = ANY($1)) s`, tables)
	if err := row.Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A page reads few rows, whatever its filters are: a rare value doesn't cause a scan. It reads at
// most a page for each of the four states of users, and then its own users with their roles.
func TestListUsersReadsFewRows(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "zoe", "support", "users:read")
	const users, most = 20_000, 4*101 + 3*51 + 20
	fillUsers(t, h, users)
	for _, filter := range everyFilter() {
		before := rowsRead(t, h, "users", "user_roles")
		// From the sixth time on, PostgreSQL may plan for any value of the parameters.
		const times = 8
		for range times {
			if a := as(t, h, token, "GET", impltest.UsersPath+"?"+filter); a.Status != 200 {
				t.Fatalf("%s: got %d %s", filter, a.Status, a.Body)
			}
		}
		if n := (rowsRead(t, h, "users", "user_roles") - before) / times; n > most {
			t.Errorf("%q reads %d rows, want %d at most", filter, n, most)
		}
	}
}
