package transfer_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/transfer"
)

func TestMain(m *testing.M) { impltest.Main(m, "") }

// systems are files that other systems have exported. testdata/README.md names the source of each.
// want/ has the results: the report, the problems, and the users as they are exported.
var systems = []system{
	{"fastapi-users", "fastapi-users.csv", []string{"ada@fastapi.example"}},
	{"tutorial", "tutorial.csv", []string{"ada@tutorial.example"}},
	{"django", "django.csv", []string{"ada@django.example", "hedy@django.example"}},
	{"django", "django.json", []string{"ada@django.example", "hedy@django.example"}},
	{"supabase", "supabase.csv", []string{"ada@supabase.example"}},
	{"pocketbase", "pocketbase.csv", []string{"ada@pocketbase.example", "grace@pocketbase.example"}},
	{"better-auth", "better-auth.csv", []string{"ada@better-auth.example"}},
	{"keycloak", "keycloak.json", []string{"ada@keycloak.example", "hedy@keycloak.example"}},
	{"firebase", "firebase.json", []string{"ada@firebase.example"}},
	{"auth0", "auth0.ndjson", []string{"ada@auth0.example"}},
}

type system struct {
	name, file string
	// logIn are the emails of those who can log in with their old password.
	logIn []string
}

// A user of the other system can log in here with the same password. A user who couldn't log in
// there can't here either.
func TestSystems(t *testing.T) {
	t.Parallel()
	for _, s := range systems {
		t.Run(s.file, func(t *testing.T) {
			t.Parallel()
			h := impltest.New(t, impltest.Options{Patient: true})
			file := read(t, s.file)
			dry := load(t, h, s.name, file, true)
			if got := export(t, h, transfer.JSONLines, true); got != "" {
				t.Fatalf("a dry run has written %s", got)
			}
			outcome := load(t, h, s.name, file, false)
			if diff := cmp.Diff(outcome, dry); diff != "" {
				t.Errorf("a dry run reports something else (-import +dry run):\n%s", diff)
			}
			after := export(t, h, transfer.JSONLines, true)
			outcome += volatile.ReplaceAllString(after, "")
			outcome = strings.ReplaceAll(outcome, h.Clock.Now().UTC().Format(time.RFC3339Nano), "now")
			want := string(read(t, "want/"+s.file+".txt"))
			if diff := cmp.Diff(want, sorted(outcome)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			s.logInAll(t, h, after)
			s.again(t, h, file)
		})
	}
}

// sorted sorts lines: users without an id of their own have them in no order.
func sorted(text string) string {
	lines := slices.Sorted(strings.Lines(text))
	return strings.Join(lines, "")
}

// volatile matches members that differ each time, or that a login changes.
var volatile = regexp.MustCompile(`"id":"[^"]*",|,"password_hash":"[^"]*"`)

func read(t *testing.T, name string) []byte {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// logInAll checks which of the exported users can log in.
func (s system) logInAll(t *testing.T, h *impltest.Harness, exported string) {
	t.Helper()
	for _, email := range regexp.MustCompile(`"email":"([^"]*)"`).FindAllStringSubmatch(exported, -1) {
		want := http.StatusUnauthorized
		if slices.Contains(s.logIn, email[1]) {
			want = http.StatusOK
		}
		if a := h.Login(t, "username", email[1], "password", impltest.Password); a.Status != want {
			t.Errorf("%s: %d, want %d", email[1], a.Status, want)
		}
		if a := h.Login(t, "username", email[1], "password", impltest.Password+"?"); a.Status != http.StatusUnauthorized {
			t.Errorf("%s with a wrong password: %d", email[1], a.Status)
		}
	}
}

// again imports the file again, which changes nothing.
func (s system) again(t *testing.T, h *impltest.Harness, file []byte) {
	t.Helper()
	before := export(t, h, transfer.JSONLines, true)
	if report := load(t, h, s.name, file, false); !strings.HasPrefix(report, "imported 0") {
		t.Errorf("a second import reports %s", report)
	}
	if diff := cmp.Diff(before, export(t, h, transfer.JSONLines, true)); diff != "" {
		t.Errorf("a second import has changed something:\n%s", diff)
	}
}

func export(t *testing.T, h *impltest.Harness, format transfer.Format, withHashes bool) string {
	t.Helper()
	var out bytes.Buffer
	if err := transfer.Export(t.Context(), h.Auth, &out, format, withHashes); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
