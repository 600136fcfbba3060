package schema

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
)

//go:embed adopt/lock_timeout.sql
var lockTimeoutSQL string

// patience is how long a migration waits for those who use its tables. An ALTER TABLE waits for
// every transaction that uses the table, and every later statement on the table waits behind it. So
// the ALTER TABLE gives up early, and tries again after a pause in which the others go on.
type patience struct {
	lock  time.Duration // the wait for one lock
	pause time.Duration
}

// The service's requests wait for a connection for 1 s, and for a statement for 5 s.
var defaultPatience = patience{lock: time.Second, pause: 4 * time.Second}

// isInTheWay reports whether a migration failed because another transaction has locked its table:
// the wait was too long, or the two have waited for each other.
func isInTheWay(err error) bool {
	const lockNotAvailable, deadlockDetected = "55P03", "40P01"
	var answer *pgconn.PgError
	return errors.As(err, &answer) && (answer.Code == lockNotAvailable || answer.Code == deadlockDetected)
}

// migration returns a migration whose transaction waits for a lock for a bounded time. A setting of
// the session wouldn't do: behind a pooler the session belongs to others too.
func (p patience) migration(version int64, statements string) *goose.Migration {
	run := func(ctx context.Context, tx *sql.Tx) error {
		milliseconds := strconv.FormatInt(p.lock.Milliseconds(), 10)
		if _, err := tx.ExecContext(ctx, lockTimeoutSQL, milliseconds); err != nil {
			return fmt.Errorf("set the lock_timeout: %w", err)
		}
		_, err := tx.ExecContext(ctx, statements)
		return err
	}
	return goose.NewGoMigration(version, &goose.GoFunc{RunTx: run}, nil)
}
