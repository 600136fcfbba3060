package main

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-auth/latchkey/impl/postgres"
	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// Every form of a URL that libpq accepts is accepted, and leads to the same server.
func TestDatabaseURLs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"postgres://u@%2Frun%2Fpostgresql/db":                       "/run/postgresql/.s.PGSQL.5432 u  db",
		"postgresql://u:p%40ss@%2frun%2fpg:6432/db?sslmode=disable": "/run/pg/.s.PGSQL.6432 u p@ss db",
		"postgres://%2Frun%2Fpostgresql/db?user=u":                  "/run/postgresql/.s.PGSQL.5432 u  db",
		"postgres://u@%2Frun%2Fa,%2Frun%2Fb/db":                     "/run/a/.s.PGSQL.5432, /run/b/.s.PGSQL.5432 u  db",
		"postgres://u@%2Frun%2Fa:1,h:2/db?sslmode=disable":          "/run/a/.s.PGSQL.1, h:2 u  db",
		"postgres:///db?host=/run/postgresql&user=u":                "/run/postgresql/.s.PGSQL.5432 u  db",
		"postgres://u:p@h/db?sslmode=disable":                       "h:5432 u p db",
		"postgres://u:p@h1:1,h2:2/db?sslmode=disable":               "h1:1, h2:2 u p db",
		"postgres://u:p@h1,h2/db?target_session_attrs=read-write":   "h1:5432, h2:5432 u p db",
		"postgres://u@[::1]:1/db?sslmode=disable":                   "[::1]:1 u  db",
		"postgres://u@[::1]:1,[::2]:2/db?sslmode=disable":           "[::1]:1, [::2]:2 u  db",
	} {
		secret := secret.New(text)
		if problem := checkDatabaseURL(secret); problem != "" {
			t.Errorf("%s %s", text, problem)
			continue
		}
		config, err := pgxpool.ParseConfig(databaseURL(secret))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		c := config.ConnConfig
		if got := strings.Join([]string{hosts(config), c.User, c.Password, c.Database}, " "); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{
		"host=/run/postgresql dbname=canary", "mysql://u:canary@h/db", "postgres://u:can%zzary@h/db",
		"postgres://u:canary@h:port/db", "postgres://u:canary@%2Frun%zz/db", "canary",
		"postgres://u:canary@h/db?sslmode=perhaps", "postgres://u:canary@h/db?sslrootcert=/nothing/here",
	} {
		if problem := checkDatabaseURL(secret.New(text)); problem == "" || strings.Contains(problem, "canary") {
			t.Errorf("%s: got %q", text, problem)
		}
	}
}

