package auth

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
	"github.com/latchkey-auth/latchkey/impl/auth/session"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/auth/token"
)

// The errors of the service. An error that is not one of these (nor [ErrInvalidToken],
// [*InvalidInputError] or an error of the context) is a fault of the server.
var (
	// ErrInvalidCredentials reports that a login failed, as with a wrong password. A [*LoginError]
	// has the reason, which only the log may contain.
	ErrInvalidCredentials = errors.New("invalid credentials")
	// ErrEmailTaken and ErrUsernameTaken report that another user has it.
	ErrEmailTaken    = account.ErrEmailTaken
	ErrUsernameTaken = account.ErrUsernameTaken
	// ErrExternalIDTaken reports that another user has the external id.
	ErrExternalIDTaken = account.ErrExternalIDTaken
	// ErrLastSuperuser reports that a change would leave no active superuser.
	ErrLastSuperuser = errors.New("last superuser")
	// ErrRegistrationClosed reports that nobody may register.
	ErrRegistrationClosed = errors.New("registration closed")
	// ErrNoUser reports that the user doesn't exist, or no longer.
	ErrNoUser = account.ErrNoUser
	// ErrNoAccount reports that the user whom an operator names doesn't exist, or no longer.
	ErrNoAccount = errors.New("no such account")
	// ErrNoSession reports that the user has no such session.
	ErrNoSession = session.ErrNone
	// ErrInvalidRefresh and ErrRefreshReused report that a refresh token can't be exchanged; the
	// latter, that its session was ended because the token was exchanged before.
	ErrInvalidRefresh = session.ErrInvalidRefresh
	// ErrOtherOwner reports an ErrInvalidRefresh of a token that may be good.
	ErrOtherOwner    = session.ErrOtherOwner
	ErrRefreshReused = session.ErrRefreshReused
	// ErrInvalidToken reports that a text is not an access token that is valid now.
	ErrInvalidToken = token.ErrInvalid
	// ErrInactiveUser reports that the user was deactivated.
	ErrInactiveUser = errors.New("inactive user")
	// ErrInvalidCode reports that a mailed code, or the token of its link, is wrong, has expired or
	// was used.
	ErrInvalidCode = challenge.ErrWrong
	// ErrEmailVerified reports that the user has proved its mailbox before.
	ErrEmailVerified = errors.New("email verified already")
	// ErrOverloaded reports that too many passwords wait to be hashed. It is the same for every
	// account.
	ErrOverloaded = hashqueue.ErrFull
	// ErrUnavailable reports that the database can't answer now. A repeated call may succeed.
	ErrUnavailable = store.ErrUnavailable
)

// GuessError is an [ErrInvalidCode] for a code of a known user. Its client must not learn that.
type GuessError = challenge.GuessError

// ReasonUnreadableHash is the [LoginError] that is nobody's wrong password: the account's stored
// hash can't be read, or asks for more than the bounds allow, and it can't log in until it gets
// another password.
const ReasonUnreadableHash = "unreadable_hash"

// reasonInactive is the [LoginError] of a user that was deactivated.
const reasonInactive = "inactive_user"

// LimitedError reports that a budget is used up.
type LimitedError = ratelimit.LimitedError

// Budget is how many attempts may be made.
type Budget = ratelimit.Budget

// LoginError is a failed login: an [ErrInvalidCredentials] with what only the log may have.
type LoginError struct {
	// Reason is one of unknown_email, wrong_password, inactive_user, malformed,
	// [ReasonUnreadableHash].
	Reason string
	// UserID is the account that was tried, or the zero UUID where there is none.
	UserID uuid.UUID
}

func (e *LoginError) Error() string { return ErrInvalidCredentials.Error() + ": " + e.Reason }

// Unwrap makes every LoginError an [ErrInvalidCredentials].
func (e *LoginError) Unwrap() error { return ErrInvalidCredentials }

// UnverifiedError reports that a login has to continue with a mailed code: its password was right,
// and its user has never proved its mailbox.
type UnverifiedError struct {
	// Code is what [Service.ContinueLogin] takes the code with.
	Code   CodeRequest
	UserID uuid.UUID
}

func (*UnverifiedError) Error() string { return "the user has never proved its mailbox" }

// FieldError is a problem with one field of an input.
type FieldError struct {
	// Field is email, username, password or new_password.
	Field string
	// Code is one of the policy's codes, or invalid_format.
	Code string
	// Detail is the same in words, and never repeats the value.
	Detail string
}

// InvalidInputError is everything that is wrong with an input, an entry for each field.
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
