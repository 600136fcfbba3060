package store

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// acquireTimeout is how long a statement waits for a connection: where all are busy for so
	// long, more waiting helps nobody.
	acquireTimeout = time.Second
	// statementTimeout is for a statement with its wait.
	statementTimeout = 5 * time.Second
)

// Bounded makes every statement on a pool end. A statement that gets no connection within 1 s, or
// no result within 5 s, fails with an [ErrUnavailable]. A transaction has these 5 s for all of its
// statements.
//
// A statement that was sent doesn't end with its context, whose client may have disconnected: that
// would cost the connection. So the driver needs no goroutine that watches the context. The bound
// is the deadline of the connection.
//
// A connection whose server becomes read-only or shuts down is closed, and so are the others to
// that server: if several hosts are named, another one may be the primary now. All are made again,
// at most once a second.
func Bounded(pool *pgxpool.Pool) DB { return &bounded{pool: pool} }

type bounded struct {
	pool *pgxpool.Pool
	// resetAt is when the connections were made anew last, in nanoseconds of this process.
	resetAt atomic.Int64
}

// resetPause bounds how often all connections are made anew.
const resetPause = time.Second

// processStart is what [bounded.resetAt] counts from, by the monotonic clock.
var processStart = time.Now()

// acquired is a connection for one statement, with the statement's deadline.
type acquired struct {
	*pgxpool.Conn
	owner *bounded
}

func (b *bounded) acquire(ctx context.Context) (acquired, error) {
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
	return acquired{conn, b}, nil
}

// release gives the connection back. err is the outcome of its statement.
func (a acquired) release(err error) {
	if isOtherHosts(err) {
		ctx, cancel := context.WithTimeout(context.Background(), acquireTimeout)
		defer cancel()
		_ = a.Conn.Conn().Close(ctx) // this one in any case; the pool drops it
		a.owner.reset()
	}
	if !a.Conn.Conn().IsClosed() {
		_ = a.Conn.Conn().PgConn().Conn().SetDeadline(time.Time{}) // fails where it is closed, and then the pool drops it
	}
	a.Release()
}

// isOtherHosts reports whether an error says that another host may be the one to ask: 25006 of a
// server that turned read-only, 57P01 to 57P03 of one that shuts down or is starting.
func isOtherHosts(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (refused.Code == "25006" || strings.HasPrefix(refused.Code, "57P0"))
}

// reset has all connections made anew. Those that are in use are closed when they are given back.
func (b *bounded) reset() {
	last, now := b.resetAt.Load(), int64(time.Since(processStart))
	if (last == 0 || now-last > int64(resetPause)) && b.resetAt.CompareAndSwap(last, now) {
		b.pool.Reset()
	}
}

// Exec runs a statement that returns no rows.
func (b *bounded) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	conn, err := b.acquire(ctx)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := conn.Exec(context.Background(), sql, args...)
	conn.release(err)
	return tag, err
}

// Query runs a statement; its connection is given back when the rows are closed.
func (b *bounded) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	conn, err := b.acquire(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(context.Background(), sql, args...)
	if err != nil {
		conn.release(err)
		return nil, err
	}
	return &boundedRows{rows, conn, false}, nil
}

// QueryRow runs a statement that returns one row; its connection is given back when the row is
// scanned.
func (b *bounded) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	conn, err := b.acquire(ctx)
	if err != nil {
		return failedRow{err}
	}
	return boundedRow{conn.QueryRow(context.Background(), sql, args...), conn}
}

// CopyFrom adds rows by COPY.
func (b *bounded) CopyFrom(
	ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource,
) (int64, error) {
	conn, err := b.acquire(ctx)
	if err != nil {
		return 0, err
	}
	n, err := conn.CopyFrom(context.Background(), table, columns, rows)
	conn.release(err)
	return n, err
}

// Begin starts a transaction; its connection is given back by Commit or Rollback.
func (b *bounded) Begin(ctx context.Context) (pgx.Tx, error) {
	conn, err := b.acquire(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := conn.Begin(context.Background())
	if err != nil {
		conn.release(err)
		return nil, err
	}
	return &boundedTx{Tx: tx, conn: conn}, nil
}

// boundedTx sends each statement without its context, as [Bounded] says.
type boundedTx struct {
	pgx.Tx
	conn  acquired
	ended bool
	// failed is the first error of a statement.
	failed error
}

func (t *boundedTx) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	tag, err := t.Tx.Exec(context.Background(), sql, args...)
	t.note(err)
	return tag, err
}

func (t *boundedTx) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := t.Tx.Query(context.Background(), sql, args...)
	t.note(err)
	return rows, err
}

func (t *boundedTx) QueryRow(_ context.Context, sql string, args ...any) pgx.Row {
	return notedRow{t.Tx.QueryRow(context.Background(), sql, args...), t}
}

func (t *boundedTx) CopyFrom(
	_ context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource,
) (int64, error) {
	n, err := t.Tx.CopyFrom(context.Background(), table, columns, rows)
	t.note(err)
	return n, err
}

func (t *boundedTx) note(err error) {
	if t.failed == nil {
		t.failed = err
	}
}

// Commit ends the transaction, and gives its connection back.
func (t *boundedTx) Commit(context.Context) error {
	return t.end(t.Tx.Commit(context.Background()))
}

// Rollback ends the transaction if it hasn't ended yet, and gives its connection back.
func (t *boundedTx) Rollback(context.Context) error {
	return t.end(t.Tx.Rollback(context.Background()))
}

func (t *boundedTx) end(err error) error {
	t.note(err)
	if !t.ended {
		t.ended = true
		t.conn.release(t.failed)
	}
	return err
}

type notedRow struct {
	pgx.Row
	tx *boundedTx
}

func (r notedRow) Scan(dest ...any) error {
	err := r.Row.Scan(dest...)
	r.tx.note(err)
	return err
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
		r.conn.release(r.Err())
	}
}

type boundedRow struct {
	pgx.Row
	conn acquired
}

func (r boundedRow) Scan(dest ...any) error {
	err := r.Row.Scan(dest...)
	r.conn.release(err)
	return err
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }
