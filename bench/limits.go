package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/argon2"

	"github.com/latchkey-auth/latchkey/impl/auth/password"
	ours "github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
)

// plainStatement is what one request to /api/users/me/ would ask the database, were it alone.
const plainStatement = `SELECT u.id, u.email, u.username, u.email_verified, u.is_active, u.is_superuser, u.created_at, u.updated_at,
	coalesce(s.expires_at > now() AND (u.tokens_not_before IS NULL OR s.created_at > u.tokens_not_before), false)
FROM users u LEFT JOIN sessions s ON s.id = :session AND s.user_id = u.id WHERE u.id = :id;
`

// statement is the text that the server has just asked for a user with, as PostgreSQL shows it, with pgbench's variables for its parameters: one user and
// one session.
func (b *bench) statement(ctx context.Context) (text string, err error) {
	conn, err := pgx.Connect(ctx, b.database.URL())
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close(context.Background())) }()
	err = conn.QueryRow(ctx, `SELECT query FROM pg_stat_activity WHERE application_name = 'latchkey' AND query LIKE '-- name: UserListBySession %' LIMIT 1`).Scan(&text)
	if err != nil {
		return "", fmt.Errorf("the server's statement: %w", err)
	}
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			lines = append(lines, line)
		}
	}
	return strings.NewReplacer("$1", ":now", "$2", ":ids", "$3", ":sessions").Replace(strings.Join(lines, "")) + ";\n", nil
}

var errNoPgbench = errors.New("there is no pgbench")

// pgbench answers how often a second a statement is answered on so many connections.
func (b *bench) pgbench(ctx context.Context, statement string, a account, connections int) (float64, error) {
	program, err := findPgbench()
	if err != nil {
		return 0, err
	}
	script := filepath.Join(b.dir, "me.sql")
	if err := os.WriteFile(script, []byte(statement), 0o644); err != nil {
		return 0, err
	}
	config, err := pgx.ParseConfig(b.database.URL())
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, program, "--no-vacuum", "-M", "prepared", "-f", script, "-D", "id="+a.id, "-D", "session="+a.session,
		"-D", "ids={"+a.id+"}", "-D", "sessions={"+a.session+"}", "-D", "now="+time.Now().UTC().Format(time.RFC3339Nano),
		"-c", strconv.Itoa(connections), "-j", strconv.Itoa(min(2, connections)), "-T", strconv.Itoa(max(1, int(b.duration.Seconds()))))
	cmd.Env = append(environ(), "PGHOST="+config.Host, "PGPORT="+strconv.Itoa(int(config.Port)), "PGUSER="+config.User,
		"PGPASSWORD="+config.Password, "PGDATABASE="+config.Database)
	out, err := cmd.CombinedOutput()
	found := regexp.MustCompile(`tps = ([0-9.]+)`).FindSubmatch(out)
	if err != nil || found == nil {
		return 0, fmt.Errorf("pgbench: %w: %s", err, out)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

// findPgbench finds it in the path, or in the folders in which Debian keeps it.
func findPgbench() (string, error) {
	if path, err := exec.LookPath("pgbench"); err == nil {
		return path, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	if err != nil || len(found) == 0 {
		return "", errNoPgbench
	}
	return found[len(found)-1], nil
}

// hashes answers how many hashes a second the processors make with the default parameters, all at work. Each worker makes its own.
func hashes(workers int, d time.Duration, worker func() (hash, end func())) float64 {
	var (
		mu    sync.Mutex
		count int
		wg    sync.WaitGroup
	)
	started := time.Now()
	for range workers {
		wg.Go(func() {
			hash, end := worker()
			defer end()
			for time.Since(started) < d {
				hash()
				mu.Lock()
				count++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return float64(count) / time.Since(started).Seconds()
}

// libraryArgon2id takes its memory anew for each hash, which the collector then cleans up.
func libraryArgon2id() (hash, end func()) {
	p, salt := password.DefaultParams, make([]byte, 16)
	return func() { argon2.IDKey([]byte(passphrase), salt, p.Passes, p.MemoryKiB, p.Lanes, 32) }, func() {}
}

// ownArgon2id is the server's, over memory that is kept: what bounds its log-ins.
func ownArgon2id() (hash, end func()) {
	p, salt, memory := password.DefaultParams, make([]byte, 16), new(ours.Memory)
	return func() { ours.Key(memory, []byte(passphrase), salt, p.Passes, p.MemoryKiB, p.Lanes, 32) }, memory.Free
}
