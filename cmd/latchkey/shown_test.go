package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// This file provokes the errors that the contract shows.

const formType = "application/x-www-form-urlencoded"

// shownServer is a server with its database and tokens of its users.
type shownServer struct {
	url, database string
	// verifiedURL and closedURL are servers on the same database whose registration is so. The
	// first demands verified emails.
	verifiedURL, closedURL   string
	environ                  []string
	ada, inactive, gone, eve grant
	// stale is a user with a verified email whose session proved an hour ago who its user is.
	stale grant
	// limited is a user whose attempts are used up.
	limited grant
	// root is a superuser who asked for every scope, and staleRoot a session of it that proved two
	// hours ago who its user is.
	root, staleRoot grant
	rootID          string
	// requests are requests for codes, by the path that they were asked for at and the user.
	requests map[string]string
}

// grant is the pair of tokens that a registration or a refresh returned.
type grant struct{ access, refresh string }

// ask is a request whose response must equal an example.
type ask func(s *shownServer) (answer, error)

// startShown starts a server with the user ada, and two users whose tokens aren't valid any more.
func startShown(t *testing.T) *shownServer {
	t.Helper()
	s := &shownServer{database: postgrestest.NewEmpty(t)}
	s.environ = append(onDatabase(s.database), "LATCHKEY_SESSION_COOKIES=on", "LATCHKEY_PUBLIC_URL=http://127.0.0.1:8000",
		isImpatient+"=yes")
	_, s.url = serve(t, openFolder(t), s.environ)
	_, s.verifiedURL = serve(t, openFolder(t), append(slices.Clone(s.environ),
		prefix+"REGISTRATION=verified", prefix+"REQUIRE_VERIFIED_EMAIL=on"))
	_, s.closedURL = serve(t, openFolder(t), append(slices.Clone(s.environ), prefix+"REGISTRATION=closed"))
	for _, user := range []struct {
		grant *grant
		name  string
	}{{&s.inactive, "inactive"}, {&s.gone, "gone"}, {&s.eve, "eve"}, {&s.stale, "stale"}, {&s.limited, "limited"}} {
		a, err := register(s.url, user.name+"@example.com", user.name, impltest.Password)
		if err != nil || a.status != http.StatusCreated {
			t.Fatalf("%s: %v %v", user.name, a, err)
		}
		*user.grant = grantOf(a)
	}
	for _, args := range [][]string{{"user", "deactivate", "inactive"}, {"user", "delete", "--yes", "gone"}} {
		cmd := exec.Command("latchkey", args...)
		cmd.Env = s.environ
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v %s", args, err, out)
		}
	}
	prepareOperators(t, s)
	return s
}

func grantOf(a answer) grant {
	body := impltest.Answer{Body: []byte(a.body)}
	return grant{
		body.Text("access_token") + body.Text("token.access_token"),
		body.Text("refresh_token") + body.Text("token.refresh_token"),
	}
}

