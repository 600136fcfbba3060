package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// --follow prints each event once, while transactions are committed in another order than their
// events were made in, and ends with status 0 when it is interrupted.
func TestEventsFollow(t *testing.T) {
	t.Parallel()
	dir, url := openFolder(t), postgrestest.NewEmpty(t)
	environ := onDatabase(url)
	_, server := serve(t, dir, environ)
	if a, err := register(server, "ada@example.com", "ada", impltest.Password); err != nil || a.status != http.StatusCreated {
		t.Fatalf("%v %v", a, err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	open, err := conn.Begin(t.Context()) // before the command begins
	if err != nil {
		t.Fatal(err)
	}
	add := func(digit string) {
		t.Helper()
		const text = `INSERT INTO events (id, type, user_id, actor, address, user_agent, created_at)
			VALUES ($1, 'user.updated', $2, 'user', '127.0.0.1', '', now())`
		if _, err := open.Exec(t.Context(), text, "01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e9"+digit, uuid.Nil.String()); err != nil {
			t.Fatal(err)
		}
	}
	add("1")

	p, err := launch(dir, environ, []string{"events", "--follow", "--since", "1h", "--json"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(t) })
	printed := func(what string, n int) {
		t.Helper()
		err := eventually(fmt.Sprintf("%d events %s", n, what), func() bool {
			return strings.Count(p.stdout.String(), `"type":"`+what+`"`) >= n
		})
		if err != nil {
			t.Fatalf("%v; printed:\n%s%s", err, p.stdout, p.stderr)
		}
	}
	printed("user.registered", 1)
	for n := range 3 {
		if a, err := login(server, "ada@example.com", impltest.Password); err != nil || a.status != http.StatusOK {
			t.Fatalf("%v %v", a, err)
		}
		printed("user.logged_in", n+1)
	}
	add("2")
	if err := open.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	printed("user.updated", 2)
	if err := p.signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if status, err := p.wait(); err != nil || status != 0 || p.stderr.String() != "" {
		t.Errorf("status %d, %v: %s", status, err, p.stderr)
	}

	var want, got []string
	rows, err := conn.Query(t.Context(), "SELECT id::text FROM events")
	if err != nil {
		t.Fatal(err)
	}
	if want, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(p.stdout.String()) {
		var e struct{ ID string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		got = append(got, e.ID)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-in the database +printed):\n%s", diff)
	}
}
