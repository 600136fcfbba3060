package mail

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// patience bounds every wait. It is far more than a busy machine needs.
const patience = 90 * time.Second

// eventually polls f until it returns true.
func eventually(tb testing.TB, what string, f func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(patience); !f(); {
		if time.Now().After(deadline) {
			tb.Fatalf("this did not happen in time: %s", what)
		}
		<-time.After(10 * time.Millisecond) // a poll
	}
}

func connect(tb testing.TB, url string) *pgxpool.Pool {
	tb.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		tb.Fatal(err)
	}
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap())
		return nil
	}
	pool, err := pgxpool.NewWithConfig(tb.Context(), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	return pool
}

// ofContract gives every letter the contract's example.
func ofContract(_ context.Context, l Letter) (any, bool, error) {
	data, err := Example(l.Kind)
	return data, true, err
}

// options are those of a queue that sends to a server.
func options(tb testing.TB, to Sender) Options {
	tb.Helper()
	return Options{
		Pool: connect(tb, postgrestest.New(tb)), Templates: templates(tb), Sender: to, From: from, Data: ofContract,
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

// start starts a queue, which is stopped at the end of the test.
func start(tb testing.TB, o Options) *Queue {
	tb.Helper()
	q, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	if err := q.Start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := q.Stop(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return q
}

func sender(tb testing.TB, url string) *SMTP {
	tb.Helper()
	s, err := NewSMTP(secret.New(url))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// enqueue adds letters in one transaction.
func enqueue(tb testing.TB, q *Queue, letters ...Letter) {
	tb.Helper()
	err := pgx.BeginFunc(tb.Context(), q.Pool, func(tx pgx.Tx) error {
		for _, l := range letters {
			if err := q.Enqueue(tb.Context(), tx, l); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// another returns a letter with an ID of its own.
func another(kind Kind) Letter {
	return Letter{Kind: kind, ID: uuid.Must(uuid.NewV7()), To: "ada@example.com", At: sentAt}
}

// states returns the states of all jobs, with the number of their attempts and of their errors.
func states(tb testing.TB, q *Queue) string {
	tb.Helper()
	rows, err := q.Pool.Query(tb.Context(), "SELECT concat_ws(' ', state, attempt, cardinality(errors)) FROM river_job ORDER BY id")
	if err != nil {
		tb.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		tb.Fatal(err)
	}
	return strings.Join(all, ", ")
}

func eventuallyStates(tb testing.TB, q *Queue, want string) {
	tb.Helper()
	eventually(tb, want, func() bool { return states(tb, q) == want })
}

// A mail is sent once its transaction is committed, and never if it is rolled back. Every kind
// arrives, in both modes.
func TestQueue(t *testing.T) {
	t.Parallel()
	for _, isPolling := range []bool{false, true} {
		s := newServer(t, nil)
		o := options(t, sender(t, "smtp://"+s.addr))
		o.PollOnly = isPolling
		q := start(t, o)
		undone := errors.New("undone")
		err := pgx.BeginFunc(t.Context(), q.Pool, func(tx pgx.Tx) error {
			return errors.Join(q.Enqueue(t.Context(), tx, another(LoginCode)), undone)
		})
		if !errors.Is(err, undone) {
			t.Fatal(err)
		}
		want := map[string]bool{}
		for _, kind := range Kinds() {
			l := another(kind)
			enqueue(t, q, l)
			want["<"+string(kind)+"."+l.ID.String()+"@example.com>"] = true
		}
		eventually(t, "every mail arrives", func() bool { return len(s.mails()) == len(want) })
		for _, m := range s.mails() {
			if id := m.header.Get("Message-Id"); !want[id] || m.from != from.Address || m.to != "ada@example.com" {
				t.Errorf("got %s from %s to %s", id, m.from, m.to)
			}
		}
		eventually(t, "every job is completed", func() bool { return strings.Count(states(t, q), "completed 1") == len(want) })
		if err := pgx.BeginFunc(t.Context(), q.Pool, func(tx pgx.Tx) error {
			return q.Enqueue(t.Context(), tx, another("none"))
		}); !errors.Is(err, ErrUnknownKind) {
			t.Errorf("an unknown kind: %v", err)
		}
	}
}

// The database has only the letter of a mail, and nothing else of it.
func TestQueueHoldsNoCode(t *testing.T) {
	t.Parallel()
	var isDown atomic.Bool
	isDown.Store(true)
	s := newServer(t, func(command, _ string) error {
		if command == "DATA" && isDown.Load() {
			return &smtp.SMTPError{Code: 451, Message: "later"}
		}
		return nil
	})
	q := start(t, options(t, sender(t, "smtp://"+s.addr)))
	enqueue(t, q, another(LoginCode))
	eventually(t, "an attempt fails", func() bool { return strings.Contains(states(t, q), " 1 1") })
	isDown.Store(false)
	eventuallyStates(t, q, "completed 2 1")
	var dump string
	row := q.Pool.QueryRow(t.Context(), "SELECT string_agg(j::text, ' ') || (SELECT coalesce(string_agg(n::text, ' '), '') FROM river_notification n) FROM river_job j")
	if err := row.Scan(&dump); err != nil || !strings.Contains(dump, "ada@example.com") {
		t.Fatalf("%v: %s", err, dump)
	}
	for _, canary := range []string{"90210347", "lkl_AZgfbj9KfMCPHl19TBsuk"} {
		if strings.Contains(dump, canary) {
			t.Errorf("the database holds %s: %s", canary, dump)
		}
	}
}

// A recipient that doesn't exist gets one attempt. Any other refusal is tried again.
func TestServerRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		command string
		code    int
		want    string
	}{
		"the recipient for good": {"RCPT", 550, "cancelled 1 1"},
		"the recipient for now":  {"RCPT", 450, "completed 2 1"},
		"the sender":             {"MAIL", 550, "completed 2 1"},
		"the mail for good":      {"DONE", 554, "completed 2 1"},
		"the mail for now":       {"DATA", 451, "completed 2 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var once sync.Once
			s := newServer(t, func(command, _ string) (err error) {
				if command == test.command {
					once.Do(func() { err = &smtp.SMTPError{Code: test.code, Message: "no"} })
				}
				return err
			})
			q := start(t, options(t, sender(t, "smtp://"+s.addr)))
			enqueue(t, q, another(LoginCode))
			eventuallyStates(t, q, test.want)
			if got, want := len(s.mails()), strings.Count(test.want, "completed"); got != want {
				t.Errorf("%d mails arrived, want %d", got, want)
			}
		})
	}
}

// A mail to an invalid address is given up at once.
func TestBadRecipient(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	q := start(t, options(t, sender(t, "smtp://"+s.addr)))
	l := another(LoginCode)
	l.To = "ada@example.com\r\nBcc: eve@example.com"
	enqueue(t, q, l)
	eventuallyStates(t, q, "cancelled 1 1")
}

// A server that drops the connection, or that takes too long, gets the mail with the next attempt,
// and only once.
func TestServerDropsAndDelays(t *testing.T) {
	t.Parallel()
	for _, isDrop := range []bool{true, false} {
		var attempts atomic.Int32
		released := make(chan struct{})
		s := newServer(t, nil)
		s.change = func(command, _ string) error {
			if command != "DATA" || attempts.Add(1) > 1 {
				return nil
			}
			if !isDrop {
				<-released
				return &smtp.SMTPError{Code: 451, Message: "too late"}
			}
			s.dropAll()
			return nil
		}
		var to Sender = sender(t, "smtp://"+s.addr)
		if !isDrop {
			impatient, err := newSMTP(secret.New("smtp://"+s.addr), time.Second)
			if err != nil {
				t.Fatal(err)
			}
			to = &inTurn{first: impatient, then: to}
		}
		q := start(t, options(t, to))
		enqueue(t, q, another(LoginCode))
		eventually(t, "the first attempt fails", func() bool { return strings.Contains(states(t, q), " 1 1") || len(s.mails()) > 0 })
		close(released)
		eventuallyStates(t, q, "completed 2 1")
		if n := len(s.mails()); n != 1 {
			t.Errorf("%d mails arrived, want 1", n)
		}
	}
}

// inTurn sends the first mail by one sender and all others by another.
type inTurn struct {
	first, then Sender
	sent        atomic.Int32
}

func (i *inTurn) Send(ctx context.Context, m *Message) error {
	if i.sent.Add(1) == 1 {
		return i.first.Send(ctx, m)
	}
	return i.then.Send(ctx, m)
}

// A server that drops the connection after it has accepted a mail doesn't get the mail again.
func TestServerDropsAfterTheMail(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	s.afterMail = func() { s.dropAll() }
	q := start(t, options(t, sender(t, "smtp://"+s.addr)))
	enqueue(t, q, another(LoginCode))
	eventuallyStates(t, q, "completed 1")
	if n := len(s.mails()); n != 1 {
		t.Errorf("%d mails arrived, want 1", n)
	}
}
