package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// pooler is a running PgBouncer.
type pooler struct {
	addr, url, settings string
	database            *pgx.ConnConfig
	process             *os.Process
}

// startPooler starts Debian's PgBouncer in transaction mode in front of a test's database. It has
// few connections.
func startPooler(t *testing.T, databaseURL string) *pooler {
	t.Helper()
	program := impltest.Installed(t, "/usr/sbin/pgbouncer")
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	p := &pooler{addr: freeAddr(t), settings: filepath.Join(openFolder(t), "pgbouncer.ini"), database: config}
	p.configure(t, "")
	cmd := exec.Command(program, p.settings)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		// PgBouncer refuses to run as root, and only PostgreSQL's own user can use its socket.
		owner, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, uidErr := strconv.ParseUint(owner.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(owner.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	out := &output{listening: make(chan string, 1)}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.process = cmd.Process
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	if err := eventually("PgBouncer listens", func() bool { return !isRefused("http://" + p.addr) }); err != nil {
		t.Fatal(err, out)
	}
	u := url.URL{
		Scheme: "postgres", User: url.User(config.User), Host: p.addr, Path: "/" + config.Database,
		RawQuery: "sslmode=disable",
	}
	p.url = u.String()
	return p
}

// configure writes PgBouncer's settings. PgBouncer runs query at the start of each of its sessions.
func (p *pooler) configure(t *testing.T, query string) {
	t.Helper()
	host, port, err := net.SplitHostPort(p.addr)
	if err != nil {
		t.Fatal(err)
	}
	c := p.database
	if query != "" {
		query = " connect_query='" + query + "'"
	}
	text := fmt.Sprintf("[databases]\n* = host=%s port=%d user=%s%s\n[pgbouncer]\nlisten_addr = %s\nlisten_port = %s\n"+
		"unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 200\n",
		c.Host, c.Port, c.User, query, host, port)
	if err := os.WriteFile(p.settings, []byte(text), 0o644); err != nil { //nolint:gosec // PgBouncer's user reads it
		t.Fatal(err)
	}
}

// A pooler in transaction mode gives a session to another client after each transaction. Concurrent
// migrations, and the core of the API on two instances, work as they do without a pooler.
func TestPooler(t *testing.T) {
	t.Parallel()
	bouncer := startPooler(t, postgrestest.NewEmpty(t))
	environ := onDatabase(bouncer.url, "LATCHKEY_DATABASE_POOLER=transaction")
	command := func(want string, args ...string) string {
		t.Helper()
		p, err := launch("/", environ, args)
		if err != nil {
			t.Error(err)
			return ""
		}
		if status, err := p.wait(); status != 0 || err != nil || !p.stdout.contains(want) {
			t.Errorf("%v: exit status %d, %v: %s%s", args, status, err, p.stdout, p.stderr)
		}
		return p.stdout.String()
	}
	var applied sync.Map
	var migrations sync.WaitGroup
	for range 4 {
		migrations.Go(func() {
			done, _, _ := strings.Cut(command("the schema of", "migrate"), " ")
			applied.Store(done, true)
		})
	}
	migrations.Wait()
	if _, ok := applied.Load("applied"); !ok {
		t.Error("nobody has applied the migrations")
	}
	command("nothing to apply", "migrate")
	bouncer.hasNoLockTimeout(t)

	one, first := serve(t, "/", environ)
	two, second := serve(t, "/", environ)
	if a, err := register(first, "ada@example.com", "ada", "correct-horse-battery"); err != nil || a.status != 201 {
		t.Fatalf("registration answered %d %s, %v", a.status, a.body, err)
	}
	var clients sync.WaitGroup
	for i := range 4 { // fewer at once than an account has attempts
		clients.Go(func() {
			for n := range 32 {
				server := []string{first, second}[(i+n)%2]
				a, err := login(server, "ada@example.com", "correct-horse-battery")
				if err != nil || a.status != 200 {
					t.Errorf("login answered %d %s, %v", a.status, a.body, err)
					return
				}
				if a, err := me(server, a.token()); err != nil || a.status != 200 {
					t.Errorf("/me answered %d %s, %v", a.status, a.body, err)
				}
				if a, err := refresh(server, refreshTokenOf(a)); err != nil || a.status != 200 {
					t.Errorf("a refresh answered %d %s, %v", a.status, a.body, err)
				}
			}
		})
	}
	clients.Wait()
	for n := range 12 {
		a, err := login([]string{first, second}[n%2], "eve@example.com", "wrong")
		if want := 401; err != nil || n < 10 && a.status != want || n >= 10 && a.status != 429 {
			t.Errorf("guess %d answered %d %s, %v", n, a.status, a.body, err)
		}
	}
	command("A new key is published", "key", "rotate")
	command("ada@example.com", "user", "list")
	command("", "user", "deactivate", "ada")
	if a, err := login(first, "ada@example.com", "correct-horse-battery"); err != nil || a.status != 401 {
		t.Errorf("a deactivated user's login answered %d %s, %v", a.status, a.body, err)
	}
	one.stop(t)
	two.stop(t)
}

// hasNoLockTimeout checks that a migration's lock_timeout has not stayed in the session, which
// others use now.
func (p *pooler) hasNoLockTimeout(t *testing.T) {
	t.Helper()
	config, err := pgx.ParseConfig(p.url)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var timeout string
	if err := conn.QueryRow(t.Context(), "SHOW lock_timeout").Scan(&timeout); err != nil || timeout != "0" {
		t.Errorf("after a migration the lock_timeout is %q, %v; want 0", timeout, err)
	}
}

// F-3: of two hosts the connected one turns read-only beneath its connections. The next requests
// are served by the other one.
func TestF3_TheOtherHost(t *testing.T) {
	t.Parallel()
	databaseURL := postgrestest.New(t)
	one, two := startPooler(t, databaseURL), startPooler(t, databaseURL)
	both := strings.Replace(one.url, one.addr, one.addr+","+two.addr, 1) + "&target_session_attrs=read-write"
	p, server := serve(t, "/", onDatabase(both, "LATCHKEY_DATABASE_POOLER=transaction"))
	if a, err := register(server, "ada@example.com", "ada", "correct-horse-battery"); err != nil || a.status != 201 {
		t.Fatalf("registration answered %d %s, %v", a.status, a.body, err)
	}
	one.configure(t, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
	if err := one.process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), one.database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	readOnly, err := pgx.ParseConfig(one.url)
	if err != nil {
		t.Fatal(err)
	}
	readOnly.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	if err := eventually("the first host is read-only", func() bool {
		_, err := conn.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "+
			"WHERE datname = current_database() AND pid <> pg_backend_pid()")
		if err != nil {
			t.Fatal(err)
		}
		first, err := pgx.ConnectConfig(t.Context(), readOnly)
		if err != nil {
			return false
		}
		defer func() { _ = first.Close(context.Background()) }()
		var state string
		return first.QueryRow(t.Context(), "SHOW transaction_read_only").Scan(&state) == nil && state == "on"
	}); err != nil {
		t.Fatal(err)
	}
	if err := eventually("a login succeeds", func() bool {
		a, err := login(server, "ada@example.com", "correct-horse-battery")
		if err != nil || a.status != 200 && a.status != 503 {
			t.Fatalf("a login answered %d %s, %v", a.status, a.body, err)
		}
		return a.status == 200
	}); err != nil {
		t.Error(err)
	}
	if a, err := get(server + "/readyz"); err != nil || a.status != 200 {
		t.Errorf("readiness answered %d %s, %v", a.status, a.body, err)
	}
	p.stop(t)
}
