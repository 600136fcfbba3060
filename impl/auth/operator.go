package auth

import "github.com/google/uuid"

// Operator is who acts on other users' accounts. The zero value is the commands.
type Operator struct {
	Caller Caller
	// UserID and SessionID are those of the operator's token.
	UserID, SessionID uuid.UUID
}
