// Package postgrestest gives each test a database of its own, on one real PostgreSQL per test
// process.
package postgrestest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/impl/postgres"
	"github.com/latchkey-auth/latchkey/impl/postgres/temptest"
	"github.com/latchkey-auth/latchkey/schema"
)

const template = "latchkey_template"

var (
	isRunning bool // inside [Run]

	// server is the PostgreSQL of the test process. It starts with the first test that requests a
	// database.
	server *postgres.Server
	start  = sync.OnceValue(open)
	names  atomic.Int64
)

// Main is for a package's TestMain: func TestMain(m *testing.M) { postgrestest.Main(m) }.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run runs the tests, with temporary files in memory. Then it stops PostgreSQL if a test has
// started it. It returns the exit status of the process.
func Run(m *testing.M) int {
	return temptest.Run(func() int {
		postgres.ForgetEnvironment()
		isRunning = true
		status := m.Run()
		if server == nil {
			return status
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "postgrestest:", err)
			status = max(status, 1)
		}
		return status
	})
}

// New returns the URL of a database with the newest schema and no rows. It belongs to this test
// alone, and is dropped at the test's end.
func New(tb testing.TB) string {
	tb.Helper()
	// For a small template FILE_COPY takes half the time of the default.
	return create(tb, "TEMPLATE "+template+" STRATEGY FILE_COPY")
}

// NewEmpty returns the URL of a database without a schema. It belongs to this test alone.
func NewEmpty(tb testing.TB) string {
	tb.Helper()
	return create(tb, "")
}

func create(tb testing.TB, with string) string {
	tb.Helper()
	if !isRunning {
		tb.Fatal("postgrestest: TestMain doesn't call postgrestest.Main, which stops PostgreSQL")
	}
	if err := start(); err != nil {
		tb.Fatalf("postgrestest: %v", err)
	}
	name := "test_" + strconv.FormatInt(names.Add(1), 10)
	if err := exec("CREATE DATABASE " + name + " " + with); err != nil {
		tb.Fatalf("postgrestest: %v", err)
	}
	tb.Cleanup(func() {
		if err := exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			tb.Errorf("postgrestest: %v", err)
		}
	})
	return urlOf(name)
}

// open starts PostgreSQL and makes the template. Durability is off, because it costs time.
func open() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	server, err = postgres.Start(ctx, postgres.Options{
		DataDir: filepath.Join(os.TempDir(), "postgres"),
		BinDir:  os.Getenv("LATCHKEY_POSTGRES_BIN"),
		Parameters: map[string]string{
			"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
			"max_connections": "300", "shared_buffers": "64MB", "autovacuum": "off",
			"max_wal_senders": "0", "wal_level": "minimal",
		},
	})
	if err != nil {
		return err
	}
	if err := exec("CREATE DATABASE " + template); err != nil {
		return err
	}
	config, err := pgx.ParseConfig(urlOf(template))
	if err != nil {
		return err
	}
	_, err = schema.Migrate(ctx, config)
	return err
}

// urlOf returns the URL of another database of the same server.
func urlOf(database string) string {
	u, err := url.Parse(server.URL())
	if err != nil {
		panic(err) // the package made the URL
	}
	u.Path = "/" + database
	return u.String()
}

func exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, server.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err = conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}
