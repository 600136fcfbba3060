package transfer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// System is another system that users come from.
type System struct {
	name string
	// member is the member of an exported object that has the users. It is empty for lines. An
	// array is always read.
	member string
	// needs are columns, or members of the first user, without which the file can't be what the
	// system exports.
	needs []string
	// record returns the UserRecord of a row. A user who stays behind has none, and a reason.
	record func(row, mapping) (r record, reason string)
}

// mapping is what a mapper needs in addition to the row.
type mapping struct {
	now      time.Time
	firebase *FirebaseHash
}

// systems are the known ones.
var systems = map[string]System{
	"fastapi-users": {needs: []string{"email", "hashed_password"}, record: fromFastAPIUsers},
	"tutorial":      {needs: []string{"email", "salt", "password"}, record: fromTutorial},
	"django":        {needs: []string{"username", "email", "password"}, record: fromDjango},
	"supabase":      {needs: []string{"id", "email", "encrypted_password"}, record: fromSupabase},
	"pocketbase":    {needs: []string{"id", "email", "verified"}, record: fromPocketBase},
	"better-auth":   {needs: []string{"id", "email", "password"}, record: fromBetterAuth},
	"keycloak":      {member: "users", record: fromKeycloak},
	"firebase":      {member: "users", record: fromFirebase},
	"auth0":         {record: fromAuth0},
}

// Systems returns the names of the systems, sorted.
func Systems() []string { return slices.Sorted(maps.Keys(systems)) }

// NewSystem returns the system of a name. hash are the parameters of a Firebase project, or nil.
func NewSystem(name string) (System, error) {
	s, ok := systems[name]
	if !ok {
		return System{}, fmt.Errorf("there is no system %q, must be one of %s", name, strings.Join(Systems(), ", "))
	}
	s.name = name
	return s, nil
}

// missing returns a member that the system's users have and in hasn't, or nothing.
func (s System) missing(in row) string {
	if in.text("model") != "" { // of Django's dumpdata
		in = in.object("fields")
	}
	for _, name := range s.needs {
		if _, there := in[name]; !there {
			return name
		}
	}
	return ""
}
