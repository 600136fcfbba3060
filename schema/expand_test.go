package schema_test

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/schema"
)

// frozen is the last migration from before the rule that migrations only expand.
const frozen = "00006"

// Binaries of two releases run on one schema. Nothing that the older one uses may be removed or
// changed, and nothing that it doesn't know may be required.
func TestMigrationsOnlyExpand(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(schema.Files, "*.sql")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d migrations, %v", len(names), err)
	}
	for _, name := range names {
		if name[:len(frozen)] <= frozen {
			continue
		}
		text, err := fs.ReadFile(schema.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, why := range contractions(string(text)) {
			t.Errorf("%s: %s: the release before this one still runs beside it, so this has to wait for the next", name, why)
		}
	}
}

func TestContractions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"ALTER TABLE u DROP COLUMN email;":                      "DROP COLUMN",
		"ALTER TABLE u DROP email;":                             "DROP EMAIL",
		"ALTER TABLE u DROP IF EXISTS email;":                   "DROP IF",
		"ALTER TABLE u\n  ADD a text,\n  drop\n  column email;": "DROP COLUMN",
		"ALTER TABLE u ALTER email DROP DEFAULT;":               "DROP DEFAULT",
		"DROP TABLE u;":                                                                  "DROP TABLE",
		"SELECT 1; DROP TABLE IF EXISTS users;":                                          "DROP TABLE",
		"DROP TRIGGER t ON users;":                                                       "DROP TRIGGER",
		"ALTER TABLE u RENAME TO people;":                                                "RENAME",
		"ALTER TABLE u RENAME COLUMN email TO mail;":                                     "RENAME",
		"TRUNCATE users;":                                                                "TRUNCATE",
		"ALTER TABLE u ALTER COLUMN email TYPE varchar;":                                 "TYPE",
		"ALTER TABLE u ALTER email SET DATA TYPE varchar;":                               "TYPE",
		"ALTER TYPE mood RENAME VALUE 'a' TO 'b';":                                       "RENAME, TYPE",
		"ALTER TABLE u ALTER COLUMN note SET NOT NULL;":                                  "NOT NULL without a default: NOTE",
		"ALTER TABLE u ADD COLUMN note text NOT NULL;":                                   "NOT NULL without a default: NOTE",
		"ALTER TABLE u ADD note text NOT NULL;":                                          "NOT NULL without a default: NOTE",
		"ALTER TABLE u ADD COLUMN IF NOT EXISTS note int NOT NULL, ADD b int DEFAULT 1;": "NOT NULL without a default: NOTE",
		"ALTER TABLE u ADD COLUMN n integer CHECK (n IN (1, 2)) NOT NULL;":               "NOT NULL without a default: N",
		"-- +goose StatementBegin\nDO $$ BEGIN DROP TABLE a; END $$;":                    "DROP TABLE",
		"DROP /* a comment */ TABLE u;":                                                  "DROP TABLE",
		"":                                                                               "",
		"CREATE TABLE notes (id uuid PRIMARY KEY, type text NOT NULL);":                  "",
		"CREATE INDEX notes_id ON notes (id);":                                           "",
		"ALTER TABLE u ADD COLUMN type text;":                                            "",
		"ALTER TABLE u ADD COLUMN note text NOT NULL DEFAULT '';":                        "",
		"ALTER TABLE u ADD COLUMN d date GENERATED ALWAYS AS (a) STORED NOT NULL;":       "",
		"ALTER TABLE u ADD n int DEFAULT 1; ALTER TABLE u ALTER n SET NOT NULL;":         "",
		"ALTER TABLE u ALTER note SET DEFAULT '', ALTER COLUMN note SET NOT NULL;":       "",
		"ALTER TABLE u ALTER COLUMN password_hash DROP NOT NULL;":                        "",
		"ALTER TABLE u DROP CONSTRAINT l, ADD CONSTRAINT l CHECK (n IS NOT NULL);":       "",
		"-- DROP TABLE u;\nSELECT 1;":                                                    "",
		"/* TRUNCATE\nusers */ SELECT 1;":                                                "",
		"SELECT 1;\n-- +goose Down\nDROP TABLE u;":                                       "",
		"UPDATE u SET a = (SELECT 1), b = 2; INSERT INTO n SELECT id FROM u;":            "",
	} {
		if got := strings.Join(contractions("-- +goose Up\n"+text), ", "); got != want {
			t.Errorf("%s\nis refused for %q; want %q", text, got, want)
		}
	}
}

var (
	comment    = regexp.MustCompile(`--[^\n]*|(?s:/\*.*?\*/)`)
	drop       = regexp.MustCompile(`\bDROP (\w+)`)
	contracts  = regexp.MustCompile(`\b(RENAME|TRUNCATE)\b`)
	changeType = regexp.MustCompile(`\bALTER TYPE\b|\bALTER (?:COLUMN )?\S+ (?:SET DATA )?TYPE\b`)
	setNotNull = regexp.MustCompile(`\bALTER (?:COLUMN )?(\S+) SET NOT NULL`)
	setDefault = regexp.MustCompile(`\bALTER (?:COLUMN )?(\S+) SET DEFAULT`)
	addColumn  = regexp.MustCompile(`\bADD (?:COLUMN )?(?:IF NOT EXISTS )?(\w+) ([^,;]*)`)
	inner      = regexp.MustCompile(`\([^()]*\)`)
)

// contractions returns what the Up part of a migration removes, or requires, of a binary that runs
// beside it.
func contractions(text string) []string {
	up, _, _ := strings.Cut(text, "-- +goose Down")
	up = strings.ToUpper(strings.Join(strings.Fields(comment.ReplaceAllString(up, " ")), " "))
	// Parentheses contain commas and NOT NULLs of their own.
	for inner.MatchString(up) {
		up = inner.ReplaceAllString(up, "")
	}
	var found []string
	for _, match := range drop.FindAllStringSubmatch(up, -1) {
		// Removing a rule or an index breaks no statement, or else TestStatementsOfTheLastRelease
		// finds it.
		if !slices.Contains([]string{"NOT", "CONSTRAINT", "INDEX"}, match[1]) {
			found = append(found, match[0])
		}
	}
	found = append(found, contracts.FindAllString(up, -1)...)
	if changeType.MatchString(up) {
		found = append(found, "TYPE")
	}
	defaults := map[string]bool{}
	for _, match := range setDefault.FindAllStringSubmatch(up, -1) {
		defaults[match[1]] = true
	}
	demanded := []string{}
	for _, match := range addColumn.FindAllStringSubmatch(up, -1) {
		hasDefault := strings.Contains(match[2], "DEFAULT ") || strings.Contains(match[2], "GENERATED ")
		defaults[match[1]] = defaults[match[1]] || hasDefault
		if match[1] != "CONSTRAINT" && strings.Contains(match[2], "NOT NULL") {
			demanded = append(demanded, match[1])
		}
	}
	for _, match := range setNotNull.FindAllStringSubmatch(up, -1) {
		demanded = append(demanded, match[1])
	}
	for _, column := range demanded {
		if !defaults[column] {
			found = append(found, fmt.Sprintf("NOT NULL without a default: %s", column))
		}
	}
	return found
}
