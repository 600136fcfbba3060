// Package event is the audit: what happened to accounts. An event is written in the transaction of
// what happened, has no secret and no email, and outlives its user.
package event

import (
	"context"
	"encoding/json"
	"errors"
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
	UserImported           Type = "user.imported"
	UserUpdated            Type = "user.updated"
	UserActivated          Type = "user.activated"
	UserDeactivated        Type = "user.deactivated"
	UserDeleted            Type = "user.deleted"
	UserLoggedIn           Type = "user.logged_in"
	LoginFailed            Type = "login.failed"
	CodeFailed             Type = "code.failed"
	PasswordChanged        Type = "password.changed"
	PasswordReset          Type = "password.reset"
	EmailVerified          Type = "email.verified"
	EmailChanged           Type = "email.changed"
	EmailChangeUndone      Type = "email.change_undone"
	SessionReauthenticated Type = "session.reauthenticated"
	SessionEnded           Type = "session.ended"
	SessionReuseDetected   Type = "session.reuse_detected"
	SessionsEnded          Type = "sessions.ended"
)

// Actor is who caused an event.
type Actor string

// The actors.
const (
	// User is the user, logged in.
	User Actor = "user"
	// Operator runs the service, and acts by its commands.
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
	// SessionID is the zero UUID where no session is concerned.
	SessionID uuid.UUID
	// Address and UserAgent are empty for an operator.
	Address, UserAgent string
	// Methods are how the user has proved who it is (RFC 8176).
	Methods   []string
	CreatedAt time.Time
}

// details are the members that only some types have.
type details struct {
	Methods []string `json:"methods,omitempty"`
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
		id, err := uuid.NewV7()
		if err != nil {
			return db.EventAddParams{}, err
		}
		e.ID = id
	}
	data, err := json.Marshal(details{Methods: e.Methods})
	if err != nil {
		return db.EventAddParams{}, err
	}
	row := db.EventAddParams{
		ID: e.ID, Type: string(e.Type), UserID: e.UserID, Actor: string(e.Actor), Data: data, CreatedAt: e.CreatedAt,
	}
	if e.SessionID != uuid.Nil {
		row.SessionID = &e.SessionID
	}
	if e.Actor != Operator {
		row.Address, row.UserAgent = &e.Address, &e.UserAgent
	}
	return row, nil
}

// idAt returns the least id of version 7 of a moment (RFC 9562 section 5.7).
func idAt(at time.Time) uuid.UUID {
	ms := at.UnixMilli()
	var id uuid.UUID
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6], id[8] = 0x70, 0x80
	return id
}

// newest is greater than the id of any event.
var newest = uuid.Max

// List returns a page of a user's events, the newest first: those before an event, or the newest
// for the zero UUID. next is the last one's id, or the zero UUID where there are no more.
func List(
	ctx context.Context, queries *db.Queries, user, before uuid.UUID, page int,
) (events []Event, next uuid.UUID, err error) {
	if before == uuid.Nil {
		before = newest
	}
	rows, err := queries.EventListByUser(ctx, db.EventListByUserParams{
		UserID: user, Before: before, PageSize: int32(page) + 1,
	})
	if err != nil {
		return nil, uuid.Nil, store.Error(err)
	}
	if len(rows) > page {
		rows, next = rows[:page], rows[page-1].ID
	}
	events = make([]Event, len(rows))
	for i, row := range rows {
		if events[i], err = of(row); err != nil {
			return nil, uuid.Nil, err
		}
		events[i].UserID = user
	}
	return events, next, nil
}

func of(row db.EventListByUserRow) (Event, error) {
	e := Event{ID: row.ID, Type: Type(row.Type), Actor: Actor(row.Actor), CreatedAt: row.CreatedAt.UTC()}
	var d details
	if err := json.Unmarshal(row.Data, &d); err != nil {
		return Event{}, errors.New("the data of an event can't be read")
	}
	e.Methods = d.Methods
	if row.SessionID != nil {
		e.SessionID = *row.SessionID
	}
	if row.Address != nil && row.UserAgent != nil {
		e.Address, e.UserAgent = *row.Address, *row.UserAgent
	}
	return e, nil
}

// sweepBatch is how many rows one statement of a sweep deletes at most, so that none runs for long.
const sweepBatch = 1000

// Sweep deletes events that are older than the retention, in batches, and returns how many. The
// clock is the database's where now is nil.
func Sweep(ctx context.Context, queries *db.Queries, retention time.Duration, now *time.Time) (total int64, err error) {
	for n := int64(sweepBatch); n == sweepBatch; {
		n, err = queries.EventSweep(ctx, db.EventSweepParams{DatabaseNow: now, Retention: retention, Batch: sweepBatch})
		if err != nil {
			return total, store.Error(err)
		}
		total += n
	}
	return total, nil
}
