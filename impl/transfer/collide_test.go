package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/transfer"
)

// A user who collides with one of the database, or of an earlier line, is reported and changes
// nothing.
func TestCollisions(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Patient: true})
	h.MustRegister(t, "ada")
	if got := load(t, h, "", []byte(`{"id":"01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90","email":"grace@example.com","external_id":"1"}`), false); got != "imported 1, none 1\n" {
		t.Fatal(got)
	}
	before := export(t, h, transfer.JSONLines, true)
	file := strings.Join([]string{
		`{"email":"ada@example.com"}`, // it is this user
		`{"email":"grace2@example.com","external_id":"1"}`,
		`{"email":"grace3@example.com","id":"01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90"}`,
		`{"email":"ADA@example.com","external_id":"7"}`,
		`{"email":"ada@EXAMPLE。com","external_id":"2"}`,
		`{"email":"grace@example.com","external_id":"3"}`,
		`{"email":"hedy@example.com","username":"ADA"}`,
		`{"email":"a@example.com","external_id":"4","username":"aaa"}`,
		`{"email":"A@example.com","external_id":"5"}`,
		`{"email":"b@example.com","external_id":"4"}`,
		`{"email":"c@example.com","username":"AAA"}`,
		`{"email":"d@example.com","created_at":"2999-01-01T00:00:00Z"}`,
		`{"email":"e@example.com","user_metadata":{"a":"\u0000"}}`,
		`{"email":"f@example.com","app_metadata":{"a":9007199254740993}}`,
		`{"email":"g@example.com","user_metadata":{"a":"` + strings.Repeat("x", 9000) + `"}}`,
		`{"email":"h@example.com","password_hash":"$argon2id$v=19$m=4194304,t=9,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"}`,
		`{"email":"i@example.com","password_hash":"secret"}`,
	}, "\n")
	want := `imported 3, existing 3, not imported 11, none 3
line 4: /email email_taken
line 5: /email email_taken
line 6: /email email_taken
line 7: /username username_taken
line 9: /email email_taken
line 10: /external_id external_id_taken
line 11: /username username_taken
line 12: /created_at invalid_format
line 13: /user_metadata invalid_character
line 14: /app_metadata invalid_format
line 15: /user_metadata too_long
line 16: /password_hash unusable_hash
line 17: /password_hash unusable_hash
`
	for _, dry := range []bool{true, false} {
		if diff := cmp.Diff(want, load(t, h, "", []byte(file), dry)); diff != "" {
			t.Errorf("dry %v (-want +got):\n%s", dry, diff)
		}
	}
	after := export(t, h, transfer.JSONLines, true)
	for line := range strings.Lines(before) {
		if !strings.Contains(after, line) {
			t.Errorf("the import has changed %s", line)
		}
	}
	if strings.Contains(after, "4194304") || strings.Contains(after, "secret") {
		t.Errorf("a hash that can't be used was kept: %s", after)
	}
}

// A dry run reports the same as the import, also for users who collide with one of an earlier
// batch.
func TestDryRunOverBatches(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Patient: true})
	var file strings.Builder
	file.WriteString("id,username,email,password\n")
	for n := range 1001 {
		fmt.Fprintf(&file, "%d,user%d,user%d@example.com,\n", n, n, n)
	}
	file.WriteString("2000,USER0,other@example.com,\n")
	want := "imported 1002, renamed 1, none 1002\n"
	for _, dry := range []bool{true, false} {
		if diff := cmp.Diff(want, load(t, h, "django", []byte(file.String()), dry)); diff != "" {
			t.Errorf("dry %v (-want +got):\n%s", dry, diff)
		}
	}
}

// A user of another system whose username is taken gets another one. It is the same each time.
func TestRenamed(t *testing.T) {
	t.Parallel()
	file := []byte("id,username,email,password,is_active\n1,Ada,ada@example.org,,t\n2,ada,ada2@example.org,,t\n3,a.d.a,ada3@example.org,,t\n")
	var names [2][]string
	for n := range names {
		h := impltest.New(t)
		h.MustRegister(t, "ada")
		if got := load(t, h, "django", file, false); got != "imported 3, renamed 3, none 3\n" {
			t.Error(got)
		}
		for line := range strings.Lines(export(t, h, transfer.JSONLines, false)) {
			_, name, _ := strings.Cut(line, `"username":"`)
			name, _, _ = strings.Cut(name, `"`)
			names[n] = append(names[n], name)
		}
	}
	for _, list := range names {
		for _, name := range []string{"ada", "ada-", "ada2-", "ada3-"} {
			found := false
			for _, got := range list {
				found = found || strings.HasPrefix(got, name)
			}
			if !found {
				t.Errorf("nobody of %q is called %s…", list, name)
			}
		}
	}
}

