package postgrestest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
	"github.com/latchkey-auth/latchkey/schema"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func TestDatabasesAreApart(t *testing.T) {
	t.Parallel()
	a, b := postgrestest.New(t), postgrestest.New(t)
	if a == b {
		t.Fatalf("both tests got %s", a)
	}
	exec(t, a, "CREATE TABLE only_here ()")
	exec(t, b, "CREATE TABLE only_here ()")
}

func TestNewIsMigratedAndEmptyIsNot(t *testing.T) {
	t.Parallel()
	if n, err := schema.Migrate(t.Context(), parse(t, postgrestest.New(t))); n != 0 || err != nil {
		t.Errorf("Migrate of New: %d, %v; want nothing to apply", n, err)
	}
	if n, err := schema.Migrate(t.Context(), parse(t, postgrestest.NewEmpty(t))); n == 0 || err != nil {
		t.Errorf("Migrate of NewEmpty: %d, %v; want migrations", n, err)
	}
}

func TestDatabaseIsDropped(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("user", func(t *testing.T) {
		url = postgrestest.New(t)
		// A connection that a test doesn't close doesn't keep the database from being dropped.
		if _, err := pgx.Connect(t.Context(), url); err != nil {
			t.Fatal(err)
		}
	})
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		conn.Close(t.Context())
		t.Error("the database is still there after its test")
	}
}

func parse(t *testing.T, url string) *pgx.ConnConfig {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func exec(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		postgrestest.New(b)
	}
}
