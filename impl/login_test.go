package impl_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")

	a := h.Login(t, "username", "Ada@Example.com", "password", impltest.Password)
	if a.Status != 200 || a.Text("token_type") != "bearer" || a.JSON("expires_in") != 900.0 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	me := h.Me(t, a.Text("access_token"))
	if me.Status != 200 || me.Text("email") != "ada@example.com" || me.Text("username") != "ada" {
		t.Errorf("got %d %s", me.Status, me.Body)
	}
}

// L-6 (a): all of these credentials get the same response, byte for byte except for the request's
// id.
func TestL6_EqualAnswers(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	h.MustRegister(t, "eve")
	deactivate(t, h, "eve@example.com")

	rows := map[string][]string{
		"wrong email":          {"username", "bob@example.com", "password", impltest.Password},
		"email None":           {"username", "None", "password", impltest.Password},
		"email empty":          {"username", "", "password", impltest.Password},
		"email absent":         {"password", impltest.Password},
		"email notemail":       {"username", "notemail", "password", impltest.Password},
		"username for email":   {"username", "ada", "password", impltest.Password},
		"wrong password":       {"username", "ada@example.com", "password", "wrong"},
		"password None":        {"username", "ada@example.com", "password", "None"},
		"password empty":       {"username", "ada@example.com", "password", ""},
		"password absent":      {"username", "ada@example.com"},
		"password 1,025 bytes": {"username", "ada@example.com", "password", strings.Repeat("é", 512) + "x"},
		"nothing":              {},
		"deactivated":          {"username", "eve@example.com", "password", impltest.Password},
		"deactivated, wrong":   {"username", "eve@example.com", "password", "wrong"},
	}
	want := h.Login(t, "username", "nobody@example.com", "password", "nothing")
	if want.Status != 401 || want.Text("detail") != "Authentication was unsuccessful." ||
		want.Text("error") != "invalid_grant" {
		t.Fatalf("got %d %s", want.Status, want.Body)
	}
	if got := want.Header.Values("WWW-Authenticate"); !slices.Equal(got, []string{"Bearer"}) {
		t.Errorf("WWW-Authenticate: %q", got)
	}
	for name, fields := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := h.Login(t, fields...)
			if diff := cmp.Diff(comparable(want), comparable(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// comparable leaves out the parts that may differ between two equal responses.
func comparable(a impltest.Answer) map[string]any {
	header := a.Header.Clone()
	header.Del("X-Request-Id")
	header.Del("Date")
	return map[string]any{"status": a.Status, "header": header, "body": string(a.Body)}
}

func deactivate(t *testing.T, h *impltest.Harness, who string) {
	t.Helper()
	user, err := h.Auth.FindUser(t.Context(), who)
	if err == nil {
		_, err = h.Auth.Deactivate(t.Context(), auth.Operator{}, user.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestL1_OneOfEachField(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	form := "username=ada%40example.com&password=correct+horse+battery+staple"
	const mediaForm = "application/x-www-form-urlencoded"

	for name, row := range map[string]struct {
		query, body   string
		pointer, code string
	}{
		"username twice":              {"", form + "&username=ada%40example.com", "/username", "duplicate"},
		"password twice":              {"", form + "&password=x", "/password", "duplicate"},
		"grant_type twice":            {"", form + "&grant_type=password&grant_type=password", "/grant_type", "duplicate"},
		"unknown field twice":         {"", form + "&foo=1&foo=2", "/foo", "duplicate"},
		"username in the query":       {"?username=ada%40example.com", "password=correct+horse+battery+staple", "", "query_not_allowed"},
		"credentials in the query":    {"?" + form, "", "", "query_not_allowed"},
		"anything in the query":       {"?x", form, "", "query_not_allowed"},
		"a semicolon for a separator": {"", "username=ada%40example.com;password=x", "", "malformed"},
		"a bad escape":                {"", "username=%zz", "", "malformed"},
		"invalid UTF-8":               {"", "password=x&username=%ff", "/username", "malformed"},
		"a lone surrogate":            {"", "password=%ED%A0%80", "/password", "malformed"},
		"NUL in the username":         {"", "username=a%00b", "/username", "invalid_character"},
		"NUL in the password":         {"", form + "%00", "/password", "invalid_character"},
		"10,000-character email":      {"", "username=" + strings.Repeat("a", 10_000), "/username", "too_long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := h.Do(t, h.Request("POST", impltest.LoginPath+row.query, row.body, "Content-Type", mediaForm))
			if a.Status != 422 || a.Text("error") != "invalid_request" {
				t.Fatalf("got %d %s", a.Status, a.Body)
			}
			if diff := cmp.Diff([][2]string{{row.pointer, row.code}}, violations(a)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// violations returns the pointers and codes of a 422.
func violations(a impltest.Answer) [][2]string {
	var all [][2]string
	entries, _ := a.JSON("errors").([]any)
	for _, e := range entries {
		entry := e.(map[string]any)
		all = append(all, [2]string{entry["pointer"].(string), entry["code"].(string)})
	}
	return all
}

func TestL2_GrantTypes(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	for grant, want := range map[string]int{
		"password": 200, "": 200,
		"Password": 400, "client_credentials": 400, "authorization_code": 400, "refresh": 400, "urn:x": 400,
		"password\x00": 400, " password": 400, strings.Repeat("a", 10_000): 400,
	} {
		a := h.Login(t, "grant_type", grant, "username", "ada@example.com", "password", impltest.Password)
		if a.Status != want {
			t.Errorf("%q: got %d %s", grant, a.Status, a.Body)
		}
		if want == 400 && (a.Text("error") != "unsupported_grant_type" || a.Text("code") != "unsupported_grant_type") {
			t.Errorf("%q: got %s", grant, a.Body)
		}
	}
}

// The contract has one example of a login for each grant, and the server accepts each of them.
func TestLoginExamples(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	login := impltest.Contract().Paths.Value(impltest.LoginPath).Post
	media := login.RequestBody.Value.Content[form]
	if impltest.AsksForToken(login) {
		t.Errorf("security is %v: a login needs no token", login.Security)
	}
	var named []string
	tokens := h.Register(t, "ada@example.com", "ada", impltest.Password)
	for _, grant := range media.Schema.Value.Properties["grant_type"].Value.Enum {
		named = append(named, grant.(string))
		example := media.Examples[grant.(string)]
		if example == nil {
			t.Errorf("there is no example for %s", grant)
			continue
		}
		var fields []string
		for name, value := range example.Value.Value.(map[string]any) {
			if name == "refresh_token" {
				value = tokens.Text("token.refresh_token") // nobody has the one that is shown
			}
			fields = append(fields, name, value.(string))
		}
		if a := h.Login(t, fields...); a.Status != 200 {
			t.Errorf("%s: got %d %s", grant, a.Status, a.Body)
		}
	}
	if diff := cmp.Diff([]string{"password", "refresh_token"}, named); diff != "" || len(media.Examples) != len(named) {
		t.Errorf("%d examples for (-want +got):\n%s", len(media.Examples), diff)
	}
}

func TestL3_TokensAreNotCached(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	registered := h.Register(t, "ada@example.com", "ada", impltest.Password)
	loggedIn := h.Login(t, "username", "ada@example.com", "password", impltest.Password)
	for _, a := range []impltest.Answer{registered, loggedIn} {
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" {
			t.Errorf("got %v", a.Header)
		}
	}
}

func TestL4_UnknownAndEmptyFieldsAreIgnored(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	a := h.Login(t, "grant_type", "", "scope", "", "client_id", "", "client_secret", "", "foo", "bar",
		"username", "ada@example.com", "password", impltest.Password)
	if a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

// Swagger UI sends the credentials of an empty client with every login.
func TestLoginWithAnEmptyClient(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	r := h.LoginRequest("grant_type", "password", "username", "ada@example.com", "password", impltest.Password)
	r.Header.Set("Authorization", "Basic Og==")
	if a := h.Do(t, r); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

func TestL7_PasswordsAreComparedExactly(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	base := strings.Repeat("correct horse ", 5) + "ab" // 72 bytes
	rows := []struct {
		name, registered, tried string
		want                    int
	}{
		{"byte 73 differs", base + "X", base + "Y", 401},
		{"cut at 72 bytes", base + "X", base, 401},
		{"73 bytes", base + "X", base + "X", 200},
		{"leading space kept", " correct horse staple", "correct horse staple", 401},
		{"trailing space kept", "correct horse staple ", "correct horse staple", 401},
		{"case kept", "Correct horse staple", "correct horse staple", 401},
		{"composed, typed decomposed", "correct hors\u00e9 staple", "correct horse\u0301 staple", 200},
		{"compatibility forms differ", "correct horse ﬁnger", "correct horse finger", 401},
	}
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			email := string(rune('a'+i)) + "@example.com"
			if a := h.Register(t, email, "user-"+string(rune('a'+i)), row.registered); a.Status != 201 {
				t.Fatalf("register: %d %s", a.Status, a.Body)
			}
			if a := h.Login(t, "username", email, "password", row.tried); a.Status != row.want {
				t.Errorf("got %d, want %d", a.Status, row.want)
			}
		})
	}
}

func TestL8_EveryLoginGivesAnotherToken(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	seen := map[string]bool{h.MustRegister(t, "ada"): true}
	for range 5 { // the clock stands: all in the same second
		seen[h.Login(t, "username", "ada@example.com", "password", impltest.Password).Text("access_token")] = true
	}
	if len(seen) != 6 {
		t.Errorf("got %d different tokens, want 6", len(seen))
	}
}

func TestL9_MethodsAndMediaTypes(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} {
		a := h.Do(t, h.Request(method, impltest.LoginPath, ""))
		if a.Status != 405 || a.Header.Get("Allow") != "POST" {
			t.Errorf("%s: got %d, Allow %q", method, a.Status, a.Header.Get("Allow"))
		}
	}
	form := "username=ada%40example.com&password=correct+horse+battery+staple"
	for mediaType, want := range map[string]int{
		"application/x-www-form-urlencoded":                     200,
		"APPLICATION/X-WWW-Form-Urlencoded; charset=UTF-8":      200,
		"application/x-www-form-urlencoded; charset=iso-8859-1": 415,
		"application/json":                415,
		"multipart/form-data; boundary=x": 415,
		"text/plain":                      415,
		"garbage":                         415,
	} {
		if a := h.Do(t, h.Request("POST", impltest.LoginPath, form, "Content-Type", mediaType)); a.Status != want {
			t.Errorf("%s: got %d %s", mediaType, a.Status, a.Body)
		}
	}
	if a := h.Do(t, h.Request("POST", impltest.LoginPath, form)); a.Status != 415 {
		t.Errorf("without a media type: got %d %s", a.Status, a.Body)
	}
	gzip := h.Request(
		"POST",
		impltest.LoginPath,
		form,
		"Content-Type",
		"application/x-www-form-urlencoded",
		"Content-Encoding",
		"gzip",
	)
	if a := h.Do(t, gzip); a.Status != 415 {
		t.Errorf("compressed: got %d %s", a.Status, a.Body)
	}
	if a := h.Do(t, h.Request("POST", impltest.LoginPath, "")); a.Status != 401 {
		t.Errorf("without a body: got %d %s", a.Status, a.Body)
	}
}

// The next login renews a hash with other parameters, also if many logins come at the same moment.
func TestOutdatedHashesAreRenewed(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	for name, stored := range map[string]string{
		"bcrypt":           bcryptOf(t, impltest.Password),
		"other parameters": argon2Of(t, impltest.Password, password.Params{MemoryKiB: 128, Passes: 2, Lanes: 1}),
	} {
		user := "u" + uuid.NewString()[:8]
		h.MustRegister(t, user)
		setHash(t, h, user, stored)

		const logins = 8
		statuses := make(chan int, logins)
		for range logins {
			go func() {
				a, err := h.Try(t, h.LoginRequest("username", user+"@example.com", "password", impltest.Password))
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				statuses <- a.Status
			}()
		}
		for range logins {
			if got := <-statuses; got != 200 {
				t.Errorf("%s: got %d", name, got)
			}
		}
		if got := hashOf(t, h, user); got == stored || !strings.HasPrefix(got, "$argon2id$v=19$m=64,t=1,p=1$") {
			t.Errorf("%s: the stored hash is %s", name, got)
		}
		if a := h.Login(t, "username", user+"@example.com", "password", "wrong"); a.Status != 401 {
			t.Errorf("%s: a wrong password got %d", name, a.Status)
		}
	}
}

// L-6: an unreadable hash reveals to a client no more than an unknown email does. The log names it.
func TestL6_UnreadableHash(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	setHash(t, h, "ada", "$2b$15$"+strings.Repeat("a", 53))
	known := h.Login(t, "username", "ada@example.com", "password", impltest.Password)
	unknown := h.Login(t, "username", "eve@example.com", "password", impltest.Password)
	if known.Status != 401 || !bytes.Equal(known.Body, unknown.Body) {
		t.Errorf("got %d %s, want %s", known.Status, known.Body, unknown.Body)
	}
	if !strings.Contains(h.Log.String(), "level=ERROR") || !strings.Contains(h.Log.String(), "login=unreadable_hash") {
		t.Errorf("the log doesn't tell:\n%s", h.Log)
	}
}

func TestLoginIsRecorded(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	h.Clock.Advance(time.Hour)
	if a := h.Login(t, "username", "ada@example.com", "password", impltest.Password); a.Status != http.StatusOK {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	user, err := h.Auth.FindUser(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if user.LastLoginAt == nil || !user.LastLoginAt.Equal(h.Clock.Now()) {
		t.Errorf("got %v, want %v", user.LastLoginAt, h.Clock.Now())
	}
}