// An email that a user has left, and can still get back, goes to nobody else.
func TestHeldEmail(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Patient: true})
	h.MustRegister(t, "ada")
	_, err := h.Pool.Exec(t.Context(), `INSERT INTO challenges (id, purpose, user_id, email_key, email, new_email, network, expires_at, created_at)
		SELECT gen_random_uuid(), 'undo_email_change', id, 'left@example.com', 'left@example.com', 'ada@example.com', '', $1, $2 FROM users`,
		h.Clock.Now().Add(time.Hour), h.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	file := []byte(`{"email":"left@example.com"}` + "\n" + `{"email":"other@example.com"}`)
	want := "imported 1, not imported 1, none 1\nline 1: /email email_taken\n"
	if got := load(t, h, "", file, false); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Registrations during an import cost it only the users who have registered.
func TestImportBesideRegistrations(t *testing.T) {
	t.Parallel()
	const users, clients = 400, 4
	h := impltest.New(t, impltest.Options{Patient: true})
	var file strings.Builder
	for n := range users {
		fmt.Fprintf(&file, "{\"email\":\"user%d@example.com\",\"external_id\":\"%d\"}\n", n, n)
	}
	var (
		wg         sync.WaitGroup
		mu         sync.Mutex
		registered int
	)
	for c := range clients {
		wg.Go(func() {
			for n := c; n < users; n += 4 * clients {
				body := fmt.Sprintf(`{"email":"user%d@example.com","username":"name%d","password":"%s"}`, n, n, impltest.Password)
				a, err := h.Try(t, h.Request("POST", impltest.RegisterPath, body, "Content-Type", "application/json"))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				if a.Status == 201 {
					registered++
				}
				mu.Unlock()
			}
		})
	}
	got := load(t, h, "", []byte(file.String()), false)
	wg.Wait()
	if n := strings.Count(export(t, h, transfer.JSONLines, false), "\n"); n != users {
		t.Errorf("%d users, want %d", n, users)
	}
	if n := strings.Count(got, "email_taken"); n > registered {
		t.Errorf("%d users registered, and %s", registered, got)
	}
}

// A registration that is about to be committed blocks an import. After that it is a user that the
// import leaves alone. However many there are, the import ends.
func TestImportWaitsForRegistrations(t *testing.T) {
	t.Parallel()
	const users, others = 1000, 5
	h := impltest.New(t, impltest.Options{Patient: true})
	config := h.Pool.Config()
	config.MaxConns = others + 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	var held []pgx.Tx
	for n := range others {
		tx, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.Exec(t.Context(), `INSERT INTO users (id, email, email_key, username, username_key, created_at, updated_at)
			VALUES (gen_random_uuid(), $1, $1, $2, $2, now(), now())`, fmt.Sprintf("user%d@example.com", n*users/others), fmt.Sprintf("name%d", n))
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, tx)
	}
	var file strings.Builder
	for n := range users {
		fmt.Fprintf(&file, "{\"email\":\"user%d@example.com\",\"external_id\":\"%d\"}\n", n, n)
	}
	var wg sync.WaitGroup
	ended := make(chan struct{})
	wg.Go(func() {
		for _, tx := range held {
			if err := errors.Join(awaitLock(t.Context(), pool, ended), tx.Commit(t.Context())); err != nil {
				t.Error(err)
			}
		}
	})
	defer wg.Wait()
	defer close(ended)
	got := load(t, h, "", []byte(file.String()), false)
	if want := "imported 995, not imported 5, none 995\n"; !strings.HasPrefix(got, want) || strings.Count(got, "/email email_taken") != others {
		t.Errorf("got %s, want %s", got, want)
	}
}

// awaitLock returns when a connection waits for another one. It fails if the import ends before.
func awaitLock(ctx context.Context, pool *pgxpool.Pool, ended <-chan struct{}) error {
	for waiting := 0; waiting == 0; {
		select {
		case <-ended:
			return errors.New("the import has ended without a wait")
		default:
		}
		err := pool.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil {
			return err
		}
	}
	return nil
}
