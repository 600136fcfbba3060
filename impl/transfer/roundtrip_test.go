package transfer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/transfer"
)

const mediaMergePatch = "application/merge-patch+json"

// Export, import into an empty server, export: byte for byte the same. The users are of all kinds.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	from := impltest.New(t, impltest.Options{Patient: true})
	token := from.MustRegister(t, "grace")
	change := from.Request("PATCH", impltest.MePath,
		`{"display_name":"<Grace> & \"Co\", Ltd\u2028","locale":"en-GB","user_metadata":{"b":[1,null,1e-9,-0.5,9007199254740991],"a":{"é":"\ud83d\ude00, \n\"<"}}}`,
		"Content-Type", mediaMergePatch, "Authorization", "Bearer "+token)
	if a := from.Do(t, change); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	from.Clock.Advance(time.Hour)
	file := strings.Join([]string{
		`{"email":"Ada@Example.com","username":"Ada","external_id":"4711","roles":["superuser","support"],"email_verified":true,"password_hash":"$2b$04$2sIVHdxeJABuDeGPwDCN3OiWbiKv3T52e4dnDLl1r72TYYn8APtZ6","password_changed_at":"2021-01-01T00:00:00+02:00","created_at":"2020-01-01T00:00:00.123456Z","updated_at":"2020-01-02T00:00:00.1Z","last_login_at":"2022-01-01T00:00:00Z","app_metadata":{"plan":"pro"}}`,
		`{"email":"hedy@中国.example","is_active":false,"external_id":"\\.,\"'","display_name":" \"\\.,\u0085 ","user_metadata":{"":[1E3,-0,1e-21],"a":{"b":null}}}`,
		`{"id":"01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90","email":"o'hara@example.com","created_at":"1969-01-01T00:00:00Z"}`,
	}, "\n")
	if got := load(t, from, "", []byte(file), false); got != "imported 3, superuser 1, support 1, bcrypt 1, none 2\n" {
		t.Fatal(got)
	}
	// The hash is renewed.
	if a := from.Login(t, "username", "ada@example.com", "password", impltest.Password); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if without := export(t, from, transfer.JSONLines, false); strings.Contains(without, "password") || strings.Contains(without, "$") {
		t.Errorf("an export without hashes says %s", without)
	}
	for _, format := range []transfer.Format{transfer.JSONLines, transfer.CSV} {
		first := export(t, from, format, true)
		to := impltest.New(t, impltest.Options{Patient: true})
		to.Clock.Advance(time.Hour)
		if got := load(t, to, "", []byte(first), false); got != "imported 4, superuser 1, support 1, argon2id 2, none 2\n" {
			t.Errorf("%s: %s", format, got)
		}
		if diff := cmp.Diff(first, export(t, to, format, true)); diff != "" {
			t.Errorf("%s (-first +second):\n%s", format, diff)
		}
		for _, email := range []string{"ada@example.com", "grace@example.com"} {
			if a := to.Login(t, "username", email, "password", impltest.Password); a.Status != 200 {
				t.Errorf("%s: %d %s", email, a.Status, a.Body)
			}
		}
	}
}

// More users than a page of the export and a batch of the import.
func TestManyUsers(t *testing.T) {
	t.Parallel()
	const users = 2500
	h := impltest.New(t, impltest.Options{Patient: true})
	var file strings.Builder
	for n := range users {
		fmt.Fprintf(&file, "{\"email\":\"user%d@example.com\",\"external_id\":\"%d\"}\n", n, n)
	}
	if got := load(t, h, "", []byte(file.String()), false); got != "imported 2500, none 2500\n" {
		t.Fatal(got)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(export(t, h, transfer.JSONLines, true)) {
		seen[line] = true
	}
	if len(seen) != users {
		t.Errorf("%d users were exported, want %d", len(seen), users)
	}
}
