// Package schema holds the migrations, the only text that makes or changes a table, and applies them.
package schema

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed *.sql
var migrations embed.FS

// Queries of tables that goose makes, which sqlc doesn't know.
//
//go:embed adopt/adopt.sql
var adoptSQL string

//go:embed adopt/foreign.sql
var foreignSQL string

//go:embed adopt/version.sql
var versionSQL string

var (
	// ErrNewer says that a later version of Latchkey has migrated the database. An older binary would write
	// rows that break rules it doesn't know, so it refuses to.
	ErrNewer = errors.New("the database's schema is newer than this binary")
	// ErrOutdated says that migrations are still to be applied: the database can't serve yet.
	ErrOutdated = errors.New("the database's schema is older than this binary")
	// ErrReadOnly says that the database takes no writes: it is a standby, or was set so.
	ErrReadOnly = errors.New("the database is read-only")
	// ErrForeign says that another program's tables are in the way.
	ErrForeign = errors.New("the database has a table users that isn't Latchkey's: give it a database, or a schema, of its own")
)

const (
	versionTable = "latchkey_schema_version"
	lockTable    = "latchkey_schema_lock"

	undefinedTable = "42P01"

	// A migration is under way for as long as its lease is renewed; of one that was killed it ends by itself.
	lockLease     = 10 * time.Second
	lockHeartbeat = 2 * time.Second
	// lockProbe is how often the lock is asked for, lockProbes how many times: for a minute and more.
	lockProbe  = 200 * time.Millisecond
	lockProbes = 400
	// migrateTimeout bounds a migration of everything, the wait for another's included.
	migrateTimeout = time.Hour
)

// Latest is the version of the newest migration in this binary.
func Latest() int64 { return latest }

// latest is read from the files' names once; a name without a number is a mistake of the build.
var latest = func() int64 {
	names, err := fs.Glob(migrations, "*.sql")
	if err != nil {
		panic(err)
	}
	var newest int64
	for _, name := range names {
		digits, _, _ := strings.Cut(name, "_")
		version, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			panic(fmt.Sprintf("schema: migration %s has no number", name))
		}
		newest = max(newest, version)
	}
	return newest
}()

// Migrate applies what is pending and returns how many migrations that were. Any number of servers may call it
// at once on one database, also through a connection pooler: one works, the others wait for up to a minute. A database
// that is newer than the binary is [ErrNewer], one with another program's tables is [ErrForeign], and nothing in either is touched.
func Migrate(ctx context.Context, config *pgx.ConnConfig) (applied int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, migrateTimeout, fmt.Errorf("it took more than %s", migrateTimeout))
	defer cancel()
	config = config.Copy()
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // without statements that live in a session
	db := stdlib.OpenDB(*config)
	defer db.Close()
	// Most starts find nothing to do, and need no lock to see it.
	if err := Current(ctx, database{db}); !errors.Is(err, ErrOutdated) {
		return 0, err
	}
	if _, err := db.ExecContext(ctx, adoptSQL); err != nil {
		return 0, fmt.Errorf("take over the schema's version: %w", err)
	}
	if err := Current(ctx, database{db}); !errors.Is(err, ErrOutdated) {
		return 0, err
	}
	foreign := false
	if err := db.QueryRowContext(ctx, foreignSQL).Scan(&foreign); err != nil {
		return 0, err
	}
	if foreign {
		return 0, ErrForeign
	}
	// A row is locked, and not a session, which behind a pooler may be somebody else's the next moment.
	locker, err := lock.NewPostgresTableLocker(
		lock.WithTableName(lockTable), lock.WithTableLeaseDuration(lockLease), lock.WithTableHeartbeatInterval(lockHeartbeat),
		lock.WithTableLockTimeout(lockProbe, lockProbes), lock.WithTableUnlockTimeout(lockProbe, 10), lock.WithTableLogger(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		return 0, err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations,
		goose.WithDisableGlobalRegistry(true), goose.WithTableName(versionTable), goose.WithLocker(locker))
	if err != nil {
		return 0, err
	}
	results, err := provider.Up(ctx)
	if partial := (*goose.PartialError)(nil); errors.As(err, &partial) {
		results = partial.Applied
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return len(results), err
}

// Querier is what [Current] asks: a pool, a connection or a transaction.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Current is nil when the database's version is the binary's, [ErrOutdated] when migrations are pending or none
// was ever applied, [ErrNewer] when a later binary has migrated it, and [ErrReadOnly] when nothing can be written to it. It
// costs one query on a tiny table.
func Current(ctx context.Context, db Querier) error {
	var (
		version    *int64 // NULL in an empty table
		isReadOnly bool
	)
	err := db.QueryRow(ctx, versionSQL).Scan(&version, &isReadOnly)
	if pgErr := (*pgconn.PgError)(nil); errors.As(err, &pgErr) && pgErr.Code == undefinedTable {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	found := int64(0)
	if version != nil {
		found = *version
	}
	switch {
	case isReadOnly:
		return ErrReadOnly
	case found > latest:
		return fmt.Errorf("%w: the database is at version %d, the binary at %d", ErrNewer, found, latest)
	case found < latest:
		return fmt.Errorf("%w: the database is at version %d, the binary at %d", ErrOutdated, found, latest)
	}
	return nil
}

// database lets [Current] ask goose's kind of pool.
type database struct{ db *sql.DB }

func (d database) QueryRow(ctx context.Context, query string, args ...any) pgx.Row {
	return d.db.QueryRowContext(ctx, query, args...)
}