// The defaults of a role or a database don't change the meaning of our statements.
func TestDefaultsOfRoleAndDatabase(t *testing.T) {
	t.Parallel()
	url := postgrestest.New(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	name := conn.Config().Database
	for _, set := range []string{
		"default_transaction_isolation = 'serializable'", "default_transaction_read_only = on", "timezone = 'Asia/Kathmandu'",
		"client_encoding = 'LATIN1'", "datestyle = 'German, DMY'", "intervalstyle = 'sql_standard'",
		"bytea_output = 'escape'",
		"standard_conforming_strings = off",
	} {
		if _, err := conn.Exec(t.Context(), "ALTER DATABASE "+name+" SET "+set); err != nil {
			t.Fatal(err)
		}
	}
	p, server := serve(t, "/", onDatabase(url))
	if a, err := register(server, "ädä@example.com", "ada", "correct-horse-battery"); err != nil || a.status != 201 {
		t.Fatalf("registration answered %d %s, %v", a.status, a.body, err)
	}
	if a, err := login(server, "ädä@example.com", "correct-horse-battery"); err != nil || a.status != 200 {
		t.Errorf("login answered %d %s, %v", a.status, a.body, err)
	}
	if a, err := get(server + "/readyz"); err != nil || a.status != 200 {
		t.Errorf("readiness answered %d %s, %v", a.status, a.body, err)
	}
	p.stop(t)
	// Behind a pooler they can't be set, so the server refuses to start without them.
	refused, err := launch("/", onDatabase(url, "LATCHKEY_DATABASE_POOLER=transaction"), []string{"serve"})
	if err != nil {
		t.Fatal(err)
	}
	status, err := refused.wait()
	if status != 1 || err != nil || !refused.stderr.contains(" behind a pooler: ALTER ROLE") {
		t.Errorf("exit status %d, %v: %s", status, err, refused.stderr)
	}
}

// A database whose encoding can't store every email is refused.
func TestEncodingOfTheDatabase(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewEmpty(t)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	name := config.Database + "_ascii"
	run := func(sql string) {
		conn, err := pgx.ConnectConfig(context.Background(), config)
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Exec(context.Background(), sql)
		if err := errors.Join(err, conn.Close(context.Background())); err != nil {
			t.Error(err)
		}
	}
	run("CREATE DATABASE " + name + " ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
	t.Cleanup(func() { run("DROP DATABASE " + name) })
	p, err := launch("/", onDatabase(strings.Replace(url, "/"+config.Database, "/"+name, 1)), []string{"migrate"})
	if err != nil {
		t.Fatal(err)
	}
	if status, err := p.wait(); status != 1 || err != nil || !p.stderr.contains("encoding is SQL_ASCII, must be UTF8") {
		t.Errorf("exit status %d, %v: %s", status, err, p.stderr)
	}
}

// A role that can't create tables is refused, and the error says what it needs.
func TestRoleThatCannotCreateTables(t *testing.T) {
	t.Parallel()
	text := postgrestest.NewEmpty(t)
	conn, err := pgx.Connect(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	role := conn.Config().Database + "_reader"
	_, err = conn.Exec(t.Context(), "CREATE ROLE "+role)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := conn.Exec(context.Background(), "DROP ROLE "+role)
		if err := errors.Join(err, conn.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("role", role)
	u.RawQuery = query.Encode()
	p, err := launch("/", onDatabase(u.String()), []string{"migrate"})
	if err != nil {
		t.Fatal(err)
	}
	if status, err := p.wait(); status != 1 || err != nil || !p.stderr.contains("make it the owner of the database") {
		t.Errorf("exit status %d, %v: %s", status, err, p.stderr)
	}
}

// The embedded database ignores the variables of libpq.
func TestVariablesOfLibpq(t *testing.T) {
	t.Parallel()
	dir := openFolder(t)
	environ := append(testEnviron(), "LATCHKEY_DATA_DIR="+dir+"/data",
		"PGSERVICE=prod", "PGSERVICEFILE=/nothing", "PGHOST=192.0.2.1", "PGPORT=1", "PGUSER=nobody",
		"PGDATABASE=nothing", "PGPASSWORD=x", "PGPASSFILE=/nothing", "PGOPTIONS=-c default_transaction_read_only=on",
		"PGSSLMODE=verify-full", "PGSSLROOTCERT=/nothing", "PGTARGETSESSIONATTRS=read-only", "PGCONNECT_TIMEOUT=1",
		"PGAPPNAME=x", "PGTZ=Asia/Kathmandu", "PGDATA=/nothing", "PGREQUIREAUTH=scram-sha-256",
		"PGMINPROTOCOLVERSION=9.9", "PGCLIENTENCODING=LATIN1", "PGCHANNELBINDING=require")
	p, server := serve(t, dir, environ)
	if a, err := register(server, "ada@example.com", "ada", "correct-horse-battery"); err != nil || a.status != 201 {
		t.Errorf("registration answered %d %s, %v", a.status, a.body, err)
	}
	list, err := launch(dir, environ, []string{"user", "list"})
	if err != nil {
		t.Fatal(err)
	}
	if status, err := list.wait(); status != 0 || err != nil || !list.stdout.contains("ada@example.com") {
		t.Errorf("exit status %d, %v: %s", status, err, list.stderr)
	}
	p.stop(t)
}

// The wait for a program that listens and never replies is bounded.
func TestSilentDatabase(t *testing.T) {
	t.Parallel()
	at := silent(t)
	for _, command := range [][]string{{"serve"}, {"migrate"}, {"user", "list"}} {
		t.Run(command[0], func(t *testing.T) {
			t.Parallel()
			database := "postgres://ada@" + at + "/latchkey?connect_timeout=1&sslmode=disable"
			p, err := launch("/", onDatabase(database, "LATCHKEY_DATABASE_WAIT=1s"), command)
			if err != nil {
				t.Fatal(err)
			}
			status, err := p.wait()
			if status != 1 || err != nil || !p.stderr.contains("the database at "+at+" can't be reached: ") {
				t.Errorf("exit status %d, %v: %s", status, err, p.stderr)
			}
		})
	}
}

func TestExplainPostgres(t *testing.T) {
	t.Parallel()
	for err, setting := range map[error]string{
		postgres.ErrNotFound:   "LATCHKEY_POSTGRES_BIN",
		postgres.ErrOtherMajor: "LATCHKEY_POSTGRES_BIN",
		postgres.ErrInUse:      "LATCHKEY_DATA_DIR",
		postgres.ErrDataFolder: "LATCHKEY_DATA_DIR",
		postgres.ErrNoAccount:  "LATCHKEY_DATABASE_URL",
	} {
		if got := explainPostgres(err); !errors.Is(got, err) || !strings.Contains(got.Error(), setting) {
			t.Errorf("explainPostgres(%v) = %v, want it with %s", err, got, setting)
		}
	}
}
