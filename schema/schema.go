// Package schema holds the migrations, the only text that makes or changes a table, and applies
// them.
//
// Servers of the last release run beside a new schema while the new release is rolled out. These
// rules make a migration safe for them:
//
//   - Its head names the oldest binary that may run beside it. That binary stays ready. An older
//     one stops being ready, and doesn't start ([ErrNewer]).
//   - It only expands: expand_test.go refuses what takes something from an older binary.
//   - released_test.go plans each statement of the last release on the new schema.
//   - It waits for a lock for a second at most, and is tried again after a pause (patience.go).
package schema

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

// Queries of tables that goose makes, which sqlc doesn't know.
//
//go:embed adopt/adopt.sql
var adoptSQL string

//go:embed adopt/foreign.sql
var foreignSQL string

//go:embed adopt/version.sql
var versionSQL string

var (
	// ErrNewer means that a later version of Latchkey has migrated the database, and that its
	// schema doesn't allow this binary beside it. The binary would write rows that break rules it
	// doesn't know, so it doesn't start.
	ErrNewer = errors.New("the database's schema is newer than this binary")
	// ErrOutdated says that migrations are still to be applied: the database can't serve yet.
	ErrOutdated = errors.New("the database's schema is older than this binary")
	// ErrReadOnly says that the database takes no writes: it is a standby, or was set so.
	ErrReadOnly = errors.New("the database is read-only")
	// ErrForeign says that another program's tables are in the way.
	ErrForeign = errors.New(
		"the database has a table users that isn't Latchkey's: give it a database, or a schema, of its own",
	)
)

const (
	versionTable = "latchkey_schema_version"
	lockTable    = "latchkey_schema_lock"

	undefinedTable = "42P01"

	// A server holds the lock for as long as it renews its lease. The lease of one that was killed
	// ends.
	lockLease     = 10 * time.Second
	lockHeartbeat = 2 * time.Second
	// lockProbe is the interval between the attempts to take the lock.
	lockProbe = 200 * time.Millisecond
	// migrateTimeout bounds a migration of everything, the wait for another's included.
	migrateTimeout = time.Hour
)

// Latest returns the version of the newest migration in this binary.
func Latest() int64 { return own.latest }

// Migrate applies the pending migrations and returns their number. It ends with ctx, or after an
// hour.
//   - Any number of servers may call it at once on one database, also through a connection pooler:
//     one works, and the others wait.
//   - A migration waits for a lock for a second at most, so that it doesn't stop those who use the
//     table, and is tried again after a pause.
//   - A newer database is left as it is, even if its schema allows this binary beside it.
//
// It fails with [ErrNewer] if the schema doesn't allow this binary, and with [ErrForeign] on a
// database with another program's tables.
func Migrate(ctx context.Context, config *pgx.ConnConfig) (applied int, err error) {
	return migrate(ctx, config, own, defaultPatience)
}

func migrate(ctx context.Context, config *pgx.ConnConfig, m migrations, p patience) (applied int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, migrateTimeout, fmt.Errorf("it took more than %s", migrateTimeout))
	defer cancel()
	config = config.Copy()
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // without statements that live in a session
	db := stdlib.OpenDB(*config)
	defer db.Close()
	applied, err = m.migrate(ctx, db, p)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return applied, err
}

