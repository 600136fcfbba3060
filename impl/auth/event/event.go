// Package event is the audit: what happened to accounts. An event is written in the transaction of
// what happened, has no secret and no email, and outlives its user.
package event

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// Type is what happened. The contract has the closed list.
type Type string

// The types.
const (
	UserRegistered         Type = "user.registered"
	UserCreated            Type = "user.created"
	UserInvited            Type = "user.invited"
	UserImported           Type = "user.imported"
	UserUpdated            Type = "user.updated"
	UserRolesChanged       Type = "user.roles_changed"
	UserActivated          Type = "user.activated"
	UserDeactivated        Type = "user.deactivated"
	UserDeleted            Type = "user.deleted"
	UserLoggedIn           Type = "user.logged_in"
	LoginFailed            Type = "login.failed"
	CodeFailed             Type = "code.failed"
	PasswordChanged        Type = "password.changed"
	PasswordReset          Type = "password.reset"
	PasswordResetSent      Type = "password.reset_sent"
	EmailVerified          Type = "email.verified"
	EmailChanged           Type = "email.changed"
	EmailChangeUndone      Type = "email.change_undone"
	SessionReauthenticated Type = "session.reauthenticated"
	SessionEnded           Type = "session.ended"
	SessionReuseDetected   Type = "session.reuse_detected"
	SessionsEnded          Type = "sessions.ended"
)

// Types are all types.
var Types = []Type{
	UserRegistered, UserCreated, UserInvited, UserImported, UserUpdated, UserRolesChanged, UserActivated,
	UserDeactivated, UserDeleted, UserLoggedIn, LoginFailed, CodeFailed, PasswordChanged, PasswordReset,
	PasswordResetSent, EmailVerified, EmailChanged, EmailChangeUndone, SessionReauthenticated, SessionEnded,
	SessionReuseDetected, SessionsEnded,
}

// Actor is who caused an event.
type Actor string

// The actors.
const (
	// User is the user, logged in.
	User Actor = "user"
	// Operator administers users, by a command or logged in.
	Operator Actor = "operator"
	// Unknown is a client that hasn't logged in.
	Unknown Actor = "unknown"
)

// Event is one of them.
type Event struct {
	ID     uuid.UUID
	Type   Type
	UserID uuid.UUID
	Actor  Actor
	// ActorID is the user that an operator acts as. It is the zero UUID for other actors, and for
	// an operator at the console.
	ActorID uuid.UUID
	// SessionID is the zero UUID where no session is concerned. It is the operator's of an
	// operator.
	SessionID uuid.UUID
	// Address and UserAgent are empty for a command.
	Address, UserAgent string
	// Methods are how the user has proved who it is (RFC 8176).
	Methods []string
	// Roles are those after a [UserRolesChanged], perhaps none; nil otherwise.
	Roles     []string
	CreatedAt time.Time
}

// details are the members that only some types have.
type details struct {
	Methods []string `json:"methods,omitempty"`
	Roles   []string `json:"roles,omitzero"`
}

// Add writes an event in the transaction of what happened. It gives an event without an id one.
func Add(ctx context.Context, tx store.Tx, e Event) error {
	params, err := e.row()
	if err != nil {
		return err
	}
	return store.Error(tx.EventAdd(ctx, params))
}

// AddSampled writes an event unless the user has one of its type from the last hour.
func AddSampled(ctx context.Context, queries *db.Queries, e Event) error {
	row, err := e.row()
	if err != nil {
		return err
	}
	return store.Error(queries.EventAddSampled(ctx, db.EventAddSampledParams{
		ID: row.ID, Type: row.Type, UserID: row.UserID, Actor: row.Actor, SessionID: row.SessionID, Address: row.Address,
		UserAgent: row.UserAgent, Data: row.Data, CreatedAt: row.CreatedAt, SinceID: idAt(row.CreatedAt.Add(-time.Hour)),
	}))
}

func (e Event) row() (db.EventAddParams, error) {
	if e.ID == uuid.Nil {
		id, err := NewID(e.CreatedAt)
		if err != nil {
			return db.EventAddParams{}, err
		}
		e.ID = id
	}
	data, err := json.Marshal(details{Methods: e.Methods, Roles: e.Roles})
	if err != nil {
		return db.EventAddParams{}, err
	}
	row := db.EventAddParams{
		ID: e.ID, Type: string(e.Type), UserID: e.UserID, Actor: string(e.Actor), ActorID: store.Null(e.ActorID),
		SessionID: store.Null(e.SessionID), Data: data, CreatedAt: e.CreatedAt,
	}
	if e.Address != "" {
		row.Address, row.UserAgent = &e.Address, &e.UserAgent
	}
	return row, nil
}

// made counts the ids of this process.
var made atomic.Uint32

// NewID returns an id for an event of a moment. Lists are in the order of the ids. So the id has
// the time of the event and not that of its making, and a counter, which keeps the order of one
// process within a millisecond (RFC 9562 section 6.2, method 1).
func NewID(at time.Time) (uuid.UUID, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return uuid.Nil, err
	}
	start, n := idAt(at), made.Add(1)
	copy(id[:6], start[:6])
	id[6] = start[6] | byte(n>>22)&0x0f
	id[7] = byte(n >> 14)
	id[8] = start[8] | byte(n>>8)&0x3f
	id[9] = byte(n)
	return id, nil
}

// idAt returns the least id of version 7 of a moment (RFC 9562 section 5.7). There is none of
// before 1970.
func idAt(at time.Time) uuid.UUID {
	ms := max(0, at.UnixMilli())
	var id uuid.UUID
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6], id[8] = 0x70, 0x80
	return id
}

// Sweep deletes events that are older than the retention, in batches, and returns how many. The
// clock is the database's where now is nil.
func Sweep(ctx context.Context, queries *db.Queries, retention time.Duration, now *time.Time) (int64, error) {
	return store.InBatches(func(batch int32) (int64, error) {
		return queries.EventSweep(ctx, db.EventSweepParams{DatabaseNow: now, Retention: retention, Batch: batch})
	})
}
