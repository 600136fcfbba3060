package schema_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// The last release runs beside this one, on its schema. gen/release.sh saves the statements of a
// release.
func TestStatementsOfTheLastRelease(t *testing.T) {
	t.Parallel()
	for name, err := range broken(t, postgrestest.New(t)) {
		t.Errorf("%s of the last release can't run on the newest schema: %v", name, err)
	}
}

// The test finds a broken statement, also one that only the planner refuses.
func TestBrokenStatements(t *testing.T) {
	t.Parallel()
	for contraction, want := range map[string]string{
		"ALTER TABLE signing_keys DROP COLUMN token_ttl":                   "SigningKeyList",
		"ALTER TABLE users RENAME TO people":                               "UserCreate",
		"ALTER TABLE signing_keys RENAME TO keys":                          "SigningKeyLock",
		"ALTER TABLE known_addresses DROP CONSTRAINT known_addresses_pkey": "UserCreate",
	} {
		url := postgrestest.New(t)
		exec(t, connect(t, url), contraction)
		if found := broken(t, url); found[want] == nil {
			t.Errorf("%s breaks %d statements, but not %s", contraction, len(found), want)
		}
	}
}

// broken returns the errors of the last release's statements that can't be planned, by name.
func broken(t *testing.T, url string) map[string]error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	// The plan must not depend on the arguments, which are NULL.
	if _, err := conn.Exec(t.Context(), "SET plan_cache_mode = force_generic_plan"); err != nil {
		t.Fatal(err)
	}
	found := map[string]error{}
	for name, statement := range released(t) {
		if err := plan(t, conn, name, statement); err != nil {
			found[name] = err
		}
	}
	return found
}

// plan prepares a statement and has it planned. PREPARE alone doesn't look for the index of an ON
// CONFLICT. A LOCK has no plan, and no parameters: it is run.
func plan(t *testing.T, conn *pgx.Conn, name, statement string) error {
	t.Helper()
	if strings.HasPrefix(statement, "LOCK ") {
		return pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), statement)
			return err
		})
	}
	if _, err := conn.Exec(t.Context(), fmt.Sprintf("PREPARE %q AS %s", name, statement)); err != nil {
		return err
	}
	var parameters int
	row := conn.QueryRow(t.Context(),
		"SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = $1 AND from_sql", name)
	if err := row.Scan(&parameters); err != nil {
		t.Fatal(err)
	}
	execute := fmt.Sprintf("EXPLAIN EXECUTE %q", name)
	if parameters > 0 {
		execute += "(" + strings.Join(slices.Repeat([]string{"NULL"}, parameters), ", ") + ")"
	}
	_, err := conn.Exec(t.Context(), execute)
	return err
}

// released returns the statements of the last release by name.
func released(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../gen/released/queries/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files of statements, %v", len(files), err)
	}
	statements := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, _ := strings.Cut(string(text), "-- name: ")
		if before != "" || rest == "" {
			t.Fatalf("%s doesn't begin with the name of a statement", file)
		}
		for part := range strings.SplitSeq(rest, "-- name: ") {
			head, statement, _ := strings.Cut(part, "\n")
			name, _, _ := strings.Cut(head, " ")
			statements[name] = statement
		}
	}
	return statements
}
