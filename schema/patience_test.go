package schema_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
	"github.com/latchkey-auth/latchkey/schema"
)

// A migration waits for a transaction that uses its table, and doesn't block the statements that
// come after it.
func TestMigrateWaitsForATable(t *testing.T) {
	t.Parallel()
	w := newWaiting(t)
	done := w.migrate(t.Context(), t)
	reader := connect(t, w.url+"&lock_timeout=10s") // a hundred times what the migration waits
	attempt := w.attempt(t, done, "")
	for range 5 {
		exec(t, reader, "SELECT FROM users")
		attempt = w.attempt(t, done, attempt)
	}
	if err := w.transaction.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := <-done; m.applied != 2 || m.err != nil {
		t.Errorf("Migrate after the transaction: %d, %v; want 2", m.applied, m.err)
	}
	if version, err := schema.Version(t.Context(), w.pool); version != schema.Latest()+2 || err != nil {
		t.Errorf("the schema is at version %d, %v", version, err)
	}
}

func TestMigrateIsCancelledWhileItWaits(t *testing.T) {
	t.Parallel()
	w := newWaiting(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := w.migrate(ctx, t)
	w.attempt(t, done, "")
	cancel()
	if m := <-done; m.applied != 1 || !errors.Is(m.err, context.Canceled) {
		t.Errorf("Migrate, cancelled while it waits: %d, %v; want one applied", m.applied, m.err)
	}
	if err := w.transaction.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := <-w.migrate(t.Context(), t); m.applied != 1 || m.err != nil {
		t.Errorf("the next Migrate: %d, %v; want 1", m.applied, m.err)
	}
}

// A migration that would fail again isn't tried again.
func TestMigrateFails(t *testing.T) {
	t.Parallel()
	url := postgrestest.New(t)
	files := later(t, 0)
	files[fmt.Sprintf("%05d_broken.sql", schema.Latest()+2)] = migration(
		"-- Oldest binary beside it: schema 1\nSELECT 1 / 0;\n",
	)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n, err := schema.MigrateFiles(ctx, parse(t, url), files)
	if answer := (*pgconn.PgError)(nil); n != 1 || ctx.Err() != nil || !errors.As(err, &answer) || answer.Code != "22012" {
		t.Errorf("Migrate: %d, %v; want one applied, and a division by zero", n, err)
	}
	for code, want := range map[string]bool{"55P03": true, "40P01": true, "57014": false, "42P01": false} {
		if got := schema.IsInTheWay(fmt.Errorf("migrate: %w", &pgconn.PgError{Code: code})); got != want {
			t.Errorf("SQLSTATE %s is tried again: %t", code, got)
		}
	}
}

// waiting is a database whose table of users a transaction uses until it is rolled back.
type waiting struct {
	url         string
	pool        *pgxpool.Pool
	transaction pgx.Tx
}

type migrated struct {
	applied int
	err     error
}

func newWaiting(t *testing.T) waiting {
	t.Helper()
	url := postgrestest.New(t)
	pool := connect(t, url)
	transaction, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = transaction.Rollback(context.Background()) })
	if _, err := transaction.Exec(t.Context(), "SELECT FROM users"); err != nil {
		t.Fatal(err)
	}
	return waiting{url: url, pool: pool, transaction: transaction}
}

// migrate starts two migrations. The second one changes the table.
func (w waiting) migrate(ctx context.Context, t *testing.T) chan migrated {
	t.Helper()
	done := make(chan migrated, 1)
	files, config := later(t, 0, 0), parse(t, w.url)
	files[fmt.Sprintf("%05d_later.sql", schema.Latest()+1)] = migration(
		"-- Oldest binary beside it: schema 1\nSELECT 1;\n",
	)
	go func() {
		n, err := schema.MigrateFiles(ctx, config, files)
		done <- migrated{n, err}
	}()
	return done
}

// attempt returns the migration's transaction as soon as it waits for the table, and is not the
// given one.
func (w waiting) attempt(t *testing.T, done chan migrated, last string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		select {
		case m := <-done:
			t.Fatalf("the migration hasn't waited: %d, %v", m.applied, m.err)
		default:
		}
		var found string
		// The tables of all tests have the same oid, because their databases are copies of one.
		row := w.pool.QueryRow(ctx, `SELECT coalesce(min(virtualtransaction), '') FROM pg_locks
			WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
				AND relation = 'users'::regclass AND mode = 'AccessExclusiveLock' AND NOT granted`)
		if err := row.Scan(&found); err != nil {
			t.Fatalf("the migration doesn't wait for the table, or not again: %v", err)
		}
		if found != "" && found != last {
			return found
		}
	}
}
