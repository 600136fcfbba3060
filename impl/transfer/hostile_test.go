package transfer

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// endless repeats a text for n bytes.
type endless struct {
	text string
	n    int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.n <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && n < e.n {
		n += copy(p[n:min(len(p), e.n)], e.text)
	}
	e.n -= n
	return n, nil
}

// readAll returns the emails of the records, and line, pointer and code of each problem.
func readAll(r io.Reader, system string) (emails []string, problems [][2]any, err error) {
	source := Source{Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	if system != "" {
		s, err := NewSystem(system)
		if err != nil {
			return nil, nil, err
		}
		source.System = &s
	}
	reader, err := NewReader(r, source)
	for err == nil {
		var line Line
		if line, err = reader.Next(); err != nil {
			break
		}
		if line.Record != nil {
			emails = append(emails, line.Record.Email)
		}
		for _, p := range line.Problems {
			problems = append(problems, [2]any{p.Line, p.Pointer + " " + p.Code})
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return emails, problems, err
}

// A time that can't be written in UTC would break each response with its user, and the export.
func TestTimesWithoutUTC(t *testing.T) {
	t.Parallel()
	const early, late = `":"0000-01-01T00:00:00+14:00"}`, `":"9999-12-31T23:59:59-14:00"}`
	for _, member := range []string{"created_at", "updated_at", "last_login_at", "password_changed_at"} {
		line := `{"email":"ada@example.com","` + member
		emails, problems, err := readAll(strings.NewReader(line+early+"\n"+line+late), "")
		want := [][2]any{{1, "/" + member + " invalid_format"}, {2, "/" + member + " invalid_format"}}
		if err != nil || len(emails) > 0 || !cmp.Equal(problems, want) {
			t.Errorf("%s: %v %v %v", member, emails, problems, err)
		}
	}
}

const good = `{"email":"ada@example.com"}`

// A hostile file takes the memory of one item, and doesn't affect other lines.
func TestHostileFiles(t *testing.T) {
	const (
		large = 64 << 20 // each long file is larger than the memory that it may take
		most  = 48 << 20
	)
	if _, _, err := readAll(strings.NewReader(good), ""); err != nil { // the contract is read once
		t.Fatal(err)
	}
	head := func(text string) io.Reader { return strings.NewReader(text) }
	for name, c := range map[string]struct {
		system   string
		file     io.Reader
		problems [][2]any
		fails    string
	}{
		"a long line": {
			file:     io.MultiReader(head(`{"email":"`), &endless{strings.Repeat("a", 1024), large}, head("\n"+good)),
			problems: [][2]any{{1, " malformed"}},
		},
		"a long CSV cell": {
			file: io.MultiReader(
				head("email,username\n\""), &endless{strings.Repeat("a\n", 1024), large}, head("\",x\nada@example.com,ada\n"),
			),
			problems: [][2]any{{2, " malformed"}},
		},
		"a long element": {
			system:   "keycloak",
			file:     io.MultiReader(head(`{"realm":"x","users":[{"a":"`), &endless{strings.Repeat("a", 1024), large}, head("\"},\n"+good+`]}`)),
			problems: [][2]any{{1, " malformed"}},
		},
		"a long member before the users": {
			system: "keycloak",
			file:   io.MultiReader(head(`{"realm":["`), &endless{strings.Repeat("[", 1024), large}, head(`"],"users":[`+good+`]}`)),
		},
		"deep JSON": {
			file:     io.MultiReader(head(`{"email":"ada@example.com","user_metadata":{"a":`), &endless{"[", 1 << 19}, head("\n"+good)),
			problems: [][2]any{{1, " malformed"}},
		},
		"deep JSON of another system": {
			system:   "auth0",
			file:     io.MultiReader(head(`{"email":`), &endless{"[", 1 << 19}, head("\n"+good)),
			problems: [][2]any{{1, " malformed"}},
		},
		"a million members": {
			file:     io.MultiReader(head(`{"email":"ada@example.com","roles":[`), &endless{"1,", 1 << 19}, head("1]}\n"+good)),
			problems: [][2]any{{1, " malformed"}},
		},
		"a million columns": {
			file:  io.MultiReader(&endless{"a,", 1 << 21}, head("\nada@example.com\n")),
			fails: "the names of the columns",
		},
		"many columns": {
			file:  io.MultiReader(&endless{"a,", 1 << 19}, head("\nada@example.com\n")),
			fails: "at most 1000 are read",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			emails, problems, err := readAll(c.file, c.system)
			runtime.ReadMemStats(&after)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("%v, want %q", err, c.fails)
				}
			} else if diff := cmp.Diff([]string{"ada@example.com"}, emails); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if diff := cmp.Diff(c.problems, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if taken := after.TotalAlloc - before.TotalAlloc; taken > most {
				t.Errorf("it took %d MB", taken>>20)
			}
		})
	}
}

// Each broken line is reported by itself, with its place.
func TestBrokenLines(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		system, file string
		problems     [][2]any
	}{
		"JSON": {
			file: strings.Join([]string{
				`{"email":"nonsense"}`, "", `{"email":"ada@example.com","email":"ada@example.com"}`,
				"{\"email\":\"a\xff@example.com\"}", `{"email":"a\ud800@example.com"}`, `{"email":"a\u0000@example.com"}`,
				`{`, `[]`, `{"email":"ada@example.com","is_admin":true}`, `{"email":"ada@example.com","created_at":"yesterday"}`,
				`{"email":"ada@example.com","id":"4"}`, `{"email":"ada@example.com","roles":["root"]}`, "\x00",
				`{"email":"ada@example.com","password_hash":""}`, good,
			}, "\r\n"),
			problems: [][2]any{
				{1, "/email invalid_format"}, {3, "/email duplicate"}, {4, " malformed"}, {5, " malformed"},
				{6, "/email invalid_format"}, {7, " malformed"}, {8, " wrong_type"}, {9, "/is_admin unknown"},
				{10, "/created_at invalid_format"}, {11, "/id invalid_format"}, {12, "/roles/0 invalid_format"}, {13, " malformed"},
				{14, "/password_hash too_short"},
			},
		},
		"CSV": {
			file: "\xef\xbb\xbfemail,is_active,user_metadata,display_name\n" +
				"a@example.com,maybe,\n" + "a@example.com,maybe,,\n" + "a@example.com,,[1],\n" + "a\"b,,,\n" + "a\xff@example.com,,,\n" +
				"\"a@example.com\",\"true\",\"{\"\"a\"\":\"\"b\"\"}\",\"a\nb\"\n" + "ada@example.com,f,,\"a \"\"b\"\", c\"",
			problems: [][2]any{
				{2, " malformed"}, {3, "/is_active wrong_type"}, {4, "/user_metadata wrong_type"}, {5, " malformed"},
				{6, " malformed"}, {7, "/display_name invalid_character"},
			},
		},
		"semicolons, as of Excel": {
			file: "\xef\xbb\xbf\"email\";display_name;is_active\r\n\"x\";a,b;\r\n\"ada@example.com\";\"a;\r\nb\";\r\n" +
				"ada@example.com;\"a;\"\"b\";1\r\n",
			problems: [][2]any{{2, "/email too_short"}, {3, "/display_name invalid_character"}},
		},
		"tabs": {
			file:     "email\tdisplay_name\nx\ta,b;c\nada@example.com\ta;b,c\n",
			problems: [][2]any{{2, "/email too_short"}},
		},
		"an array": {
			system:   "pocketbase",
			file:     "[\n{\"id\":\"1\",\"verified\":true,\"email\":\"x\"},\n1,\n" + good + ",\n\"]\"]",
			problems: [][2]any{{2, "/email too_short"}, {3, " malformed"}, {5, " malformed"}},
		},
	} {
		emails, problems, err := readAll(strings.NewReader(c.file), c.system)
		if diff := cmp.Diff([]string{"ada@example.com"}, emails); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
		if diff := cmp.Diff(c.problems, problems); diff != "" {
			t.Errorf("%s: problems (-want +got):\n%s", name, diff)
		}
	}
}

