// Package schema holds the migrations, the only text that makes or changes a table, and applies them.
package schema

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed *.sql
var migrations embed.FS

var (
	// ErrNewer says that a later version of Latchkey has migrated the database. An older binary would write
	// rows that break rules it doesn't know, so it refuses to.
	ErrNewer = errors.New("the database's schema is newer than this binary")
	// ErrOutdated says that migrations are still to be applied: the database can't serve yet.
	ErrOutdated = errors.New("the database's schema is older than this binary")
)

const (
	// versionQuery reads goose's own table. It is the one query outside queries/: goose makes that table, so
	// sqlc doesn't know it, and readiness asks it on the server's pool, which goose can't use.
	versionQuery = `SELECT max(version_id) FROM goose_db_version`

	undefinedTable = "42P01"

	lockWait  = 60 * time.Second
	lockProbe = 100 * time.Millisecond
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
// at once on one database: one works, the others wait for up to a minute. A database that is newer than the
// binary is [ErrNewer], and nothing in it is touched.
func Migrate(ctx context.Context, databaseURL string) (applied int, err error) {
	// The pool's parser, since the URL is the server's and may hold settings of the pool.
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return 0, err
	}
	db := stdlib.OpenDB(*config.ConnConfig)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations,
		goose.WithSessionLocker(locker{}), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return 0, err
	}
	results, err := provider.Up(ctx)
	if partial := (*goose.PartialError)(nil); errors.As(err, &partial) {
		results = partial.Applied
	}
	return len(results), err
}

// Querier is what [Current] asks: a pool, a connection or a transaction.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Current is nil when the database's version is the binary's, [ErrOutdated] when migrations are pending or none
// was ever applied, and [ErrNewer] when a later binary has migrated it. It costs one query on a tiny table.
func Current(ctx context.Context, db Querier) error {
	version, err := version(db.QueryRow(ctx, versionQuery))
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	return compare(version)
}

// version scans the answer to [versionQuery]; a database that has never been migrated is at 0.
func version(row interface{ Scan(...any) error }) (int64, error) {
	var version *int64
	err := row.Scan(&version)
	if pgErr := (*pgconn.PgError)(nil); errors.As(err, &pgErr) && pgErr.Code == undefinedTable {
		return 0, nil
	}
	if err != nil || version == nil {
		return 0, err
	}
	return *version, nil
}

func compare(version int64) error {
	switch {
	case version > latest:
		return fmt.Errorf("%w: the database is at version %d, the binary at %d", ErrNewer, version, latest)
	case version < latest:
		return fmt.Errorf("%w: the database is at version %d, the binary at %d", ErrOutdated, version, latest)
	}
	return nil
}

// locker is goose's lock for PostgreSQL with two differences: it looks every tenth of a second where goose's can't
// look more often than every second, and it refuses a newer database while it holds the lock, before
// goose has touched anything.
type locker struct{}

func (locker) SessionLock(ctx context.Context, conn *sql.Conn) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, errors.New("another process holds the migration lock"))
	defer cancel()
	// It asks again and again, since a session that waits in pg_advisory_lock holds a snapshot, which blocks a
	// CREATE INDEX CONCURRENTLY of the session that migrates.
	for {
		var locked bool
		err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", lock.DefaultLockID).Scan(&locked)
		if err != nil {
			return fmt.Errorf("lock the database for migration: %w", err)
		}
		if locked {
			break
		}
		select {
		case <-time.After(lockProbe/2 + rand.N(lockProbe)):
		case <-ctx.Done():
			return fmt.Errorf("lock the database for migration: %w", context.Cause(ctx))
		}
	}
	version, err := version(conn.QueryRowContext(ctx, versionQuery))
	if err == nil {
		err = compare(version)
	}
	if err == nil || errors.Is(err, ErrOutdated) {
		return nil
	}
	return errors.Join(err, locker{}.SessionUnlock(context.WithoutCancel(ctx), conn))
}

func (locker) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	// The session ends with the connection in any case; the time limit is for a server that has gone silent.
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var unlocked bool
	err := conn.QueryRowContext(ctx, "SELECT pg_advisory_unlock($1)", lock.DefaultLockID).Scan(&unlocked)
	if err == nil && !unlocked {
		err = errors.New("it was not held")
	}
	if err != nil {
		return fmt.Errorf("unlock the database after migration: %w", err)
	}
	return nil
}
