package mail

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

const (
	victimDatabase, victimServer = "LATCHKEY_TEST_VICTIM_DATABASE", "LATCHKEY_TEST_VICTIM_SERVER"
	// committed is the line of a victim whose mails are enqueued.
	committed = "committed"
	// mailsPerVictim are enqueued by each victim in one transaction.
	mailsPerVictim = 2
)

var errDead = errors.New("the client is dead")

// victim enqueues mails, and sends until it is killed.
func victim(database, server string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	ctx := context.Background()
	config, err := pgxpool.ParseConfig(database)
	fail(err)
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap())
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	fail(err)
	// A victim lives for a moment, and loading all templates would be half of its work.
	sources, err := readSources("")
	fail(err)
	text, err := parse(sources["en"]["login_code.txt"], sources["en"]["login_code.html"])
	fail(err)
	texts := &Templates{map[string]map[Kind]template{"en": {LoginCode: text}}}
	to, err := NewSMTP(secret.New("smtp://" + server))
	fail(err)
	q, err := New(Options{
		Pool: pool, Templates: texts, Sender: to, From: from, Data: ofContract, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	fail(err)
	fail(pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var errs []error
		for range mailsPerVictim {
			errs = append(errs, q.Enqueue(ctx, tx, another(LoginCode)))
		}
		return errors.Join(errs...)
	}))
	fmt.Println(committed)
	fail(q.Start(ctx))
	_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed, or its parent is
	os.Exit(1)
}

// A server that is killed between the commit and the sending, 50 times, loses no mail. At least 99
// of 100 arrive once; those that arrive twice have the same Message-ID.
func TestKilled(t *testing.T) {
	t.Parallel()
	const rounds = 50
	var at atomic.Pointer[func(command string) error]
	s := newServer(t, func(command, _ string) error {
		if f := at.Load(); f != nil {
			return (*f)(command)
		}
		return nil
	})
	database := postgrestest.New(t)
	for round := range rounds {
		// The victim is killed at its commit, or when the server has the first or the second
		// command of a mail.
		when := []string{committed, "MAIL", "DATA"}[round%3]
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), victimDatabase+"="+database, victimServer+"="+s.addr)
		cmd.Stderr = os.Stderr
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		// The server accepts nothing from a dead client, because this test is about what happens
		// before a mail is sent.
		var isDead atomic.Bool
		kill := func(command string) error {
			if command == when {
				isDead.Store(true)
				_ = cmd.Process.Kill() // once more does no harm
			}
			if isDead.Load() {
				return errDead
			}
			return nil
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		at.Store(&kill)
		lines := bufio.NewScanner(stdout)
		if lines.Scan(); lines.Text() != committed {
			t.Fatalf("the victim says %q", lines.Text())
		}
		_ = kill(committed) // the error is for the server
		// A victim that began to send before the server was told to kill it is killed at the next
		// command, or here, when all its mails are sent.
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = cmd.Wait() // it was killed
		}()
		for isRunning := true; isRunning; {
			select {
			case <-done:
				isRunning = false
			case <-time.After(20 * time.Millisecond): // a poll
				if len(s.mails()) >= (round+1)*mailsPerVictim {
					_ = cmd.Process.Kill()
				}
			}
		}
		at.Store(nil)
		_ = stdin.Close()
	}
	o := options(t, sender(t, "smtp://"+s.addr))
	o.Pool = connect(t, database)
	// Mails of a killed server are tried again after a minute. Here it passes at once.
	for _, statement := range []string{
		"UPDATE river_job SET attempted_at = attempted_at - interval '1 hour' WHERE state = 'running'", "DELETE FROM river_leader",
	} {
		if _, err := o.Pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	before := len(s.mails())
	q := start(t, o)
	eventually(t, "all mails are sent", func() bool {
		return strings.Count(states(t, q), "completed") == rounds*mailsPerVictim
	})
	count := map[string]int{}
	for _, m := range s.mails() {
		count[m.header.Get("Message-Id")]++
	}
	once := 0
	for _, n := range count {
		if n == 1 {
			once++
		}
	}
	t.Logf("%d mails arrived, %d of them once; %d were sent before the last start", len(count), once, before)
	if want := rounds * mailsPerVictim; len(count) != want || once < want*99/100 {
		t.Errorf("%d mails arrived, %d of them once; want %d and 99 of 100", len(count), once, want)
	}
}
