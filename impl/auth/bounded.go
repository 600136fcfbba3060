package auth

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-auth/latchkey/gen/db"
)

const (
	// acquireTimeout is how long a statement waits for a connection: where all are busy for so long, more waiting helps nobody.
	acquireTimeout = time.Second
	// statementTimeout is for a statement with its wait.
	statementTimeout = 5 * time.Second
)

// Bounded makes every statement on a pool end: one that gets no connection within 1 s, or no answer within 5 s, fails with
// an error that the service tells as [ErrUnavailable].
//
// A statement that was sent is not given up with its context, whose client may have gone: that would cost the connection.
// So the driver needs no goroutine that watches over the context; the bound is the connection's own deadline.
func Bounded(pool *pgxpool.Pool) db.DBTX { return bounded{pool} }

type bounded struct{ pool *pgxpool.Pool }

// acquired is a connection for one statement, with the statement's deadline.
type acquired struct{ *pgxpool.Conn }

func (b bounded) acquire(ctx context.Context) (acquired, error) {
	waiting, cancel := context.WithTimeout(ctx, acquireTimeout)
	defer cancel()
	conn, err := b.pool.Acquire(waiting)
	if err != nil {
		return acquired{}, err
	}
	if err := conn.Conn().PgConn().Conn().SetDeadline(time.Now().Add(statementTimeout - acquireTimeout)); err != nil {
		conn.Release()
		return acquired{}, err
	}
	return acquired{conn}, nil
}

func (a acquired) release() {
	if !a.Conn.Conn().IsClosed() {
		_ = a.Conn.Conn().PgConn().Conn().SetDeadline(time.Time{}) // fails where it is closed, and then the pool drops it
	}
	a.Release()
}

// Exec runs a statement that answers no rows.
func (b bounded) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	conn, err := b.acquire(ctx)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	defer conn.release()
	return conn.Exec(context.Background(), sql, args...)
}

// Query runs a statement; its connection is given back when the rows are closed.
func (b bounded) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	conn, err := b.acquire(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(context.Background(), sql, args...)
	if err != nil {
		conn.release()
		return nil, err
	}
	return &boundedRows{rows, conn, false}, nil
}

// QueryRow runs a statement that answers one row; its connection is given back when the row is scanned.
func (b bounded) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	conn, err := b.acquire(ctx)
	if err != nil {
		return failedRow{err}
	}
	return boundedRow{conn.QueryRow(context.Background(), sql, args...), conn}
}

type boundedRows struct {
	pgx.Rows
	conn   acquired
	closed bool
}

func (r *boundedRows) Close() {
	r.Rows.Close()
	if !r.closed {
		r.closed = true
		r.conn.release()
	}
}

type boundedRow struct {
	pgx.Row
	conn acquired
}

func (r boundedRow) Scan(dest ...any) error {
	defer r.conn.release()
	return r.Row.Scan(dest...)
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }
