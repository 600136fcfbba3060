package impl_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// requests returns one good request for each operation.
func requests(token string) map[string][]string {
	all := map[string][]string{
		"RegisterUser": {
			"POST",
			impltest.RegisterPath,
			`{"email":"eve@example.com","username":"eve","password":"correct horse battery staple"}`,
			"Content-Type",
			"application/json",
		},
		"Login": {
			"POST",
			impltest.LoginPath,
			"username=ada%40example.com&password=correct+horse+battery+staple",
			"Content-Type",
			"application/x-www-form-urlencoded",
		},
		"GetCurrentUser": {"GET", impltest.MePath, "", "Authorization", "Bearer " + token},
		"UpdateCurrentUser": {
			"PATCH", impltest.MePath, `{"display_name":"Ada"}`,
			"Content-Type", "application/merge-patch+json", "Authorization", "Bearer " + token,
		},
		"DeleteCurrentUser": {"DELETE", impltest.MePath, "", "Authorization", "Bearer " + token},
		"ChangePassword": {
			"PUT", impltest.PasswordPath,
			`{"current_password":"correct horse battery staple","new_password":"violet anchor prints slowly"}`,
			"Content-Type", "application/json", "Authorization", "Bearer " + token,
		},
		"Reauthenticate": {
			"POST", impltest.ReauthenticationPath, `{"factor":"password","password":"correct horse battery staple"}`,
			"Content-Type", "application/json", "Authorization", "Bearer " + token,
		},
		"ListOwnEvents":  {"GET", impltest.EventsPath, "", "Authorization", "Bearer " + token},
		"ListSessions":   {"GET", impltest.SessionsPath, "", "Authorization", "Bearer " + token},
		"EndAllSessions": {"DELETE", impltest.SessionsPath, "", "Authorization", "Bearer " + token},
		"EndSession": {
			"DELETE",
			impltest.SessionsPath + "01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90/",
			"",
			"Authorization",
			"Bearer " + token,
		},
		"Logout": {"POST", impltest.LogoutPath, "", "Authorization", "Bearer " + token},
		"RevokeToken": {
			"POST",
			impltest.RevokePath,
			"token=" + token,
			"Content-Type",
			"application/x-www-form-urlencoded",
		},
		"CompleteRegistration": {
			"POST", impltest.CompletePath,
			`{"request":"` + goodRequest(challenge.CompleteRegistration) + `","code":"12345678"}`,
			"Content-Type", "application/json",
		},
		"RequestLoginCode": {
			"POST", impltest.RequestLoginCodePath, `{"email":"ada@example.com"}`, "Content-Type", "application/json",
		},
		"ContinueLogin": {
			"POST", impltest.ContinueLoginPath,
			`{"request":"` + goodRequest(challenge.LoginCode) + `","factor":"email_code","code":"12345678"}`,
			"Content-Type", "application/json",
		},
		"RequestPasswordReset": {
			"POST", impltest.RequestResetPath, `{"email":"ada@example.com"}`, "Content-Type", "application/json",
		},
		"ConfirmPasswordReset": {
			"POST", impltest.ConfirmResetPath,
			`{"request":"` + goodRequest(challenge.ResetPassword) + `","code":"12345678","new_password":"correct horse battery staple"}`,
			"Content-Type", "application/json",
		},
		"RequestEmailVerification": {"POST", impltest.RequestVerificationPath, "", "Authorization", "Bearer " + token},
		"ConfirmEmailVerification": {
			"POST", impltest.ConfirmVerificationPath, `{"code":"12345678"}`,
			"Content-Type", "application/json", "Authorization", "Bearer " + token,
		},
		"RequestEmailChange": {
			"POST", impltest.RequestEmailChangePath, `{"email":"ada@example.org"}`,
			"Content-Type", "application/json", "Authorization", "Bearer " + token,
		},
		"ConfirmEmailChange": {
			"POST", impltest.ConfirmEmailChangePath, `{"code":"12345678"}`,
			"Content-Type", "application/json", "Authorization", "Bearer " + token,
		},
		"GetKeys":      {"GET", impltest.KeysPath, ""},
		"GetMetadata":  {"GET", impltest.MetadataPath, ""},
		"GetLiveness":  {"GET", "/healthz", ""},
		"GetReadiness": {"GET", "/readyz", ""},
	}
	maps.Copy(all, operatorRequests(token))
	return all
}

// goodRequest returns a request for a code that the server could have made. Its challenge doesn't
// exist.
func goodRequest(p challenge.Purpose) string {
	codes, err := challenge.NewCodes(secret.New(impltest.SecretKey), secret.Text{})
	if err != nil {
		panic(err)
	}
	return codes.Request(p, uuid.MustParse("01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90")).Reveal()
}

