package schema_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// riverVersion is the last of River's migrations that schema/ has. A new version of River that has
// more needs a migration here first.
const riverVersion = 8

// The tables that River's own migrations make are the ones that schema/ makes.
func TestRiver(t *testing.T) {
	t.Parallel()
	theirs := connect(t, postgrestest.NewEmpty(t))
	migrator, err := rivermigrate.New(riverpgxv5.New(theirs), nil)
	if err != nil {
		t.Fatal(err)
	}
	result, err := migrator.Migrate(t.Context(), rivermigrate.DirectionUp, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last := result.Versions[len(result.Versions)-1].Version; last != riverVersion {
		t.Errorf("River has %d migrations, want %d", last, riverVersion)
	}
	want := riverCatalog(t, theirs)
	if len(want) < 40 {
		t.Fatalf("River has only %d columns, constraints, indexes, types and functions", len(want))
	}
	if diff := cmp.Diff(want, riverCatalog(t, connect(t, postgrestest.New(t)))); diff != "" {
		t.Errorf("River's migrations and ours differ (-River +ours):\n%s", diff)
	}
}

// riverCatalog returns what the catalog has of River's tables, types and functions, without its
// list of migrations.
func riverCatalog(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), `
		SELECT 'column ' || concat_ws(' ', attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod),
			CASE WHEN attnotnull THEN 'NOT NULL' END, pg_get_expr(adbin, adrelid), relkind, relpersistence) AS line
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
		WHERE relname LIKE 'river%' AND relname NOT LIKE 'river_migration%' AND relkind IN ('r', 'S') AND attnum > 0 AND NOT attisdropped
		UNION ALL
		SELECT 'constraint ' || concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
		WHERE contype <> 'n' AND conrelid::regclass::text LIKE 'river%' AND conrelid::regclass::text <> 'river_migration'
		UNION ALL
		SELECT 'index ' || indexdef FROM pg_indexes WHERE tablename LIKE 'river%' AND tablename <> 'river_migration'
		UNION ALL
		SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid::regclass::text LIKE 'river%'
		UNION ALL
		SELECT 'enum ' || enumtypid::regtype || ' ' || string_agg(enumlabel, ' ' ORDER BY enumsortorder) FROM pg_enum GROUP BY enumtypid
		UNION ALL
		SELECT 'function ' || concat_ws(' ', proname, pg_get_function_arguments(oid), provolatile, regexp_replace(prosrc, '\s+', ' ', 'g'))
		FROM pg_proc WHERE proname LIKE 'river%'
		ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return lines
}
