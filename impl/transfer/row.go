package transfer

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/auth/account"
)

// row is a user as another system writes it: a record of CSV, whose cells are texts, or an object
// of JSON. Its methods return what a UserRecord has in the place, or the value itself where it
// can't be read, so that the contract's validator reports it. A number is a [jsontext.Value],
// because a float64 would round a long id.
type row map[string]any

// keepNumbers makes a [jsontext.Value] of a number that is read into an any.
var keepNumbers = json.WithUnmarshalers(json.UnmarshalFromFunc(func(in *jsontext.Decoder, value *any) error {
	if in.PeekKind() == '0' {
		*value = jsontext.Value(nil)
	}
	return errors.ErrUnsupported // the usual way goes on
}))

// text returns the first of the members that is there, as a text.
func (r row) text(names ...string) string {
	for _, name := range names {
		switch value := r[name].(type) {
		case string:
			if value != "" {
				return value
			}
		case jsontext.Value:
			return string(value)
		}
	}
	return ""
}

// flag returns a member that is true or false.
func (r row) flag(name string) any {
	if _, ok := r[name].(bool); ok {
		return r[name]
	}
	switch strings.ToLower(r.text(name)) { // SQLite has numbers
	case "t", "true", "1", "yes":
		return true
	case "f", "false", "0", "no":
		return false
	}
	if r[name] == "" {
		return nil
	}
	return r[name]
}

// isSet reports whether a member is true.
func (r row) isSet(name string) bool { return r.flag(name) == true }

// times are the forms in which databases write times.
var times = []string{
	time.RFC3339Nano,
	"2006-01-02 15:04:05.999999999Z07",    // PostgreSQL
	"2006-01-02 15:04:05.999999999Z07:00", // PostgreSQL, Django
	"2006-01-02 15:04:05.999999999Z",      // PocketBase
	"2006-01-02 15:04:05.999999999",       // without a time zone: UTC
	"2006-01-02T15:04:05.999999999",
}

// time returns a member that is a time. A number counts the milliseconds since 1970, or the seconds
// if it would otherwise be in 1973 or before.
func (r row) time(name string) any {
	text := r.text(name)
	if text == "" {
		return nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		if -maxSeconds < ms && ms < maxSeconds {
			ms *= 1000
		}
		if at := time.UnixMilli(ms).UTC(); at.Year() >= 0 && at.Year() <= 9999 {
			return at.Format(time.RFC3339Nano)
		}
		return text
	}
	for _, form := range times {
		if at, err := time.Parse(form, text); err == nil {
			return at.UTC().Format(time.RFC3339Nano)
		}
	}
	return text
}

// maxSeconds bounds a time in seconds: the year 5138, or as milliseconds 1973.
const maxSeconds = 100_000_000_000

// isOver reports whether a member is a time before now.
func (r row) isOver(name string, now time.Time) bool {
	text, _ := r.time(name).(string)
	at, err := time.Parse(time.RFC3339, text)
	return err == nil && at.Before(now)
}

// value returns a member that is JSON: within a text, or as it is.
func (r row) value(name string) any {
	text, ok := r[name].(string)
	if !ok {
		return r[name]
	}
	if text == "" {
		return nil
	}
	var value any
	if json.Unmarshal([]byte(text), &value, keepNumbers) != nil {
		return text
	}
	return value
}

// object returns a member that is an object, or an empty row.
func (r row) object(name string) row {
	members, _ := r.value(name).(map[string]any)
	return members
}

// join joins the texts that aren't empty by a space.
func join(texts ...string) string {
	return strings.Join(strings.Fields(strings.Join(texts, " ")), " ")
}

// record is a UserRecord that is being made.
type record map[string]any

// set sets a member, unless there is nothing to set.
func (r record) set(name string, value any) {
	if value != nil && value != "" {
		r[name] = value
	}
}

// setRoles makes the user a superuser if is is true.
func (r record) setRoles(is bool) {
	if is {
		r["roles"] = []string{"superuser"}
	}
}

// setKey sets by what the user is known in the other system. If that can be the user's id here, it
// stays the id as well.
func (r record) setKey(id string) {
	r.set("external_id", id)
	if known, err := uuid.Parse(id); err == nil && known.Version() == 7 && len(id) == 36 {
		r["id"] = strings.ToLower(id)
	}
}

// tidy removes what the user can choose anew and is nothing here, so that it doesn't keep the user
// out. It reports whether that is the username.
func (r record) tidy() (unnamed bool) {
	if name, ok := r["username"].(string); ok {
		if _, err := account.CanonicalUsername(name); err != nil {
			delete(r, "username")
			unnamed = true
		}
	}
	if name, ok := r["display_name"].(string); ok {
		name = join(strings.Map(printable, name)) // join leaves one space between words
		delete(r, "display_name")
		r.set("display_name", string([]rune(name)[:min(len([]rune(name)), maxDisplayName)]))
	}
	if locale, ok := r["locale"].(string); ok {
		delete(r, "locale")
		if locale = strings.ReplaceAll(locale, "_", "-"); isLocale.MatchString(locale) {
			r.set("locale", locale)
		}
	}
	return unnamed
}

// maxDisplayName is the contract's, in characters.
const maxDisplayName = 128

// isLocale is the contract's pattern.
var isLocale = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// printable makes a space of a control character.
func printable(c rune) rune {
	if unicode.IsControl(c) {
		return ' '
	}
	return c
}
