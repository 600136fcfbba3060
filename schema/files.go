package schema

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3/database"
)

//go:embed *.sql
var embedded embed.FS

//go:embed adopt/column.sql
var columnSQL string

//go:embed adopt/insert.sql
var insertSQL string

// own is the migrations of this binary. A file without a number or a head is a mistake of the
// build.
var own = func() migrations {
	m, err := read(embedded)
	if err != nil {
		panic(err)
	}
	return m
}()

// migrations is a set of files, and what their names and heads say.
type migrations struct {
	latest int64
	// statements holds, for each version, what it does.
	statements map[int64]string
	// beside holds, for each version, the oldest binary that may run beside it, as the version of
	// that binary's own schema.
	beside map[int64]int64
}

var besideLine = regexp.MustCompile(`^-- Oldest binary beside it: schema ([1-9][0-9]*)$`)

// read returns the migrations in files. It fails with an error that names the file if:
//   - its name has no number
//   - its head doesn't say which binaries may run beside it
//   - it asks to run without a transaction
func read(files fs.FS) (migrations, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return migrations{}, err
	}
	m := migrations{statements: map[int64]string{}, beside: map[int64]int64{}}
	for _, name := range names {
		digits, _, _ := strings.Cut(name, "_")
		version, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			return migrations{}, fmt.Errorf("schema: migration %s has no number", name)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return migrations{}, err
		}
		beside, err := oldestBeside(string(text))
		if err != nil {
			return migrations{}, fmt.Errorf("schema: migration %s: %w", name, err)
		}
		if strings.Contains(string(text), "+goose NO TRANSACTION") {
			return migrations{}, fmt.Errorf("schema: migration %s asks for no transaction, and would get one", name)
		}
		if beside > version {
			return migrations{}, fmt.Errorf("schema: migration %s refuses the binary that it came with", name)
		}
		m.beside[version] = beside
		m.statements[version], _, _ = strings.Cut(string(text), "-- +goose Down")
		m.latest = max(m.latest, version)
	}
	return m, nil
}

// oldestBeside returns the number in the head of a migration. The head is the comments before the
// first statement.
func oldestBeside(text string) (int64, error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line != "" && !strings.HasPrefix(line, "--") {
			break
		}
		if match := besideLine.FindStringSubmatch(line); match != nil {
			return strconv.ParseInt(match[1], 10, 64)
		}
	}
	return 0, errors.New(`its head has no line "-- Oldest binary beside it: schema N"`)
}

// store is goose's table of versions with a column of our own: what the head of each migration
// says. An older binary doesn't have the newer files, so it reads the column.
type store struct {
	database.StoreExtender
	beside map[int64]int64
}

// Insert records a version in the transaction that applies it. It adds the column first where an
// earlier release has made the table.
func (s *store) Insert(ctx context.Context, db database.DBTxConn, request database.InsertRequest) error {
	if _, err := db.ExecContext(ctx, columnSQL); err != nil {
		return fmt.Errorf("add the column of the oldest binary: %w", err)
	}
	if _, err := db.ExecContext(ctx, insertSQL, request.Version, s.beside[request.Version]); err != nil {
		return fmt.Errorf("record version %d: %w", request.Version, err)
	}
	return nil
}
