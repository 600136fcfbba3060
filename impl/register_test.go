package impl_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

func TestRegister(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	a := h.Register(t, "Ada.L@Example.COM", "Ada_L", impltest.Password)
	if a.Status != 201 || a.Header.Get("Location") != "me/" {
		t.Fatalf("got %d %v %s", a.Status, a.Header, a.Body)
	}
	var got map[string]any
	if err := json.Unmarshal(a.Body, &got); err != nil {
		t.Fatal(err)
	}
	me := h.Me(t, a.Text("token.access_token"))
	var want map[string]any
	if err := json.Unmarshal(me.Body, &want); err != nil {
		t.Fatal(err)
	}
	delete(got, "token")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the registration's user and /me/'s differ:\n%s", diff)
	}
	now := h.Clock.Now().UTC().Format("2006-01-02T15:04:05.999999999Z07:00")
	for name, want := range map[string]any{
		"email": "Ada.L@Example.COM", "username": "Ada_L", "email_verified": false, "is_active": true,
		"is_superuser": false, "created_at": now, "updated_at": now,
	} {
		if got[name] != want {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
}

func TestRegisterTaken(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	for _, row := range []struct{ email, username, want string }{
		{"ada@example.com", "grace", "email_taken"},
		{"ADA@EXAMPLE.com", "grace", "email_taken"},
		{"ada@EXAMPLE。com", "grace", "email_taken"}, // an ideographic full stop, which IDNA maps
		{"grace@example.com", "ada", "username_taken"},
		{"grace@example.com", "ADA", "username_taken"},
		{"ada@example.com", "ada", "email_taken"},
	} {
		a := h.Register(t, row.email, row.username, impltest.Password)
		if a.Status != 409 || a.Text("code") != row.want {
			t.Errorf("%s %s: got %d %s", row.email, row.username, a.Status, a.Body)
		}
	}
}

// G-7, F-14: parallel registrations of one email in different cases leave exactly one user.
func TestG7_OneEmailAtOnce(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	const clients = networkLength // as many as may wait for a hash
	var (
		created, taken atomic.Int32
		wg             sync.WaitGroup
	)
	for i := range clients {
		wg.Go(func() {
			email := "ada@example.com"
			if i%2 == 1 {
				email = "Ada@EXAMPLE.com"
			}
			body := fmt.Sprintf(`{"email":%q,"username":"user-%d","password":%q}`, email, i, impltest.Password)
			a, err := h.Try(t, h.Request("POST", impltest.RegisterPath, body, "Content-Type", "application/json"))
			switch {
			case err != nil:
				t.Error(err)
			case a.Status == 201:
				created.Add(1)
			case a.Status == 409 && a.Text("code") == "email_taken":
				taken.Add(1)
			default:
				t.Errorf("got %d %s", a.Status, a.Body)
			}
		})
	}
	wg.Wait()
	var rows int
	if err := h.Pool.QueryRow(t.Context(), "SELECT count(*) FROM users").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if created.Load() != 1 || taken.Load() != clients-1 || rows != 1 {
		t.Errorf("%d created, %d taken, %d rows; want 1, %d, 1", created.Load(), taken.Load(), rows, clients-1)
	}
}

// G-1, G-2, G-4 and the names of DESIGN: each violation has one entry, at its field.
func TestG1_FieldsOfARegistration(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	good := map[string]any{"email": "ada@example.com", "username": "ada", "password": impltest.Password}
	for name, row := range map[string]struct {
		field string
		value any
		code  string
	}{
		"password of 7":                  {"password", "aB3$xYz", "too_short"},
		"password of 7 code points":      {"password", "日本語のねこた", "too_short"},
		"password of 1,025":              {"password", strings.Repeat("ab3-Xy", 170) + "cdefg", "too_long"},
		"password of 1,025 bytes":        {"password", strings.Repeat("日", 341) + "xy", "too_long"},
		"password with NUL":              {"password", "correct horse\x00battery", "invalid_character"},
		"G-2 a common password":          {"password", "password123", "common_password"},
		"G-2 a sequence":                 {"password", "abcdefghijklmnop", "common_password"},
		"G-2 a repeat":                   {"password", "aaaaaaaaaaaaaaaa", "common_password"},
		"G-4 the email":                  {"password", "ada@example.com", "common_password"},
		"G-4 the product":                {"password", "latchkey1", "common_password"},
		"email of 10,000":                {"email", strings.Repeat("a", 10_000) + "@example.com", "too_long"},
		"email with a newline":           {"email", "ada@example.com\nBcc: eve@example.com", "invalid_format"},
		"G-9 email with an escaped CRLF": {"email", "ada%0d%0aBcc:eve@example.com ", "invalid_format"},
		"email with NUL":                 {"email", "a\x00da@example.com", "invalid_format"},
		"email with a display name":      {"email", "Ada <ada@example.com>", "invalid_format"},
		"email with a quoted local part": {"email", `"ada"@example.com`, "invalid_format"},
		"email with a soft hyphen":       {"email", "a\u00adda@example.com", "invalid_format"},
		"email without a domain":         {"email", "ada@", "invalid_format"},
		"email without @":                {"email", "ada.example.com", "invalid_format"},
		"email with two @":               {"email", "ada@eve@example.com", "invalid_format"},
		"username in another script":     {"username", "аdа", "invalid_format"},
		"username of 2":                  {"username", "ab", "too_short"},
		"username of 65":                 {"username", strings.Repeat("a", 65), "too_long"},
		"username with NUL":              {"username", "ada\x00", "invalid_format"},
		"username with a space":          {"username", "ada l", "invalid_format"},
		"username with a newline":        {"username", "ada\n", "invalid_format"},
		"G-10 a number":                  {"password", 12345678901, "wrong_type"},
		"G-10 an array":                  {"email", []string{"ada@example.com"}, "wrong_type"},
		"G-10 an object":                 {"username", map[string]string{"a": "b"}, "wrong_type"},
		"G-10 a boolean":                 {"username", true, "wrong_type"},
		"G-10 null":                      {"email", nil, "wrong_type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := map[string]any{}
			for k, v := range good {
				body[k] = v
			}
			body[row.field] = row.value
			a := h.PostJSON(t, impltest.RegisterPath, body)
			if diff := cmp.Diff([][2]string{{"/" + row.field, row.code}}, violations(a)); a.Status != 422 || diff != "" {
				t.Errorf("got %d %s\n%s", a.Status, a.Body, diff)
			}
			if s, ok := row.value.(string); ok && len(s) > 8 && strings.Contains(string(a.Body), s) {
				t.Errorf("the answer repeats the value: %s", a.Body)
			}
		})
	}
}

