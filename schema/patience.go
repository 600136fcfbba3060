package schema

import (
	"context"
	"database/sql/driver"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
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

// wait reports whether ctx lasted for the whole pause.
func (p patience) wait(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(p.pause):
		return true
	}
}

// isInTheWay reports whether a migration failed because another transaction has locked its table:
// the wait was too long, or the two have waited for each other.
func isInTheWay(err error) bool {
	const lockNotAvailable, deadlockDetected = "55P03", "40P01"
	var answer *pgconn.PgError
	return errors.As(err, &answer) && (answer.Code == lockNotAvailable || answer.Code == deadlockDetected)
}

// connector makes connections whose transactions wait for a lock for a bounded time. goose runs
// each migration in one transaction. A setting of the session wouldn't do: behind a pooler the
// session belongs to others too.
type connector struct {
	driver.Connector
	lockTimeout time.Duration
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := inner.(*stdlib.Conn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("pgx has made a %T", inner), inner.Close())
	}
	return boundedConn{conn, c.lockTimeout}, nil
}

type boundedConn struct {
	*stdlib.Conn
	lockTimeout time.Duration
}

// BeginTx begins a transaction and sets its lock_timeout.
func (c boundedConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.BeginTx(ctx, options)
	if err != nil {
		return nil, err
	}
	milliseconds := strconv.FormatInt(c.lockTimeout.Milliseconds(), 10)
	if _, err := c.Conn.ExecContext(
		ctx,
		lockTimeoutSQL,
		[]driver.NamedValue{{Ordinal: 1, Value: milliseconds}},
	); err != nil {
		return nil, errors.Join(fmt.Errorf("set the lock_timeout: %w", err), tx.Rollback())
	}
	return tx, nil
}
