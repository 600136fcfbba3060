package transfer_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/transfer"
)

// mappings are rare cases of other systems' files, and their results.
var mappings = []struct{ name, system, file, want string }{
	{
		"a long id isn't rounded", "django",
		`[{"model":"auth.user","pk":9007199254740993,"fields":{"username":"ada","email":"a@example.com","password":"!"}}]`,
		`"external_id":"9007199254740993"`,
	},
	{
		"a long number isn't rounded", "auth0",
		`{"email":"a@example.com","app_metadata":{"discord":9007199254740993}}`,
		`"app_metadata":{"discord":9007199254740993}`,
	},
	{
		"nor one within a text", "supabase",
		"id,email,encrypted_password,raw_user_meta_data\n1,a@example.com,,\"{\"\"discord\"\": 9007199254740993}\"",
		`"user_metadata":{"discord":9007199254740993}`,
	},
	{
		"a ban without an end", "supabase",
		"id,email,encrypted_password,banned_until\n1,a@example.com,,infinity", `"is_active":false`,
	},
	{
		"a ban that is over", "supabase",
		"id,email,encrypted_password,banned_until\n1,a@example.com,,2020-01-01 00:00:00+00", `"is_active":true`,
	},
	{
		"a ban without an end", "better-auth",
		"id,email,password,banned,banExpires\n1,a@example.com,,t,", `"is_active":false`,
	},
	{
		"a ban that goes on", "better-auth",
		"id,email,password,banned,banExpires\n1,a@example.com,,1,2999-01-01 00:00:00", `"is_active":false`,
	},
	{
		"a ban that is over", "better-auth",
		"id,email,password,banned,banExpires\n1,a@example.com,,t,2020-01-01 00:00:00", `"is_active":true`,
	},
	{
		"seconds", "better-auth",
		"id,email,password,createdAt\n1,a@example.com,,1683000000", `"created_at":"2023-05-02T04:00:00Z"`,
	},
	{
		"milliseconds", "better-auth",
		"id,email,password,createdAt\n1,a@example.com,,1683000000123", `"created_at":"2023-05-02T04:00:00.123Z"`,
	},
	{
		"numbers of SQLite", "django",
		`[{"model":"auth.user","pk":1,"fields":{"username":"ada","email":"a@example.com","password":"!","is_active":0}}]`, `"is_active":false`,
	},
	{
		"rights", "keycloak",
		`{"users":[{"email":"a@example.com","realmRoles":[],"clientRoles":{"shop":["admin"]},"groups":["/staff"]}]}`,
		`"app_metadata":{"client_roles":{"shop":["admin"]},"groups":["/staff"]}`,
	},
	{"an array of users", "keycloak", `[{"email":"a@example.com","enabled":false}]`, `"is_active":false`},
	{
		"an attribute that is a text", "keycloak",
		`[{"email":"a@example.com","attributes":{"locale":"de"}}]`, `"locale":"de"`,
	},
}

func TestMappings(t *testing.T) {
	t.Parallel()
	for _, m := range mappings {
		t.Run(m.system+"/"+m.name, func(t *testing.T) {
			t.Parallel()
			line := first(t, m.system, m.file)
			if line.Record == nil {
				t.Fatalf("%+v", line)
			}
			got, err := json.Marshal(line.Record)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(got), m.want) {
				t.Errorf("%s has no %s", got, m.want)
			}
		})
	}
}

// Users whom nobody can log in as stay behind.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	line := first(t, "better-auth", "id,email,password,isAnonymous\n1,temp@example.com,,t")
	if line.Behind == "" {
		t.Errorf("%+v is not left behind", line)
	}
}

func first(t *testing.T, system, file string) transfer.Line {
	t.Helper()
	s, err := transfer.NewSystem(system)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := transfer.NewReader(strings.NewReader(file), transfer.Source{System: &s, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	line, err := reader.Next()
	if err != nil {
		t.Fatal(err)
	}
	return line
}
