package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

// measureMove measures the import of users into an empty database, and their export. A release
// before 0.7.0 has none: leave the part out with -only.
func (b *bench) measureMove(ctx context.Context, t *table) error {
	file := filepath.Join(b.dir, "users.jsonl")
	if err := writeRecords(file, b.moved); err != nil {
		return err
	}
	for range b.rounds {
		for _, r := range b.releases {
			imported, exported, err := b.move(ctx, r, file)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			t.add(r.name, fmt.Sprintf("import of %d users: rate", b.moved), perSecond, float64(b.moved)/imported.Seconds())
			t.add(r.name, fmt.Sprintf("export of %d users: rate", b.moved), perSecond, float64(b.moved)/exported.Seconds())
		}
	}
	return nil
}

// writeRecords makes a file of users with hashes, each a UserRecord of the contract.
func writeRecords(name string, users int) (err error) {
	hash, err := hashOf(cheapParams)
	if err != nil {
		return err
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := bufio.NewWriter(file)
	for n := 1; n <= users; n++ {
		_, _ = fmt.Fprintf(w, `{"external_id":"%d","email":%q,"username":%q,"email_verified":%t,"display_name":"User %d",`+
			`"app_metadata":{"plan":"pro"},"password_hash":%q,"created_at":"2025-01-01T00:00:00Z"}`+"\n",
			n, email(userName(n)), userName(n), n%2 == 0, n, hash)
	}
	return w.Flush()
}

// move imports a file into an empty database, exports it, and returns how long each took.
func (b *bench) move(ctx context.Context, r release, file string) (imported, exported time.Duration, err error) {
	run := func(args ...string) (out []byte, took time.Duration, err error) {
		cmd := exec.CommandContext(ctx, r.binary, args...)
		cmd.Env = b.environment(r)
		var log bytes.Buffer
		cmd.Stderr = &log
		started := time.Now()
		if out, err = cmd.Output(); err != nil {
			err = fmt.Errorf("%s: %w: %s%s", cmd, err, out[:min(len(out), 1000)], &log)
		}
		return out, time.Since(started), err
	}
	if _, _, err = run("migrate"); err != nil {
		return 0, 0, err
	}
	if err := r.removeUsers(ctx); err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, r.removeUsers(context.Background())) }() // the other parts make their own
	if _, imported, err = run("user", "import", file); err != nil {
		return 0, 0, err
	}
	out, exported, err := run("user", "export", "--with-hashes")
	if lines := bytes.Count(out, []byte("\n")); err == nil && lines != b.moved {
		err = fmt.Errorf("%d of %d users were exported", lines, b.moved)
	}
	return imported, exported, err
}

func (r release) removeUsers(ctx context.Context) error {
	return r.connected(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "TRUNCATE users CASCADE")
		return err
	})
}
