package schema_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
	"github.com/latchkey-auth/latchkey/schema"
)

// later returns the migrations of this binary and some later ones. Each later one is given by the
// distance of its oldest binary from this one: 0 is this binary, 1 has the next migration too.
func later(t *testing.T, oldest ...int64) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	names, err := fs.Glob(schema.Files, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(schema.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: text}
	}
	for i, n := range oldest {
		name := fmt.Sprintf("%05d_later.sql", schema.Latest()+int64(i)+1)
		files[name] = migration(fmt.Sprintf(
			"-- Oldest binary beside it: schema %d\nALTER TABLE users ADD COLUMN later_%d text;\n", schema.Latest()+n, i))
	}
	return files
}

func migration(up string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte("-- +goose Up\n" + up)}
}

// A binary runs on a newer schema if every migration that it doesn't know allows it.
func TestBinaryBesideANewerSchema(t *testing.T) {
	const dropColumn = "ALTER TABLE latchkey_schema_version DROP COLUMN oldest_beside"
	const setNull = "UPDATE latchkey_schema_version SET oldest_beside = NULL"
	t.Parallel()
	for _, test := range []struct {
		name   string
		before string // run before the later migrations
		oldest []int64
		after  string
		want   error
	}{
		{name: "allowed", oldest: []int64{0}},
		{name: "allowed by both", oldest: []int64{0, 0}},
		{name: "refused", oldest: []int64{1}, want: schema.ErrNewer},
		{name: "refused by the first", oldest: []int64{1, 0}, want: schema.ErrNewer},
		{name: "refused by the second", oldest: []int64{0, 2}, want: schema.ErrNewer},
		// Releases up to 0.6 made the table without the column.
		{name: "allowed, in an older table", before: dropColumn, oldest: []int64{0}},
		{name: "refused, in one", before: dropColumn, oldest: []int64{1}, want: schema.ErrNewer},
		{name: "not told", oldest: []int64{0}, after: setNull, want: schema.ErrNewer},
		{name: "no column", oldest: []int64{0}, after: dropColumn, want: schema.ErrNewer},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			url := postgrestest.New(t)
			pool := connect(t, url)
			exec(t, pool, test.before)
			// The pool has asked before, as a server's has: its prepared statement must outlive the
			// change of the table.
			if err := schema.Current(t.Context(), pool); err != nil {
				t.Fatalf("Current before the later migrations: %v", err)
			}
			files := later(t, test.oldest...)
			if n, err := schema.MigrateFiles(t.Context(), parse(t, url), files); n != len(test.oldest) || err != nil {
				t.Fatalf("the later binary's Migrate: %d, %v; want %d", n, err, len(test.oldest))
			}
			exec(t, pool, test.after)
			if err := schema.Current(t.Context(), pool); !errors.Is(err, test.want) {
				t.Errorf("Current: %v; want %v", err, test.want)
			}
			if n, err := schema.Migrate(t.Context(), parse(t, url)); n != 0 || !errors.Is(err, test.want) {
				t.Errorf("Migrate: %d, %v; want %v", n, err, test.want)
			}
			want := schema.Latest() + int64(len(test.oldest))
			if version, err := schema.Version(t.Context(), pool); version != want || err != nil {
				t.Errorf("Version: %d, %v; want %d", version, err, want)
			}
			if n, err := schema.MigrateFiles(t.Context(), parse(t, url), files); n != 0 || err != nil {
				t.Errorf("the later binary's second Migrate: %d, %v", n, err)
			}
		})
	}
}

func TestHeads(t *testing.T) {
	t.Parallel()
	const up, line, statement = "-- +goose Up\n", "-- Oldest binary beside it: schema ", "SELECT 1;\n"
	for name, test := range map[string]struct {
		file, text string
		isRefused  bool
	}{
		"its own":                 {"00001_a.sql", up + line + "1\n" + statement, false},
		"an older one":            {"00002_a.sql", up + "-- Why.\n\n" + line + "1\n" + statement, false},
		"above goose's line":      {"00001_a.sql", line + "1\n" + up + statement, false},
		"none":                    {"00001_a.sql", up + statement, true},
		"below the statement":     {"00001_a.sql", up + statement + line + "1\n", true},
		"another form":            {"00001_a.sql", up + "-- Oldest binary beside it: 1\n" + statement, true},
		"words behind the number": {"00001_a.sql", up + line + "1 or so\n" + statement, true},
		"no schema":               {"00001_a.sql", up + line + "0\n" + statement, true},
		"a later one":             {"00001_a.sql", up + line + "2\n" + statement, true},
		"too large a number":      {"00001_a.sql", up + line + "99999999999999999999\n" + statement, true},
		"no transaction":          {"00001_a.sql", "-- +goose NO TRANSACTION\n" + up + line + "1\n" + statement, true},
		"a name without a number": {"a.sql", up + line + "1\n" + statement, true},
	} {
		err := schema.Check(fstest.MapFS{test.file: &fstest.MapFile{Data: []byte(test.text)}})
		if (err != nil) != test.isRefused {
			t.Errorf("%s: %v; want an error: %t", name, err, test.isRefused)
		}
	}
}