// A file that can't have the named format is refused before anything is imported.
func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ system, file, want string }{
		{"", "", "the file is empty"},
		{"", " \n\n", "the file is empty"},
		{"", "name\nada\n", "no column email"},
		{"", "email,nickname\n", "column 2 is none of"},
		{"", "email,email\n", "a column twice"},
		{"", "email,\"x\n", "quotes"},
		{"django", "username,email\nada,ada@example.com\n", "no column password"},
		{"keycloak", "id,email\n", "come as JSON"},
		{"keycloak", `{"realm":"x"}`, `no member "users"`},
		{"keycloak", `{"users":{}}`, "no array"},
		{"keycloak", `{"users"`, "not JSON"},
		{"keycloak", `{"users":[{"email":"ada@example.com"}`, "breaks off"},
		{"keycloak", `{"users":[{"email":"ada@example.com"`, "breaks off"},
		{"keycloak", `{"users":[}`, "not JSON"},
		{"firebase", `{users:[]}`, "no member"},
		{"django", `{"username":"ada","email":"ada@example.com"}`, "has no member password"},
		{"django", `[{"model":"auth.user","pk":1,"fields":{"username":"ada","email":"a@example.com"}}]`, "has no member password"},
		{"", "\xff\xfee\x00m\x00a\x00i\x00l\x00", "in UTF-16"},
		{"", "{\x00\"\x00e\x00", "in UTF-16"},
		{"", "\x00{\x00\"", "in UTF-16"},
		{"nextauth", `{}`, "must be one of auth0, better-auth, django"},
	} {
		if _, _, err := readAll(strings.NewReader(c.file), c.system); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v, want %q", c.system, c.file, err, c.want)
		}
	}
}

// Reading any file ends, and fails only with an error.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{good, "[" + good + "]", `{"users":[` + good + `]}`, "email,roles\nada@example.com,support\n", "\"\n\"\"", `{"a":[1],"users":[{"\"":[}]`} {
		f.Add("", []byte(seed))
		f.Add("keycloak", []byte(seed))
		f.Add("django", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, system string, file []byte) {
		emails, _, err := readAll(bytes.NewReader(file), system)
		if len(emails) > len(file) {
			t.Errorf("%d users in %d bytes: %v", len(emails), len(file), err)
		}
	})
}
