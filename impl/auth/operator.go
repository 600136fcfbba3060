package auth

import (
	"context"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// Operator is who acts on other users' accounts. The zero value is the commands.
type Operator struct {
	Caller Caller
	// UserID and SessionID are those of the operator's token.
	UserID, SessionID uuid.UUID
}

// operated returns an event that an operator has caused, with what is known about the operator.
func (s *Service) operated(op Operator, what event.Type, user uuid.UUID) event.Event {
	e := event.Event{Type: what, UserID: user, Actor: event.Operator, ActorID: op.UserID, SessionID: op.SessionID}
	if op.UserID == uuid.Nil {
		e.CreatedAt = s.opts.Now()
		return e
	}
	return s.told(op.Caller, e)
}

// recordOperator writes an event that an operator has caused.
func (s *Service) recordOperator(ctx context.Context, tx store.Tx, op Operator, what event.Type, user uuid.UUID) error {
	return event.Add(ctx, tx, s.operated(op, what, user))
}
