package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// ErrChangedSince reports that a user isn't in the state that a change was made for.
var ErrChangedSince = errors.New("the user has another ETag")

// UserUpdate is a JSON merge patch of a user (RFC 7396). A nil member leaves what is there.
type UserUpdate struct {
	Username *string
	// DisplayName and Locale are removed by an empty text.
	DisplayName, Locale *string
	// Metadata is a merge patch of the metadata, as JSON.
	Metadata json.RawMessage
}

// maxMetadata bounds the metadata of a user, in bytes of JSON.
const maxMetadata = 8 << 10

// ETag returns the entity tag of a user's state (RFC 9110 section 8.8.3). Every change of a user
// moves UpdatedAt.
func ETag(u User) string { return `"` + strconv.FormatInt(u.UpdatedAt.UnixMicro(), 36) + `"` }

// matches reports whether a user is in a state that If-Match names (RFC 9110 section 13.1.1). An
// empty header names any.
func matches(ifMatch string, u User) bool {
	if ifMatch == "" || ifMatch == "*" {
		return true
	}
	for tag := range strings.SplitSeq(ifMatch, ",") {
		if strings.TrimSpace(tag) == ETag(u) {
			return true
		}
	}
	return false
}

// UpdateUser changes what a user tells of itself. ifMatch is the header If-Match, or empty. It fails
// with [ErrChangedSince], [ErrUsernameTaken], an [*InvalidInputError], [ErrNoUser] or
// [ErrUnavailable].
func (s *Service) UpdateUser(
	ctx context.Context, c Caller, p Principal, ifMatch string, update UserUpdate,
) (User, error) {
	return s.change(ctx, func(tx store.Tx) (db.User, error) {
		row, err := tx.UserGetForUpdate(ctx, p.User.ID)
		if err != nil {
			return db.User{}, err
		}
		if !matches(ifMatch, account.Of(row)) {
			return db.User{}, ErrChangedSince
		}
		params, err := update.of(row)
		if err != nil {
			return db.User{}, err
		}
		params.Now = s.now()
		if row, err = tx.UserUpdate(ctx, params); err != nil {
			return db.User{}, err
		}
		return row, s.record(ctx, tx, c, event.Event{
			Type: event.UserUpdated, UserID: row.ID, Actor: event.User, SessionID: p.SessionID,
		})
	})
}

// of returns the members of a user after the update.
func (u UserUpdate) of(row db.User) (db.UserUpdateParams, error) {
	params := db.UserUpdateParams{
		ID: row.ID, Username: row.Username, UsernameKey: row.UsernameKey,
		DisplayName: replaced(row.DisplayName, u.DisplayName), Locale: replaced(row.Locale, u.Locale),
	}
	var invalid InvalidInputError
	if u.Username != nil {
		key, err := account.CanonicalUsername(*u.Username)
		if err != nil {
			invalid.add("username", err)
		}
		params.Username, params.UsernameKey = *u.Username, key
	}
	merged, broken := mergeMetadata(row.UserMetadata, u.Metadata)
	if broken != nil {
		invalid.Fields = append(invalid.Fields, *broken)
	}
	if len(invalid.Fields) > 0 {
		return db.UserUpdateParams{}, &invalid
	}
	params.UserMetadata = merged
	return params, nil
}

// replaced returns the text after an update: nil leaves it, and an empty one removes it.
func replaced(before, update *string) *string {
	switch {
	case update == nil:
		return before
	case *update == "":
		return nil
	}
	return update
}

// mergeMetadata returns the metadata after a merge patch, or what is wrong with it.
func mergeMetadata(before []byte, patch json.RawMessage) ([]byte, *FieldError) {
	if patch == nil {
		return before, nil
	}
	var from, with any
	if err := errors.Join(json.Unmarshal(before, &from), json.Unmarshal(patch, &with)); err != nil {
		return nil, &FieldError{Field: "user_metadata", Code: "malformed", Detail: "It is not JSON."}
	}
	if with == nil {
		return []byte("{}"), nil
	}
	merged, err := json.Marshal(merge(from, with))
	switch {
	case err != nil:
		return nil, &FieldError{Field: "user_metadata", Code: "malformed", Detail: "It is not JSON."}
	case len(merged) > maxMetadata:
		return nil, &FieldError{Field: "user_metadata", Code: "too_long", Detail: "It has more than 8192 bytes as JSON."}
	case bytes.Contains(merged, []byte(`\u0000`)) && hasNUL(merge(from, with)):
		return nil, &FieldError{Field: "user_metadata", Code: "invalid_character", Detail: "It has the character U+0000."}
	}
	return merged, nil
}

// merge returns a value after a merge patch (RFC 7396 section 2).
func merge(target, patch any) any {
	members, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	merged, ok := target.(map[string]any)
	if !ok {
		merged = map[string]any{}
	}
	for name, value := range members {
		if value == nil {
			delete(merged, name)
		} else {
			merged[name] = merge(merged[name], value)
		}
	}
	return merged
}

// hasNUL reports whether a text in a JSON value has the character U+0000, which PostgreSQL can't
// keep.
func hasNUL(value any) bool {
	switch value := value.(type) {
	case string:
		return strings.ContainsRune(value, 0)
	case []any:
		for _, item := range value {
			if hasNUL(item) {
				return true
			}
		}
	case map[string]any:
		for name, member := range value {
			if strings.ContainsRune(name, 0) || hasNUL(member) {
				return true
			}
		}
	}
	return false
}
