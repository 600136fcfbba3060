package schema

import (
	"context"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
)

// Files holds the migrations of this binary.
var Files fs.FS = embedded

// Check reports what keeps files from being migrations.
func Check(files fs.FS) error {
	_, err := read(files)
	return err
}

// IsInTheWay reports whether a migration that failed with err is tried again.
func IsInTheWay(err error) bool { return isInTheWay(err) }

// MigrateFiles is [Migrate] with other migrations, and with less patience.
func MigrateFiles(ctx context.Context, config *pgx.ConnConfig, files fs.FS) (applied int, err error) {
	m, err := read(files)
	if err != nil {
		return 0, err
	}
	return migrate(ctx, config, m, patience{lock: 100 * time.Millisecond, pause: time.Millisecond})
}
