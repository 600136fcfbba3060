package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/latchkey-auth/latchkey/impl/postgres"
	"github.com/latchkey-auth/latchkey/schema"
)

// migrate brings the schema up to date and prints what it did.
func (r *root) migrate(ctx context.Context, s settings) (err error) {
	logger := newLogger(r.err, s.LogFormat, s.logLevel())
	db, err := openDatabase(ctx, s, postgres.Attach, s.DatabaseWait, r.console, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	applied, err := db.migrate(ctx, logger)
	if err != nil {
		return err
	}
	at, err := schema.Version(ctx, db.pool)
	if err != nil {
		return err
	}
	done := "nothing to apply"
	switch {
	case applied == 1:
		done = "applied 1 migration"
	case applied > 1:
		done = fmt.Sprintf("applied %d migrations", applied)
	}
	_, err = fmt.Fprintf(r.out, "%s: the schema of %s is at version %d\n", done, db.place, at)
	return err
}