// execute runs SQL in a database of the same cluster. An empty name means the server's own
// database.
func (s *shownServer) execute(t *testing.T, database string, statements ...string) {
	t.Helper()
	config, err := pgx.ParseConfig(s.database)
	if err != nil {
		t.Fatal(err)
	}
	if database != "" {
		config.Database = database
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitReadiness waits until the server has loaded a change of its keys.
func (s *shownServer) awaitReadiness(t *testing.T, want int) {
	t.Helper()
	if err := eventually(fmt.Sprintf("readiness is %d", want), func() bool {
		a, err := asking("GET", "/readyz")(s)
		return err == nil && a.status == want
	}); err != nil {
		t.Fatal(err)
	}
}

// stages are the states of a server, each with the errors that it then returns. The key is the
// operation and the code.
var stages = []struct {
	name    string
	prepare func(t *testing.T, s *shownServer)
	asks    map[string]ask
}{
	{"in order", prepareAccounts, inOrder()},
	{"without a signing key", func(t *testing.T, s *shownServer) {
		s.execute(t, "", "UPDATE signing_keys SET verifies_until = created_at")
		s.awaitReadiness(t, http.StatusServiceUnavailable)
	}, map[string]ask{
		"GetReadiness keys_unavailable": asking("GET", "/readyz"),
		"GetKeys unavailable":           asking("GET", impltest.KeysPath),
		"GetMetadata unavailable":       asking("GET", impltest.MetadataPath),
	}},
	{"with its keys again", func(t *testing.T, s *shownServer) {
		s.execute(t, "", "UPDATE signing_keys SET verifies_until = NULL")
		s.awaitReadiness(t, http.StatusOK)
	}, nil},
	{"before a newer schema", func(t *testing.T, s *shownServer) {
		s.execute(t, "", "INSERT INTO latchkey_schema_version (version_id, is_applied) VALUES (1000000, true)")
	}, map[string]ask{"GetReadiness schema_too_new": asking("GET", "/readyz")}},
	{"without a schema", func(t *testing.T, s *shownServer) {
		s.execute(t, "", "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
	}, broken("internal_error", map[string]ask{"GetReadiness schema_outdated": asking("GET", "/readyz")})},
	{"without a database", func(t *testing.T, s *shownServer) {
		u, err := url.Parse(s.database)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(u.Path, "/")
		s.execute(t, "postgres", "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false",
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+name+"'")
	}, broken("unavailable", map[string]ask{"GetReadiness database_unavailable": asking("GET", "/readyz")})},
}

// excused are the errors that no request to a binary can provoke by itself, each with the reason.
// The tests of impl produce them and compare them with the examples; docs/contract.md names those
// tests.
var excused = map[string]string{
	"GetKeys internal_error":      "uses no database: only a fault in the program returns it",
	"GetMetadata internal_error":  "uses no database: only a fault in the program returns it",
	"GetLiveness internal_error":  "uses no database: only a fault in the program returns it",
	"GetReadiness internal_error": "returns 503 for every fault of the database: only a fault in the program returns it",
	"GetReadiness shutting_down":  "is returned only between a signal and the end of the listener",
	// The server overrides the defaults of a role or a database.
	"GetReadiness database_read_only":     "needs a database that becomes a standby",
	"CompleteRegistration email_taken":    "needs a mailed code",
	"CompleteRegistration username_taken": "needs a mailed code",
	"RegisterUser overloaded":             "needs more passwords at once than a machine of unknown speed hashes in a second",
	"Login overloaded":                    "needs more passwords at once than a machine of unknown speed hashes in a second",
}

// isExcused reports whether an error is in excused, or is returned only while a server starts. No
// request is certain to arrive that early. The tests of impl produce that error for each operation.
func isExcused(name string) bool {
	return excused[name] != "" || strings.HasSuffix(name, " starting") || isExcusedAccount(name)
}

// secured returns the operations that require a token, as method and path.
var secured = map[string][2]string{
	"GetCurrentUser": {"GET", impltest.MePath},
	"Logout":         {"POST", impltest.LogoutPath},
	"ListSessions":   {"GET", impltest.SessionsPath},
	"EndAllSessions": {"DELETE", impltest.SessionsPath},
	"EndSession":     {"DELETE", impltest.SessionsPath + "01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90/"},
}

func asking(method, path string) ask {
	return func(s *shownServer) (answer, error) { return do(method, s.url+path, "", "", "") }
}

func posting(path, mediaType, body string) ask {
	return func(s *shownServer) (answer, error) { return do("POST", s.url+path, mediaType, "", body) }
}

// asPageElsewhere sends a request as a browser does for a page of another origin.
func asPageElsewhere(method, path, mediaType string) ask {
	return func(s *shownServer) (answer, error) {
		req, err := http.NewRequest(method, s.url+path, strings.NewReader("{}"))
		if err != nil {
			return answer{}, err
		}
		req.Header.Set("Origin", "https://elsewhere.example")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		req.Header.Set("Content-Type", mediaType)
		return send(req)
	}
}

func loggingIn(form string) ask { return posting(impltest.LoginPath, formType, form) }

// inOrder are the errors of a server that works.
func inOrder() map[string]ask {
	large := strings.Repeat(" ", 65537)
	const taken = `{"email": "Ada@example.com", "username": "other", "password": "correct horse battery staple"}`
	asks := map[string]ask{
		"RegisterUser email_taken": posting(impltest.RegisterPath, "application/json", taken),
		"RegisterUser username_taken": posting(impltest.RegisterPath, "application/json",
			`{"email": "other@example.com", "username": "Ada", "password": "correct horse battery staple"}`),
		"RegisterUser invalid_request": posting(impltest.RegisterPath, "application/json",
			`{"email": "a@b", "password": "short", "is_superuser": true}`),
		"RegisterUser body_too_large":         posting(impltest.RegisterPath, "application/json", large),
		"RegisterUser unsupported_media_type": posting(impltest.RegisterPath, "text/plain", "ada"),
		"RegisterUser request_timeout":        stalling("POST", impltest.RegisterPath, "application/json", nobody),
		"RegisterUser rate_limited": repeated(posting(impltest.RegisterPath, "application/json",
			`{"email": "eve@example.com", "username": "other", "password": "correct horse battery staple"}`)),
		"Login invalid_credentials":          loggingIn("username=ada%40example.com&password=not+this+one"),
		"Login invalid_refresh_token":        loggingIn("grant_type=refresh_token&refresh_token=nothing"),
		"Login refresh_token_reused":         reusing,
		"Login origin_not_allowed":           refreshingByCookie,
		"Login unsupported_grant_type":       loggingIn("grant_type=client_credentials"),
		"Login invalid_scope":                loggingIn("username=ada%40example.com&password=x&scope=openid"),
		"Login invalid_request":              loggingIn("username=ada%40example.com&username=b&password=c"),
		"Login body_too_large":               loggingIn(large),
		"Login unsupported_media_type":       posting(impltest.LoginPath, "application/json", "{}"),
		"Login request_timeout":              stalling("POST", impltest.LoginPath, formType, nobody),
		"Login rate_limited":                 repeated(loggingIn("username=nobody%40example.com&password=x")),
		"RegisterUser cross_origin":          asPageElsewhere("POST", impltest.RegisterPath, "application/json"),
		"Login cross_origin":                 asPageElsewhere("POST", impltest.LoginPath, formType),
		"RevokeToken cross_origin":           asPageElsewhere("POST", impltest.RevokePath, formType),
		"RevokeToken invalid_request":        posting(impltest.RevokePath, formType, "token=a&username=b&username=c"),
		"RevokeToken body_too_large":         posting(impltest.RevokePath, formType, large),
		"RevokeToken unsupported_media_type": posting(impltest.RevokePath, "application/json", "{}"),
		"RevokeToken request_timeout":        stalling("POST", impltest.RevokePath, formType, nobody),
		"EndSession session_not_found": func(s *shownServer) (answer, error) {
			return do("DELETE", s.url+secured["EndSession"][1], "", s.ada.access, "")
		},
	}
	for name, op := range secured {
		send := func(token func(*shownServer) string, query string) ask {
			return func(s *shownServer) (answer, error) { return do(op[0], s.url+op[1]+query, "", token(s), "") }
		}
		if op[0] != "GET" {
			asks[name+" cross_origin"] = asPageElsewhere(op[0], op[1], formType)
		}
		asks[name+" not_authenticated"] = send(func(*shownServer) string { return "" }, "")
		asks[name+" invalid_token"] = send(func(*shownServer) string { return "e30.e30.e30" }, "")
		asks[name+" user_inactive"] = send(func(s *shownServer) string { return s.inactive.access }, "")
		asks[name+" user_not_found"] = send(func(s *shownServer) string { return s.gone.access }, "")
		asks[name+" ambiguous_credentials"] = send(func(s *shownServer) string { return s.ada.access }, "?access_token=a")
	}
	addAccountsInOrder(asks)
	addOperatorsInOrder(asks)
	return asks
}

// broken are the errors of a server whose database fails. Every operation that uses the database
// returns the same code.
func broken(code string, more map[string]ask) map[string]ask {
	more["RegisterUser "+code] = posting(impltest.RegisterPath, "application/json",
		`{"email": "hedy@example.com", "username": "hedy", "password": "correct horse battery staple"}`)
	more["Login "+code] = loggingIn("username=ada%40example.com&password=correct+horse+battery+staple")
	more["RevokeToken "+code] = func(s *shownServer) (answer, error) {
		return do("POST", s.url+impltest.RevokePath, formType, "", url.Values{"token": {s.ada.refresh}}.Encode())
	}
	for name, op := range secured {
		more[name+" "+code] = func(s *shownServer) (answer, error) { return do(op[0], s.url+op[1], "", s.ada.access, "") }
	}
	for name, op := range accountOperations {
		more[name+" "+code] = op.by(ada)
	}
	for name, op := range operatorOperations {
		more[name+" "+code] = op.by(superuser)
	}
	return more
}

// repeated repeats a request until a limit is reached. Every limit of one account is below 20.
func repeated(once ask) ask {
	return func(s *shownServer) (a answer, err error) {
		for range 20 {
			if a, err = once(s); err != nil || a.status == http.StatusTooManyRequests {
				return a, err
			}
		}
		return a, fmt.Errorf("20 attempts, and no limit")
	}
}

// refreshingByCookie sends the cookie of a session, but not from a page.
func refreshingByCookie(s *shownServer) (answer, error) {
	req, err := http.NewRequest("POST", s.url+impltest.LoginPath, strings.NewReader("grant_type=refresh_token"))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", formType)
	req.Header.Set("Cookie", "latchkey-refresh="+s.eve.refresh)
	return send(req)
}

// reusing presents a refresh token that is older than the last one, which is never accepted again.
func reusing(s *shownServer) (answer, error) {
	refresh := func(token string) (answer, error) {
		return loggingIn(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}.Encode())(s)
	}
	first := s.eve.refresh
	for token, i := first, 0; i < 2; i++ {
		a, err := refresh(token)
		if err != nil || a.status != http.StatusOK {
			return a, err
		}
		token = grantOf(a).refresh
	}
	return refresh(first)
}

// stalling sends less of a body than its header announces, and waits for the server's response.
func stalling(method, path, mediaType string, who by) ask {
	return func(s *shownServer) (answer, error) {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(s.url, "http://"), patience)
		if err != nil {
			return answer{}, err
		}
		defer func() { _ = conn.Close() }()
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return answer{}, err
		}
		head := method + " " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: " + mediaType + "\r\nContent-Length: 10\r\n"
		if token := who(s); token != "" {
			head += "Authorization: Bearer " + token + "\r\n"
		}
		head += "\r\nabc"
		if _, err := io.WriteString(conn, head); err != nil {
			return answer{}, err
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return answer{}, err
		}
		got, err := impltest.ReadAnswer(method, path, res)
		return answer{got.Status, string(got.Body)}, err
	}
}
