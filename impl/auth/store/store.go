// Package store holds what the packages of the service need of the database besides their queries:
// the longest time of a statement, transactions, and the meaning of the driver's errors.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

var (
	// ErrNotFound reports that there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable reports that the database can't answer now. A repeated call may succeed.
	ErrUnavailable = errors.New("database unavailable")
)

// TakenError reports that another row has what a constraint demands to be unique.
type TakenError struct{ Constraint string }

func (e *TakenError) Error() string { return "taken: " + e.Constraint }

// uniqueViolation is a SQLSTATE.
const uniqueViolation = "23505"

// DB is a pool that statements and transactions are run on.
type DB interface {
	db.DBTX
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Options are what keeps something that the secret key makes. Each is required but Previous and
// DatabaseNow.
type Options struct {
	DB DB
	// Secret makes codes and tokens. Previous is the one before it was changed, whose codes and
	// tokens still count.
	Secret, Previous secret.Text
	// Now is the clock.
	Now func() time.Time
	// DatabaseNow replaces the database's clock in tests; nil means its own. Refresh tokens are
	// checked, and rows deleted, by the database's clock, because all instances share it.
	DatabaseNow func() time.Time
}

// Tx is a transaction: its queries, and itself for what enqueues mails in it.
type Tx struct {
	*db.Queries
	Raw pgx.Tx
}

// InTx runs f in a transaction, which is committed if f returns nil and rolled back otherwise. It
// fails as f does, or as [Error] says.
func InTx(ctx context.Context, on DB, f func(Tx) error) error {
	tx, err := on.Begin(ctx)
	if err != nil {
		return Error(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // nothing, once it is committed
	if err := f(Tx{db.New(tx), tx}); err != nil {
		return err
	}
	return Error(tx.Commit(ctx))
}

// DatabaseTime returns the time for statements that go by the database's clock: nil for its own.
func (o Options) DatabaseTime() *time.Time {
	if o.DatabaseNow == nil {
		return nil
	}
	return new(o.DatabaseNow())
}

// Error is the one place that turns the driver's errors into the service's: into an [ErrNotFound],
// a [*TakenError] or an [ErrUnavailable]. Any other error is returned as it is: a fault of the
// server, or the end of a context.
func Error(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	var connect *pgconn.ConnectError
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &connect):
		// A connection that the database refuses has no statement that could be wrong: its
		// password, its role or its name has been changed beneath us (28P01, 28000, 3D000).
	case errors.As(err, &refused):
		if refused.Code == uniqueViolation {
			return &TakenError{Constraint: refused.ConstraintName}
		}
		if !isPassing(refused.Code) {
			return err
		}
	case !isConnectionLoss(err):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// ErrorOr is [Error] that returns another error in place of [ErrNotFound].
func ErrorOr(err, missing error) error {
	if err = Error(err); errors.Is(err, ErrNotFound) {
		return missing
	}
	return err
}

// passing are the SQLSTATEs, or the classes of them, that speak of the database's state and not of
// the statement: 08 connection, 53 resources (53300 too many connections, 53100 disk full), 57
// operator (57P01 shutdown, 57P03 starting up), 58 system; 40001 and 40P01 serialization and
// deadlock, 55P03 lock not available, 25006 read-only (a standby), 23503 a row was deleted
// meanwhile.
var passing = []string{"08", "53", "57", "58", "40001", "40P01", "55P03", "25006", "23503"}

func isPassing(code string) bool {
	return slices.ContainsFunc(passing, func(state string) bool { return strings.HasPrefix(code, state) })
}

func isConnectionLoss(err error) bool {
	var network net.Error
	return errors.As(err, &network) ||
		errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, puddle.ErrClosedPool) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) ||
		pgconn.SafeToRetry(err) || pgconn.Timeout(err)
}
