package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
)

// eventList prints events, each on a line: in columns or as a JSON object. Each line is written at
// once, because nobody knows when the next one comes.
type eventList struct {
	out    io.Writer
	asJSON bool
}

// eventLine has room for the longest type, and for an IPv4 address.
const eventLine = "%-20s  %-23s  %-36s  %-8s  %-15s  %s\n"

func newEventList(out io.Writer, asJSON bool) (eventList, error) {
	l := eventList{out, asJSON}
	if asJSON {
		return l, nil
	}
	_, err := fmt.Fprintf(out, eventLine, "TIME", "TYPE", "USER", "ACTOR", "ADDRESS", "OPERATOR")
	return l, err
}

func (l eventList) add(e event.Event) error {
	if l.asJSON {
		return json.NewEncoder(l.out).Encode(impl.ManagedEventBody(e))
	}
	operator := "-"
	if e.ActorID != uuid.Nil {
		operator = e.ActorID.String()
	}
	_, err := fmt.Fprintf(l.out, eventLine, e.CreatedAt.Format(time.RFC3339), e.Type, e.UserID, e.Actor,
		cmp.Or(e.Address, "-"), operator)
	return err
}

// sessionRecord is a session as JSON, with the contract's names of the fields.
type sessionRecord struct {
	ID         uuid.UUID `json:"id"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	Address    string    `json:"address"`
	UserAgent  string    `json:"user_agent"`
}

func recordOfSession(s auth.Session) sessionRecord {
	return sessionRecord{
		ID: s.ID, CreatedAt: s.CreatedAt, LastUsedAt: s.UsedAt, ExpiresAt: s.ExpiresAt,
		Address: s.Address, UserAgent: s.UserAgent,
	}
}
