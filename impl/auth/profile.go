package auth

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// ErrChangedSince reports that a user isn't in the state that a change was made for.
var ErrChangedSince = errors.New("the user has another ETag")

// UserUpdate is a JSON merge patch of a user (RFC 7396). A nil member changes nothing.
type UserUpdate struct {
	Username *string
	// DisplayName and Locale are removed by an empty text.
	DisplayName, Locale *string
	// Metadata is a merge patch of the metadata, as JSON.
	Metadata json.RawMessage
}

const (
	// maxMetadata bounds the metadata of a user, in bytes of JSON.
	maxMetadata = 8 << 10
	// maxMetadataMembers is the contract's.
	maxMetadataMembers = 1000
)

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

// UpdateUser changes the profile of a user. ifMatch is the header If-Match, or empty. It fails with
// [ErrChangedSince], [ErrUsernameTaken], a [*LimitedError], an [*InvalidInputError], [ErrNoUser],
// [ErrInactiveUser], [ErrInvalidToken] if the session has ended, or [ErrUnavailable].
func (s *Service) UpdateUser(
	ctx context.Context, c Caller, p Principal, ifMatch string, update UserUpdate,
) (User, error) {
	if update.Username != nil && !strings.EqualFold(*update.Username, p.User.Username) {
		// A client may ask whether it is taken as often as at a registration.
		if err := s.opts.Limiter.Rename(ctx, ratelimit.Who{Address: c.Address, Account: p.User.ID.String()}); err != nil {
			s.counters.countLimited(err)
			return User{}, err
		}
	}
	return s.change(ctx, func(tx store.Tx) (db.User, error) {
		row, err := s.lockOwn(ctx, tx, p)
		if err != nil {
			return db.User{}, err
		}
		if !matches(ifMatch, account.Of(row)) {
			return db.User{}, ErrChangedSince
		}
		var invalid InvalidInputError
		params := update.of(row, &invalid)
		if len(invalid.Fields) > 0 {
			return db.User{}, &invalid
		}
		params.Now = s.opts.Now()
		if row, err = tx.UserUpdate(ctx, params); err != nil {
			return db.User{}, err
		}
		return row, event.AddSampled(ctx, tx.Queries, s.told(c, event.Event{
			Type: event.UserUpdated, UserID: row.ID, Actor: event.User, SessionID: p.SessionID,
		}))
	})
}

// of returns the members of a user after the update, and adds the problems of the update to
// invalid.
func (u UserUpdate) of(row db.User, invalid *InvalidInputError) db.UserUpdateParams {
	params := db.UserUpdateParams{
		ID: row.ID, Username: row.Username, UsernameKey: row.UsernameKey,
		DisplayName: replaced(row.DisplayName, u.DisplayName), Locale: replaced(row.Locale, u.Locale),
	}
	if u.Username != nil {
		key, err := account.CanonicalUsername(*u.Username)
		if err != nil {
			invalid.add("username", err)
		}
		params.Username, params.UsernameKey = *u.Username, key
	}
	params.UserMetadata = mergeMetadata("user_metadata", row.UserMetadata, u.Metadata, invalid)
	return params
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

// mergeMetadata returns the metadata of a field after a merge patch, and adds its problems to
// invalid.
func mergeMetadata(field string, before []byte, patch json.RawMessage, invalid *InvalidInputError) []byte {
	merged, code, detail := mergedMetadata(before, patch)
	if code != "" {
		invalid.Fields = append(invalid.Fields, FieldError{Field: field, Code: code, Detail: detail})
	}
	return merged
}

// mergedMetadata returns the metadata after a merge patch, or the code and the detail of a problem
// with it.
func mergedMetadata(before []byte, patch json.RawMessage) (merged []byte, code, detail string) {
	if patch == nil {
		return before, "", ""
	}
	var from, with any
	if err := errors.Join(json.Unmarshal(before, &from), json.Unmarshal(patch, &with)); err != nil {
		return nil, "malformed", "It is not JSON."
	}
	if with == nil {
		return []byte("{}"), "", ""
	}
	after := merge(from, with)
	members, _ := after.(map[string]any)
	merged, err := json.Marshal(after)
	switch {
	case err != nil:
		return nil, "malformed", "It is not JSON."
	case len(merged) > maxMetadata:
		return nil, "too_long", "It has more than 8192 bytes as JSON."
	case len(members) > maxMetadataMembers:
		return nil, "too_long", "It has more than 1000 members."
	case anywhere(after, hasNUL):
		return nil, "invalid_character", "It has the character U+0000."
	case anywhere(after, isUnsafeNumber):
		return nil, "invalid_format", "It has a number above 9007199254740991, which would be rounded, or below 1e-21."
	}
	return merged, "", ""
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

// anywhere reports whether is returns true for a JSON value, for a value within it, or for a name.
func anywhere(value any, is func(any) bool) bool {
	if is(value) {
		return true
	}
	switch value := value.(type) {
	case []any:
		return slices.ContainsFunc(value, func(item any) bool { return anywhere(item, is) })
	case map[string]any:
		for name, member := range value {
			if is(name) || anywhere(member, is) {
				return true
			}
		}
	}
	return false
}

// hasNUL reports whether a value is a text with the character U+0000, which PostgreSQL can't keep.
func hasNUL(value any) bool {
	text, ok := value.(string)
	return ok && strings.ContainsRune(text, 0)
}

// maxSafeInteger is up to where every integer has a float64 of its own (RFC 7493 section 2.2).
const maxSafeInteger = 1<<53 - 1

// isUnsafeNumber reports whether a number would come back as another one. It also reports a tiny
// one, which PostgreSQL would write with far more digits than it was sent with, at each request of
// the user.
func isUnsafeNumber(value any) bool {
	number, ok := value.(float64)
	size := math.Abs(number)
	return ok && number != 0 && (size > maxSafeInteger || size < 1e-21)
}