// G-4: the rules that the contract can't express, because they combine fields. Another user may
// choose these passwords, because they are not common.
func TestG4_PasswordMadeOfTheOtherFields(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	for i, password := range []string{"theodolinde1903", "Qxvkjwpz!!"} {
		a := h.Register(t, "theodolinde@example.com", "qxvkjwpz", password)
		if diff := cmp.Diff([][2]string{{"/password", "common_password"}}, violations(a)); a.Status != 422 || diff != "" {
			t.Errorf("%s: got %d %s", password, a.Status, a.Body)
		}
		if a := h.Register(t, fmt.Sprintf("u%d@example.com", i), fmt.Sprintf("user%d", i), password); a.Status != 201 {
			t.Errorf("%s, of another user: got %d %s", password, a.Status, a.Body)
		}
	}
}

func TestG3_NoRulesOfComposition(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	for i, password := range []string{
		"qmzvkrtwplxnbgh", "739164850271936", "a  b  q  z  w  k", "猫の手も借りたいほど忙しい毎日です", "🦊🐙🍉🚲🧭🪁🎻🌋",
		strings.Repeat("vq7", 20) + "zzk9", "Correct-Horse-Battery-Staple-9",
	} {
		a := h.Register(t, fmt.Sprintf("u%d@example.com", i), fmt.Sprintf("user%d", i), password)
		if a.Status != 201 {
			t.Errorf("%q: got %d %s", password, a.Status, a.Body)
		}
	}
}

func TestEverythingWrongAtOnce(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	a := h.PostJSON(t, impltest.RegisterPath, map[string]any{"email": "a@b", "password": "short", "is_superuser": true})
	want := [][2]string{
		{"/email", "invalid_format"}, {"/is_superuser", "unknown"}, {"/password", "too_short"}, {"/username", "required"},
	}
	if diff := cmp.Diff(want, violations(a)); a.Status != 422 || diff != "" {
		t.Errorf("got %d %s\n%s", a.Status, a.Body, diff)
	}
}

// Rules that combine fields are reported together with the others.
func TestPasswordOfABrokenEmail(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	for name, row := range map[string]struct {
		email, username, password string
		want                      [][2]string
	}{
		"the username in it": {"bad", "qxvkjwpz", "qxvkjwpz1", [][2]string{{"/email", "invalid_format"}, {"/password", "common_password"}}},
		"the email in it":    {"qxvkjwpz@example.com", "!", "qxvkjwpz1", [][2]string{{"/password", "common_password"}, {"/username", "too_short"}}},
		"nothing of them":    {"bad", "qxvkjwpz", impltest.Password, [][2]string{{"/email", "invalid_format"}}},
	} {
		a := h.Register(t, row.email, row.username, row.password)
		if diff := cmp.Diff(row.want, violations(a)); a.Status != 422 || diff != "" {
			t.Errorf("%s: got %d %s\n%s", name, a.Status, a.Body, diff)
		}
	}
}

