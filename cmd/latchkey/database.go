package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"
	"golang.org/x/term"

	"github.com/latchkey-auth/latchkey/impl/postgres"
	"github.com/latchkey-auth/latchkey/impl/secret"
	"github.com/latchkey-auth/latchkey/schema"
)

const (
	// connectTimeout bounds one attempt to connect, unless the URL sets a shorter bound.
	connectTimeout = 5 * time.Second
	// stopTimeout is the time that the embedded PostgreSQL has to write everything out. After it
	// PostgreSQL is stopped at once. That costs a recovery at the next start, but no data.
	stopTimeout = 30 * time.Second
	// migrateReport is the interval between log lines about a migration that takes long.
	migrateReport = 10 * time.Second
)

// startPostgres is [postgres.Start] for serve and [postgres.Attach] for the commands.
type startPostgres func(context.Context, postgres.Options) (*postgres.Server, error)

// database is the database that a command works on.
type database struct {
	pool  *pgxpool.Pool
	url   secret.Text
	place string // its address, without the password
	stop  func() error
}

// openDatabase connects to the database that the settings name. It starts the database first if
// that is the embedded one. It waits for a database that can't be reached yet, for at most wait.
func openDatabase(
	ctx context.Context, s settings, start startPostgres, wait time.Duration, c console, logger *slog.Logger,
) (_ *database, err error) {
	db := &database{url: s.DatabaseURL, stop: func() error { return nil }}
	if s.embedded() {
		postgres.ForgetEnvironment() // they may name another database
		server, err := start(ctx, postgres.Options{
			DataDir: s.DataDir, BinDir: s.PostgresBin, Logger: logger, Progress: progress(c.err),
			// The pool, commands beside the server, and the 3 connections that PostgreSQL reserves.
			Parameters: map[string]string{"max_connections": strconv.Itoa(max(100, 2*int(s.DatabaseMaxConns)+3))},
		})
		if err != nil {
			return nil, fmt.Errorf("embedded PostgreSQL: %w", explainPostgres(err))
		}
		db.url = secret.New(server.URL())
		db.stop = func() error {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
			defer cancel()
			return server.Stop(ctx)
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.close())
		}
	}()
	config, err := poolConfig(db.url, s)
	if err != nil {
		return nil, err
	}
	if db.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, err
	}
	if err := await(ctx, db.pool, wait, logger); err != nil {
		return nil, err
	}
	if err := checkSession(ctx, db.pool, s); err != nil {
		return nil, err
	}
	db.place, err = describe(ctx, s, db.pool)
	return db, err
}

// explainPostgres adds to an error of the embedded PostgreSQL the settings that can resolve it.
func explainPostgres(err error) error {
	for _, row := range []struct {
		err  error
		hint string
	}{
		{postgres.ErrNotFound, "name its programs' folder in LATCHKEY_POSTGRES_BIN, or a database in LATCHKEY_DATABASE_URL"},
		{postgres.ErrOtherMajor, "or name its programs' folder in LATCHKEY_POSTGRES_BIN"},
		{postgres.ErrInUse, "stop it, or name another folder in LATCHKEY_DATA_DIR"},
		{postgres.ErrDataFolder, "name another one in LATCHKEY_DATA_DIR"},
		{postgres.ErrNoAccount, "or name a database in LATCHKEY_DATABASE_URL"},
	} {
		if errors.Is(err, row.err) {
			return fmt.Errorf("%w; %s", err, row.hint)
		}
	}
	return err
}

// close waits for running queries and closes the pool. Then it stops the embedded PostgreSQL.
func (d *database) close() error {
	if d.pool != nil {
		d.pool.Close()
	}
	return d.stop()
}

func poolConfig(url secret.Text, s settings) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(databaseURL(url))
	if err != nil {
		// The settings were checked. So the cause is a file or variable that the URL names, such as
		// a certificate. The error isn't wrapped, because it may contain the password.
		return nil, errors.New("the database's URL can't be read, or a file that it names")
	}
	config.MaxConns = s.DatabaseMaxConns
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap())
		return nil
	}
	config.ConnConfig.RuntimeParams["application_name"] = "latchkey"
	if s.DatabasePooler == "off" {
		maps.Copy(config.ConnConfig.RuntimeParams, sessionDefaults)
	} else {
		// Statements and settings don't outlive a transaction: another client may use the session
		// next.
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	if t := config.ConnConfig.ConnectTimeout; t <= 0 || t > connectTimeout {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	return config, nil
}

// sessionDefaults are the session settings that the meaning of our statements depends on. They
// override the defaults of a role or a database.
var sessionDefaults = map[string]string{
	"client_encoding":               "UTF8",
	"default_transaction_isolation": "read committed",
	"default_transaction_read_only": "off",
	"timezone":                      "UTC",
	"datestyle":                     "ISO",
	"intervalstyle":                 "postgres",
	"bytea_output":                  "hex",
	"standard_conforming_strings":   "on",
}

// checkSession refuses a database whose encoding can't store every text. Behind a pooler it also
// refuses a database with other session defaults, because they can't be set there.
func checkSession(ctx context.Context, pool *pgxpool.Pool, s settings) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	show := func(name string) (value string, err error) {
		return value, pool.QueryRow(ctx, "SHOW "+name).Scan(&value)
	}
	encoding, err := show("server_encoding")
	if err != nil {
		return err
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database's encoding is %s, must be UTF8: "+
			"create the database with ENCODING 'UTF8' TEMPLATE template0", encoding)
	}
	if s.DatabasePooler == "off" {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(sessionDefaults)) {
		value, err := show(name)
		if err != nil {
			return err
		}
		if want := sessionDefaults[name]; !strings.HasPrefix(value, want) && name != "timezone" {
			return fmt.Errorf("the database or its role sets %s to %q, must be %q behind a pooler: "+
				"ALTER ROLE … SET %s = '%s'", name, value, want, name, want)
		}
	}
	return nil
}

