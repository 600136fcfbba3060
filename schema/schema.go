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
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	// Most starts find nothing to do, and need no lock to see it.
	if err := Current(ctx, session{conn}); !errors.Is(err, ErrOutdated) {
		return 0, err
	}
	if err := acquire(ctx, conn); err != nil {
		return 0, fmt.Errorf("lock the database for migration: %w", err)
	}
	defer func() { err = errors.Join(err, release(ctx, conn)) }()
	if err := Current(ctx, session{conn}); !errors.Is(err, ErrOutdated) {
		return 0, err
	}
	// goose would take its lock only after it has made its table and looked for what is pending, and then it
	// asks for it no more often than every second. So it is called under the lock, and takes none.
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations, goose.WithDisableGlobalRegistry(true))
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
	var version *int64 // NULL in an empty table
	err := db.QueryRow(ctx, versionQuery).Scan(&version)
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
	case found > latest:
		return fmt.Errorf("%w: the database is at version %d, the binary at %d", ErrNewer, found, latest)
	case found < latest:
		return fmt.Errorf("%w: the database is at version %d, the binary at %d", ErrOutdated, found, latest)
	}
	return nil
}

// session lets [Current] ask goose's kind of connection.
type session struct{ conn *sql.Conn }

func (s session) QueryRow(ctx context.Context, query string, args ...any) pgx.Row {
	return s.conn.QueryRowContext(ctx, query, args...)
}

// acquire takes goose's advisory lock, by its number, for the connection's session. It asks again and again,
// since a session that waits in pg_advisory_lock holds a snapshot, which would block a CREATE INDEX CONCURRENTLY of
// the session that migrates.
func acquire(ctx context.Context, conn *sql.Conn) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, errors.New("another process has held it for a minute"))
	defer cancel()
	for {
		var locked bool
		err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", lock.DefaultLockID).Scan(&locked)
		if err != nil || locked {
			return err
		}
		select {
		case <-time.After(lockProbe/2 + rand.N(lockProbe)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// release gives the lock back, also when ctx has ended. The time limit is for a server that has gone silent; the
// lock ends with the connection in any case.
func release(ctx context.Context, conn *sql.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
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