func TestG5_NoMassAssignment(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	for _, field := range []string{"is_superuser", "is_admin", "id", "email_verified", "created_at", "hashed_password", "PASSWORD", "Email", "email_key"} {
		a := h.PostJSON(t, impltest.RegisterPath, map[string]any{
			"email": "ada@example.com", "username": "ada", "password": impltest.Password, field: "x",
		})
		if diff := cmp.Diff([][2]string{{"/" + field, "unknown"}}, violations(a)); a.Status != 422 || diff != "" {
			t.Errorf("%s: got %d %s", field, a.Status, a.Body)
		}
	}
}

// A body that isn't the contract's JSON gets one 422, and makes nothing.
func TestG10_StrictJSON(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	const good = `"email":"ada@example.com","username":"ada","password":"correct horse battery staple"`
	for name, row := range map[string]struct{ body, pointer, code string }{
		"not JSON":            {`email=ada`, "", "malformed"},
		"empty body":          {``, "", "required"},
		"half":                {`{` + good, "", "malformed"},
		"trailing object":     {`{` + good + `}{}`, "", "malformed"},
		"trailing garbage":    {`{` + good + `} x`, "", "malformed"},
		"a comment":           {`{` + good + `} // x`, "", "malformed"},
		"duplicate key":       {`{` + good + `,"password":"another horse battery"}`, "/password", "duplicate"},
		"duplicate by escape": {`{` + good + `,"p\u0061ssword":"another horse battery"}`, "/password", "duplicate"},
		"PASSWORD beside":     {`{` + good + `,"PASSWORD":"another horse battery"}`, "/PASSWORD", "unknown"},
		"an array":            {`[{` + good + `}]`, "", "wrong_type"},
		"null":                {`null`, "", "wrong_type"},
		"a string":            {`"ada"`, "", "wrong_type"},
		"a byte order mark":   {"\ufeff{" + good + `}`, "", "malformed"},
		"invalid UTF-8":       {`{"email":"ada@example.com","username":"ada","password":"correct horse ` + "\xff" + `"}`, "", "malformed"},
		"a lone surrogate":    {`{"email":"ada@example.com","username":"ada","password":"correct horse \ud800"}`, "", "malformed"},
		"a raw control":       {"{\"email\":\"ada@example.com\",\"username\":\"a\x01da\",\"password\":\"correct horse\"}", "", "malformed"},
		"deep nesting":        {strings.Repeat(`[`, 12_000) + strings.Repeat(`]`, 12_000), "", "malformed"},
		"a long unknown name": {`{` + good + `,"` + strings.Repeat("x", 500) + `":1}`, "", "unknown"},
		"an odd unknown name": {`{` + good + `,"a\u001b[31mb":1}`, "", "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := h.Do(t, h.Request("POST", impltest.RegisterPath, row.body, "Content-Type", "application/json"))
			if diff := cmp.Diff([][2]string{{row.pointer, row.code}}, violations(a)); a.Status != 422 || diff != "" {
				t.Errorf("got %d %s\n%s", a.Status, a.Body, diff)
			}
			if strings.Contains(string(a.Body), "horse") {
				t.Errorf("the answer repeats the password: %s", a.Body)
			}
		})
	}
	t.Cleanup(func() {
		if a := h.Register(t, "ada@example.com", "ada", impltest.Password); a.Status != 201 {
			t.Errorf("a refused registration has left something: %d %s", a.Status, a.Body)
		}
	})
}

func TestRegisterMediaTypes(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	const body = `{"email":"ada@example.com","username":"ada","password":"correct horse battery staple"}`
	for _, mediaType := range []string{"text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "application/problem+json", ""} {
		r := h.Request("POST", impltest.RegisterPath, body)
		if mediaType != "" {
			r.Header.Set("Content-Type", mediaType)
		}
		if a := h.Do(t, r); a.Status != 415 {
			t.Errorf("%q: got %d %s", mediaType, a.Status, a.Body)
		}
	}
	r := h.Request(
		"POST",
		impltest.RegisterPath,
		body,
		"Content-Type",
		"application/json; charset=UTF-8",
		"Accept",
		"application/xml",
	)
	if a := h.Do(t, r); a.Status != 201 || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("asked for XML: got %d %v", a.Status, a.Header)
	}
}