func (m migrations) migrate(ctx context.Context, db *sql.DB, p patience) (applied int, err error) {
	// Most starts find nothing to do, and need no lock to see it.
	if err := m.current(ctx, querier{db}); !errors.Is(err, ErrOutdated) {
		return 0, err
	}
	if _, err := db.ExecContext(ctx, adoptSQL); err != nil {
		return 0, fmt.Errorf("take over the schema's version: %w", err)
	}
	if err := m.current(ctx, querier{db}); !errors.Is(err, ErrOutdated) {
		return 0, err
	}
	foreign := false
	if err := db.QueryRowContext(ctx, foreignSQL).Scan(&foreign); err != nil {
		return 0, err
	}
	if foreign {
		return 0, ErrForeign
	}
	// The lock is a row. A lock of the session would, behind a pooler, be somebody else's the next
	// moment.
	locker, err := lock.NewPostgresTableLocker(
		lock.WithTableName(lockTable), lock.WithTableLogger(slog.New(slog.DiscardHandler)),
		lock.WithTableLeaseDuration(lockLease), lock.WithTableHeartbeatInterval(lockHeartbeat),
		lock.WithTableLockTimeout(lockProbe, uint64(migrateTimeout/lockProbe)), lock.WithTableUnlockTimeout(lockProbe, 10),
	)
	if err != nil {
		return 0, err
	}
	if err := locker.Lock(ctx, db); err != nil {
		return 0, err
	}
	// It is held in the pauses too. Servers that took turns would leave nobody a pause.
	defer func() { err = errors.Join(err, locker.Unlock(ctx, db)) }()
	for {
		n, err := m.apply(ctx, db, p)
		applied += n
		if !isInTheWay(err) {
			return applied, err
		}
		select {
		case <-ctx.Done():
			return applied, err
		case <-time.After(p.pause):
		}
	}
}

// apply applies the pending migrations up to the first that fails, and returns the number of those
// that were applied.
func (m migrations) apply(ctx context.Context, db *sql.DB, p patience) (applied int, err error) {
	versions, err := database.NewStore(database.DialectPostgres, versionTable)
	if err != nil {
		return 0, err
	}
	var all []*goose.Migration
	for version, statements := range m.statements {
		all = append(all, p.migration(version, statements))
	}
	provider, err := goose.NewProvider(goose.DialectCustom, db, nil,
		goose.WithDisableGlobalRegistry(true), goose.WithGoMigrations(all...),
		goose.WithStore(&store{versions.(database.StoreExtender), m.beside})) // PostgreSQL's can look for its table
	if err != nil {
		return 0, err
	}
	results, err := provider.Up(ctx)
	if partial := (*goose.PartialError)(nil); errors.As(err, &partial) {
		results = partial.Applied
	}
	return len(results), err
}

// Querier is a pool, a connection or a transaction.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Current returns nil if this binary may run on the database: its schema is the binary's, or a
// newer one that allows the binary beside it. It costs one query on a tiny table. It fails with:
//   - [ErrOutdated] if migrations are pending, or none was ever applied
//   - [ErrNewer] if the schema is newer and doesn't allow the binary
//   - [ErrReadOnly] if nothing can be written to the database
func Current(ctx context.Context, db Querier) error { return own.current(ctx, db) }

func (m migrations) current(ctx context.Context, db Querier) error {
	s, err := ask(ctx, db)
	switch {
	case err != nil:
		return err
	case s.isReadOnly:
		return ErrReadOnly
	case s.oldest > m.latest:
		return fmt.Errorf("%w: the database is at version %d, the binary at %d", ErrNewer, s.version, m.latest)
	case s.version < m.latest:
		return fmt.Errorf("%w: the database is at version %d, the binary at %d", ErrOutdated, s.version, m.latest)
	}
	return nil
}

// Version returns the version of the database's schema, 0 if no migration was ever applied. It is
// later than [Latest] if a later binary has migrated the database.
func Version(ctx context.Context, db Querier) (int64, error) {
	s, err := ask(ctx, db)
	return s.version, err
}

// state is what the database says of its schema.
type state struct {
	version    int64 // 0 if no migration was ever applied
	oldest     int64 // the schema of the oldest binary that may run on it
	isReadOnly bool
}

func ask(ctx context.Context, db Querier) (s state, err error) {
	err = db.QueryRow(ctx, versionSQL).Scan(&s.version, &s.oldest, &s.isReadOnly)
	if pgErr := (*pgconn.PgError)(nil); errors.As(err, &pgErr) && pgErr.Code == undefinedTable {
		return state{}, nil
	}
	if err != nil {
		return state{}, fmt.Errorf("read the schema's version: %w", err)
	}
	return s, nil
}

// querier lets a [sql.DB], goose's kind of pool, be asked.
type querier struct{ db *sql.DB }

func (q querier) QueryRow(ctx context.Context, query string, args ...any) pgx.Row {
	return q.db.QueryRowContext(ctx, query, args...)
}
