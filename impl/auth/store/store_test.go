package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// An error about the state of the database is an [ErrUnavailable], so that a client tries again. An
// error about the statement is a fault of the server.
func TestError(t *testing.T) {
	t.Parallel()
	for code, isPassing := range map[string]bool{
		"08006": true, "08P01": true, "53100": true, "53200": true, "53300": true, "57014": true, "57P01": true, "57P03": true, "58030": true,
		"40001": true, "40P01": true, "55P03": true, "25006": true, "23503": true,
		"42601": false, "42P01": false, "22021": false, "23502": false, "40002": false, "55000": false, "25001": false, "5": false, "": false,
	} {
		err := Error(fmt.Errorf("query: %w", &pgconn.PgError{Code: code}))
		if errors.Is(err, ErrUnavailable) != isPassing {
			t.Errorf("SQLSTATE %q: %v", code, err)
		}
	}
	var taken *TakenError
	if err := Error(
		&pgconn.PgError{Code: "23505", ConstraintName: "users_email_key"},
	); !errors.As(err, &taken) ||
		taken.Constraint != "users_email_key" {
		t.Errorf("a unique violation: %v", err)
	}
	odd := errors.New("odd")
	for err, want := range map[error]error{
		pgx.ErrNoRows: ErrNotFound, io.ErrUnexpectedEOF: ErrUnavailable, context.DeadlineExceeded: ErrUnavailable, context.Canceled: context.Canceled, odd: odd,
	} {
		if got := Error(err); !errors.Is(got, want) || !errors.Is(want, ErrUnavailable) && errors.Is(got, ErrUnavailable) {
			t.Errorf("%v: got %v, want %v", err, got, want)
		}
	}
	if err := Error(nil); err != nil {
		t.Errorf("nil: %v", err)
	}
}