// F-24, H-7: a panic is a 500 that has nothing but its id, and the next request is served.
func TestH7_Panics(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.Server.AddFault()
	for name := range requests("") {
		// Each operation has its own user, because it may change or end what the user has.
		r := requests(h.MustOperator(t, strings.ToLower(name), "superuser", impltest.AllScopes))[name]
		req := h.Request(r[0], r[1], r[2], r[3:]...)
		req.Header.Set(impl.FaultHeader, "CANARY-fault")
		a := h.Do(t, req)
		if a.Status != 500 || strings.Contains(string(a.Body), "CANARY") ||
			a.Text("request_id") != a.Header.Get("X-Request-Id") {
			t.Errorf("%s: got %d %s", name, a.Status, a.Body)
		}
		if a := h.Do(t, h.Request(r[0], r[1], r[2], r[3:]...)); a.Status >= 500 {
			t.Errorf("%s, next: got %d %s", name, a.Status, a.Body)
		}
	}
	if log := h.Log.String(); !strings.Contains(log, "CANARY-fault") || !strings.Contains(log, "stack=") {
		t.Error("the log doesn't tell of the panic")
	}
}

// H-7: without its database the service responds with 503, and keeps running. A 401 would make
// clients log out.
func TestH7_DatabaseGone(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	h.Pool.Close()
	for name, r := range requests(token) {
		a := h.Do(t, h.Request(r[0], r[1], r[2], r[3:]...))
		want := 503
		if name == "GetLiveness" || name == "GetKeys" || name == "GetMetadata" {
			want = 200 // the keys are at hand
		}
		if a.Status != want {
			t.Errorf("%s: got %d %s", name, a.Status, a.Body)
		}
		if want == 503 && a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", name)
		}
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		err  error
		code string
	}{
		"unreachable": {errors.New("connect: refused"), "database_unavailable"},
		"deadline":    {context.DeadlineExceeded, "database_unavailable"},
		"outdated":    {impl.ErrSchemaOutdated, "schema_outdated"},
		"too new":     {impl.ErrSchemaTooNew, "schema_too_new"},
		"no key":      {impl.ErrKeysUnavailable, "keys_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := impltest.New(t, impltest.Options{Ready: func(context.Context) error { return row.err }})
			a := h.Do(t, h.Request("GET", "/readyz", ""))
			if a.Status != 503 || a.Text("code") != row.code {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
		})
	}
	t.Run("draining", func(t *testing.T) {
		t.Parallel()
		h := impltest.New(t)
		if a := h.Do(t, h.Request("GET", "/readyz", "")); a.Status != 200 {
			t.Errorf("before: got %d %s", a.Status, a.Body)
		}
		h.Server.Drain()
		if a := h.Do(t, h.Request("GET", "/readyz", "")); a.Status != 503 || a.Text("code") != "shutting_down" {
			t.Errorf("after: got %d %s", a.Status, a.Body)
		}
	})
}

// H-7: a database that refuses the connection, because the role's rights or password were changed,
// is not the fault of the request.
func TestH7_ConnectionRefusedByTheDatabase(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	config := h.Pool.Config().ConnConfig.Copy()
	name := config.Database
	config.Database = "postgres"
	other, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close(context.Background()) }()
	if _, err := other.Exec(t.Context(), "ALTER DATABASE "+`"`+name+`"`+" ALLOW_CONNECTIONS false"); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(
		t.Context(),
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1",
		name,
	); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"RegisterUser", "Login", "GetCurrentUser", "GetReadiness"} {
		r := requests(token)[name]
		for range 3 { // the first may find a connection that was ended, the last find none
			if a := h.Do(t, h.Request(r[0], r[1], r[2], r[3:]...)); a.Status != 503 {
				t.Errorf("%s: got %d %s", name, a.Status, a.Body)
			}
		}
	}
}

// F-6: while another transaction holds the table, no statement returns. Each request ends with a
// 503 meanwhile. When the table is free again, everything works as before.
func TestF6_LockedTable(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	tx, err := h.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), "LOCK TABLE users"); err != nil {
		t.Fatal(err)
	}
	const clients = 50
	statuses := make(chan int, 2*clients)
	for range clients {
		for _, r := range []*http.Request{
			h.Request("GET", impltest.MePath, "", "Authorization", "Bearer "+token),
			h.LoginRequest("username", "ada@example.com", "password", impltest.Password),
		} {
			go func() {
				a, err := h.Try(t, r)
				if err != nil {
					t.Error(err)
				}
				statuses <- a.Status
			}()
		}
	}
	for range 2 * clients {
		if got := <-statuses; got != 503 {
			t.Errorf("got %d", got)
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := h.Me(t, token); a.Status != 200 {
		t.Errorf("afterwards: got %d %s", a.Status, a.Body)
	}
	if a := h.Login(t, "username", "ada@example.com", "password", impltest.Password); a.Status != 200 {
		t.Errorf("login, afterwards: got %d %s", a.Status, a.Body)
	}
	// Connections whose statement was given up are closed in the background.
	for deadline := time.Now().Add(30 * time.Second); h.Pool.Stat().AcquiredConns() != 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are still held", h.Pool.Stat().AcquiredConns())
		}
	}
}

// A statement that fails within the database is the server's fault, and the response shows nothing
// of it.
func TestH1_BrokenStatement(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	if _, err := h.Pool.Exec(t.Context(), "ALTER TABLE users RENAME TO hidden"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"RegisterUser", "Login", "GetCurrentUser"} {
		r := requests(token)[name]
		if a := h.Do(t, h.Request(r[0], r[1], r[2], r[3:]...)); a.Status != 500 || strings.Contains(string(a.Body), "users") {
			t.Errorf("%s: got %d %s", name, a.Status, a.Body)
		}
	}
}
