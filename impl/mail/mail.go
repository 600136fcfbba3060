// Package mail writes the mails of the service and sends them.
//
// A [Letter] is enqueued in the transaction that causes it. Workers of River then ask for its data,
// execute the templates and send it. The queue keeps a letter and not a mail, so that no code, link
// or token is ever stored: a copy of the database opens nothing.
package mail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/api"
)

// Kind is what a mail is about. The list is closed.
type Kind string

// The kinds. Templates have these names.
const (
	VerifyEmail          Kind = "verify_email"
	ResetPassword        Kind = "reset_password"
	LoginCode            Kind = "login_code"
	ContinueLogin        Kind = "continue_login"
	ChangeEmail          Kind = "change_email"
	EmailChanged         Kind = "email_changed"
	PasswordChanged      Kind = "password_changed"
	NewDevice            Kind = "new_device"
	AccountDeleted       Kind = "account_deleted"
	CompleteRegistration Kind = "complete_registration"
	EmailTaken           Kind = "email_taken"
	Invitation           Kind = "invitation"
	OperatorReset        Kind = "operator_reset"
)

// dataOf is the type of each kind's data. It has the name of its schema in the contract.
var dataOf = map[Kind]reflect.Type{
	VerifyEmail:          reflect.TypeFor[api.MailVerifyEmail](),
	ResetPassword:        reflect.TypeFor[api.MailResetPassword](),
	LoginCode:            reflect.TypeFor[api.MailLoginCode](),
	ContinueLogin:        reflect.TypeFor[api.MailContinueLogin](),
	ChangeEmail:          reflect.TypeFor[api.MailChangeEmail](),
	EmailChanged:         reflect.TypeFor[api.MailEmailChanged](),
	PasswordChanged:      reflect.TypeFor[api.MailPasswordChanged](),
	NewDevice:            reflect.TypeFor[api.MailNewDevice](),
	AccountDeleted:       reflect.TypeFor[api.MailAccountDeleted](),
	CompleteRegistration: reflect.TypeFor[api.MailCompleteRegistration](),
	EmailTaken:           reflect.TypeFor[api.MailEmailTaken](),
	Invitation:           reflect.TypeFor[api.MailInvitation](),
	OperatorReset:        reflect.TypeFor[api.MailOperatorReset](),
}

// Kinds returns all kinds, in the order of their names.
func Kinds() []Kind { return sortedKeys(dataOf) }

// Letter is a mail that was not written yet. River stores it as JSON, so nothing in it may open
// anything.
type Letter struct {
	Kind Kind `json:"kind"`
	// ID is the challenge of a mail with a code, or the event of a notice. The Message-ID is made
	// of it.
	ID uuid.UUID `json:"id"`
	// To is the address as stored with the account.
	To string `json:"to"`
	// Language is the locale of the account, such as "de"; empty for the default.
	Language string `json:"language,omitempty"`
	// At is the time of the event that the mail reports.
	At time.Time `json:"at"`
}

// kindOf returns the kind that has data of a type.
func kindOf(data any) Kind {
	for kind, of := range dataOf {
		if reflect.TypeOf(data) == of {
			return kind
		}
	}
	return ""
}

// Data returns the data of a letter's templates, a struct of the contract such as
// [api.MailResetPassword]. It decides which mail is sent: for a taken address a
// [CompleteRegistration] becomes an [EmailTaken]. If ok is false the mail is dropped, because its
// code has expired or was used.
type Data func(ctx context.Context, l Letter) (data any, ok bool, err error)

// Allow returns how long a mail to a recipient must wait. It returns 0 if the mail may be sent now,
// and counts it then.
type Allow func(ctx context.Context, to string, kind Kind) (wait time.Duration, err error)

// ErrUnknownKind means that there is no such mail.
var ErrUnknownKind = errors.New("mail: unknown kind")

// Link returns the address that a mail leads to. The page of the application is a path below the
// public URL, or a whole address. The token is in the fragment, which browsers send to no server.
// Link returns nil for a path without a public URL. A mail never leads to where a request came
// from, because anybody can set a Host header.
func Link(publicURL, page string, kind Kind, token string) *string {
	if strings.HasPrefix(page, "/") {
		if publicURL == "" {
			return nil
		}
		page = strings.TrimSuffix(publicURL, "/") + page
	}
	link := page + "#" + string(kind) + "=" + token
	return &link
}

// Example returns the contract's example of the data of a kind, as its struct.
func Example(kind Kind) (any, error) {
	of, ok := dataOf[kind]
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrUnknownKind, kind)
	}
	examples, err := contractExamples()
	if err != nil {
		return nil, err
	}
	data := reflect.New(of)
	if err := json.Unmarshal(examples[of.Name()], data.Interface()); err != nil {
		return nil, fmt.Errorf("mail: the contract's example of %s: %w", of.Name(), err)
	}
	return data.Elem().Interface(), nil
}
