package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
)

// What can go wrong, in the words of the service. Whatever is not one of these
// (nor [ErrInvalidToken], [*InvalidInputError] or an error of the context) is a fault of the server.
var (
	// ErrInvalidCredentials says that a log-in failed; a [*LoginError] says why, for the log alone.
	ErrInvalidCredentials = errors.New("invalid credentials")
	// ErrEmailTaken and ErrUsernameTaken say that another user has it.
	ErrEmailTaken    = errors.New("email taken")
	ErrUsernameTaken = errors.New("username taken")
	// ErrNoUser says that the user does not exist, or no longer.
	ErrNoUser = errors.New("no such user")
	// ErrInactiveUser says that the user was deactivated.
	ErrInactiveUser = errors.New("inactive user")
	// ErrOverloaded says that too many passwords wait to be hashed. It tells nothing of the account.
	ErrOverloaded = hashqueue.ErrFull
	// ErrUnavailable says that the database can't answer now; a repeated call may succeed.
	ErrUnavailable = errors.New("database unavailable")
)

// ReasonUnreadableHash is the [LoginError] that is nobody's wrong password: the account's stored hash can't be read, or asks
// for more than the bounds allow, and it can't log in until it gets another password.
const ReasonUnreadableHash = "unreadable_hash"

// LoginError is a failed log-in: an [ErrInvalidCredentials] with what only the log may know.
type LoginError struct {
	// Reason is one of unknown_email, wrong_password, inactive_user, malformed, [ReasonUnreadableHash].
	Reason string
	// UserID is the account that was tried, or the zero UUID where there is none.
	UserID uuid.UUID
}

func (e *LoginError) Error() string { return ErrInvalidCredentials.Error() + ": " + e.Reason }

// Unwrap makes every LoginError an [ErrInvalidCredentials].
func (e *LoginError) Unwrap() error { return ErrInvalidCredentials }

// FieldError says what is wrong with one field of an input.
type FieldError struct {
	// Field is email, username or password.
	Field string
	// Code is one of the policy's codes, or invalid_format.
	Code string
	// Detail is the same in words, and never repeats the value.
	Detail string
}

// InvalidInputError says everything that is wrong with an input, one entry a field.
type InvalidInputError struct{ Fields []FieldError }

func (e *InvalidInputError) Error() string {
	var b strings.Builder
	for i, f := range e.Fields {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s: %s", f.Field, f.Detail)
	}
	return b.String()
}

// storeError is the one place that turns the driver's errors into the service's.
func storeError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNoUser
	}
	// A connection that the database refuses has no statement that could be wrong: its password, its role or its name
	// has been changed beneath us (28P01, 28000, 3D000).
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		switch {
		case refused.Code == "23505" && refused.ConstraintName == "users_email_key":
			return ErrEmailTaken
		case refused.Code == "23505" && refused.ConstraintName == "users_username_key":
			return ErrUsernameTaken
		case isPassing(refused.Code):
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return err
	}
	if isConnectionLoss(err) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// isPassing tells the SQLSTATE classes and codes that speak of the database's state and not of the statement:
// 08 connection, 53 resources (53300 too many connections, 53100 disk full), 57 operator (57P01 shutdown,
// 57P03 starting up), 58 system; 40001 and 40P01 serialization and deadlock, 55P03 lock not available, 25006 read-only (a standby).
func isPassing(code string) bool {
	switch code {
	case "40001", "40P01", "55P03", "25006":
		return true
	}
	if len(code) < 2 {
		return false
	}
	switch code[:2] {
	case "08", "53", "57", "58":
		return true
	}
	return false
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
