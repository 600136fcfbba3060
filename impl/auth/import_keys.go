package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// seenKeys are the lines of a file by what must be unique in it. It keeps a hash of each, 16 bytes
// with its line.
type seenKeys struct {
	seed  maphash.Seed
	lines map[uint64]int
}

func newSeenKeys() seenKeys { return seenKeys{maphash.MakeSeed(), map[uint64]int{}} }

// judge refuses a user who has something that a user before it has.
func (s seenKeys) judge(user *preparedUser) {
	if len(user.refused) > 0 {
		return
	}
	keys := []struct{ field, code, key string }{
		{"email", "email_taken", user.keys.email},
		{"external_id", "external_id_taken", user.ExternalID},
		{"username", "username_taken", ""},
		{"id", "id_taken", ""},
	}
	if !user.MayRename && user.Username != "" {
		keys[2].key = user.names[0]
	}
	if user.ID != uuid.Nil {
		keys[3].key = user.ID.String()
	}
	for _, k := range keys {
		if k.key == "" {
			continue
		}
		hash := maphash.String(s.seed, k.field+":"+k.key)
		if line, ok := s.lines[hash]; ok {
			detail := fmt.Sprintf("Line %d has the same.", line)
			if k.field == "email" {
				detail = fmt.Sprintf("Line %d has the same, or one with the same canonical form.", line)
			}
			user.refused = append(user.refused, FieldError{Field: k.field, Code: k.code, Detail: detail})
		}
	}
	if len(user.refused) > 0 {
		return
	}
	for _, k := range keys {
		if k.key != "" {
			s.lines[maphash.String(s.seed, k.field+":"+k.key)] = user.Line
		}
	}
}

// givenName is the username that a dry run has given to a user. The database doesn't have it.
func (s seenKeys) givenName(name string) uint64 {
	return maphash.String(s.seed, "given username:"+name)
}

// give keeps the username that a dry run gives to a user.
func (s seenKeys) give(user preparedUser) { s.lines[s.givenName(user.keys.username)] = user.Line }

// addGiven adds the usernames that a dry run has given to what is taken.
func (s seenKeys) addGiven(taken *takenBy, users []preparedUser) {
	for _, user := range users {
		for _, name := range user.names {
			if _, ok := s.lines[s.givenName(name)]; ok {
				taken.byUsername[name] = uuid.Nil
			}
		}
	}
}

// usernames returns the usernames that a user may get, in their canonical form and in order. It
// fails if the user's own is none, and must stay. The others come from the email alone, so that a
// repeated import gives everybody the same.
func usernames(user ImportedUser, emailKey string) ([]string, error) {
	own, err := account.CanonicalUsername(user.Username)
	if user.Username != "" && !user.MayRename {
		return []string{own}, err
	}
	proposed := account.ProposedUsername(emailKey)
	sum := sha256.Sum256([]byte(emailKey))
	names := []string{proposed, proposed[:min(len(proposed), maxProposed)] + "-" + hex.EncodeToString(sum[4:8])}
	if user.Username != "" && err == nil {
		names = append([]string{own}, names...)
	}
	return names, nil
}

// maxProposed leaves room for nine characters more in a username.
const maxProposed = 64 - 9

// takenBy is what the users of the database have, and those of a batch that are to be added.
type takenBy struct {
	byID, byExternalID map[string]uuid.UUID
	byEmail            map[string]db.UserListTakenRow
	byUsername         map[string]uuid.UUID
	// heldUntil are emails that users have left, and can get back.
	heldUntil map[string]time.Time
}

// takenKeys asks who has what these users are to get.
func takenKeys(ctx context.Context, queries *db.Queries, users []preparedUser) (*takenBy, error) {
	var want db.UserListTakenParams
	for _, user := range users {
		if len(user.refused) > 0 {
			continue
		}
		if user.ID != uuid.Nil {
			want.Ids = append(want.Ids, user.ID)
		}
		if user.ExternalID != "" {
			want.ExternalIds = append(want.ExternalIds, user.ExternalID)
		}
		want.EmailKeys = append(want.EmailKeys, user.keys.email)
		want.UsernameKeys = append(want.UsernameKeys, user.names...)
	}
	rows, err := queries.UserListTaken(ctx, want)
	if err != nil {
		return nil, store.Error(err)
	}
	held, err := queries.ChallengeListHeld(ctx, want.EmailKeys)
	if err != nil {
		return nil, store.Error(err)
	}
	taken := &takenBy{
		map[string]uuid.UUID{}, map[string]uuid.UUID{}, map[string]db.UserListTakenRow{}, map[string]uuid.UUID{},
		map[string]time.Time{},
	}
	for _, row := range rows {
		taken.byID[row.ID.String()] = row.ID
		if row.ExternalID != nil {
			taken.byExternalID[*row.ExternalID] = row.ID
		}
		taken.byEmail[row.EmailKey] = row
		taken.byUsername[row.UsernameKey] = row.ID
	}
	for _, row := range held {
		taken.heldUntil[row.EmailKey] = row.ExpiresAt
	}
	return taken, nil
}

// settle finds out whether a user exists, collides with others, or can be added. One that can be
// added gets its username.
func (t *takenBy) settle(user *preparedUser, out *ImportOutcome) {
	refuse := func(field, code, detail string) {
		out.Refused = append(out.Refused, FieldError{Field: field, Code: code, Detail: detail})
	}
	byID, hasID := t.byID[user.ID.String()]
	byExternal, hasExternal := t.byExternalID[user.ExternalID]
	byEmail, hasEmail := t.byEmail[user.keys.email]
	switch {
	case hasID && hasExternal && byID != byExternal:
		refuse("external_id", "external_id_taken", "It belongs to another user than the id.")
		return
	case hasID, hasExternal:
		out.Exists = true
		return
	case hasEmail && user.ID == uuid.Nil && user.ExternalID == "" && byEmail.Email == user.Email:
		out.Exists = true
		return
	case hasEmail:
		refuse("email", "email_taken", "Another user has it, or one with the same canonical form.")
	case t.heldUntil[user.keys.email].After(*user.UpdatedAt):
		refuse("email", "email_taken", "A user has left it in the last 72 hours, and can still get it back.")
	}
	name := t.freeName(user.names)
	if name == "" {
		refuse("username", "username_taken", "Another user has it.")
	}
	if len(out.Refused) > 0 {
		return
	}
	if name != user.names[0] || !strings.EqualFold(name, user.Username) {
		out.Renamed = user.Username != ""
		user.Username = name
	}
	user.keys.username = name
	t.byUsername[name] = user.ID
}

// freeName returns the first username that nobody has, or nothing.
func (t *takenBy) freeName(names []string) string {
	for _, name := range names {
		if _, taken := t.byUsername[name]; !taken {
			return name
		}
	}
	return ""
}