// await returns when the database accepts a query. It fails when the wait is over, or at once with
// an error that won't go away.
func await(ctx context.Context, pool *pgxpool.Pool, wait time.Duration, logger *slog.Logger) error {
	deadline := time.Now().Add(wait)
	for pause, told := 100*time.Millisecond, false; ; pause = min(2*pause, 2*time.Second) {
		err := pingWithin(ctx, pool)
		if err == nil || ctx.Err() != nil {
			return err
		}
		// The jitter keeps servers that lost the same database from reconnecting in step.
		pause := pause/2 + rand.N(pause)
		place := hosts(pool.Config())
		if !passes(err) || time.Now().Add(pause).After(deadline) {
			return fmt.Errorf("the database at %s can't be reached: %s", place, cause(err))
		}
		if !told {
			told = true
			logger.Warn("waiting for the database", "at", place, "error", cause(err), "for", wait)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pingWithin bounds a ping, because a program that isn't PostgreSQL may accept the connection and
// never reply.
func pingWithin(ctx context.Context, pool *pgxpool.Pool) error {
	bounded, cancel := context.WithTimeout(ctx, 2*connectTimeout)
	defer cancel()
	return pool.Ping(bounded)
}

// migrate applies the pending migrations. While they take long it logs that.
func (d *database) migrate(ctx context.Context, logger *slog.Logger) (applied int, err error) {
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(migrateReport):
				logger.Warn(
					"the migration goes on, or waits for another server that migrates, or for a transaction that uses a table",
				)
			}
		}
	}()
	applied, err = schema.Migrate(ctx, d.pool.Config().ConnConfig)
	if err != nil {
		err = fmt.Errorf("migrate the database: %w", err)
	}
	var answer *pgconn.PgError
	if errors.As(err, &answer) && answer.Code == "42501" { // insufficient_privilege
		err = fmt.Errorf("%w; the role must be able to create tables: make it the owner of the database", err)
	}
	return applied, err
}

// passes reports whether a later attempt to connect may succeed with the same settings. Errors that
// the server reports, such as a wrong password, are permanent. The exceptions are a server that is
// starting up (57P03), shutting down (57P01) or out of resources (class 53).
func passes(err error) bool {
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		return true
	}
	return strings.HasPrefix(answer.Code, "57P0") || strings.HasPrefix(answer.Code, "53")
}

// cause returns why a connection failed. It omits pgx's own text, which repeats the user and every
// address.
func cause(err error) string {
	var (
		answer  *pgconn.PgError
		network *net.OpError
		lookup  *net.DNSError
	)
	switch {
	case errors.As(err, &answer):
		text := fmt.Sprintf("%s (SQLSTATE %s)", answer.Message, answer.Code)
		if strings.Contains(answer.Message, "startup parameter") {
			text += "; with a connection pooler, set LATCHKEY_DATABASE_POOLER to transaction"
		}
		return text
	case errors.As(err, &lookup):
		return lookup.Error()
	case errors.As(err, &network) && network.Err != nil:
		return network.Err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) && errors.Unwrap(connect) != nil {
		return errors.Unwrap(connect).Error()
	}
	return err.Error()
}

// hosts returns the addresses of the database. Each is host:port, or the path of a socket.
func hosts(config *pgxpool.Config) string {
	c := config.ConnConfig
	all := []string{address(c.Host, c.Port)}
	for _, f := range c.Fallbacks {
		// pgx lists the same host once for each TLS mode.
		if a := address(f.Host, f.Port); a != all[len(all)-1] {
			all = append(all, a)
		}
	}
	return strings.Join(all, ", ")
}

func address(host string, port uint16) string {
	if filepath.IsAbs(host) {
		return filepath.Join(host, ".s.PGSQL."+strconv.Itoa(int(port)))
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// describe returns the place of the data and the version of PostgreSQL.
func describe(ctx context.Context, s settings, pool *pgxpool.Pool) (string, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Release()
	// Debian appends the version of its package.
	number, _, _ := strings.Cut(conn.Conn().PgConn().ParameterStatus("server_version"), " ")
	if s.embedded() {
		dir, err := filepath.Abs(s.DataDir)
		return fmt.Sprintf("%s (embedded PostgreSQL %s)", dir, number), err
	}
	return fmt.Sprintf("%s/%s (PostgreSQL %s)", hosts(pool.Config()), pool.Config().ConnConfig.Database, number), nil
}

// hasCluster reports whether the data folder already holds a database.
func hasCluster(s settings) (bool, error) {
	_, err := os.Stat(filepath.Join(s.DataDir, "postgres"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// progress returns a function that prints slow steps, if w is a terminal. In a log they would be
// noise.
func progress(w io.Writer) func(string) {
	if !isTerminal(w) {
		return nil
	}
	return func(text string) { _, _ = fmt.Fprintf(w, "latchkey: %s …\n", text) }
}

// isTerminal reports whether a stream of the process is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
