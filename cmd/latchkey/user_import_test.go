package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
	"github.com/latchkey-auth/latchkey/impl/transfer"
)

// An import that is killed anywhere and run again ends as one that was never killed. No batch is
// half done.
func TestKilledImport(t *testing.T) {
	t.Parallel()
	const users, batch = 4000, 1000
	dir := openFolder(t)
	var file strings.Builder
	for n := range users {
		fmt.Fprintf(&file, `{"id":"01981f6e-3f4a-7cc0-8f1e-%012x","external_id":"%d","email":"user%d@example.com","roles":["support"],`+
			`"password_hash":"$2b$04$2sIVHdxeJABuDeGPwDCN3OiWbiKv3T52e4dnDLl1r72TYYn8APtZ6","created_at":"2024-01-01T00:00:00Z"}`+"\n", n, n, n)
	}
	path := filepath.Join(dir, "users.jsonl")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	killed, whole := newImportDatabase(t, dir), newImportDatabase(t, dir)

	// The file stops after a batch and a half.
	p, stdin := killed.importFrom(t)
	head, _, _ := strings.Cut(file.String(), `{"id":"01981f6e-3f4a-7cc0-8f1e-`+fmt.Sprintf("%012x", batch+batch/2))
	if _, err := io.WriteString(stdin, head); err != nil {
		t.Fatal(err)
	}
	killed.await(t, p, batch)
	p.kill()
	p = killed.run(t, "user", "import", path)
	killed.await(t, p, 2*batch)
	p.kill()
	if n := killed.count(t); n%batch != 0 {
		t.Errorf("%d users were imported, which is no number of batches", n)
	}
	for _, db := range []*importDatabase{killed, whole} {
		if out := db.output(t, "user", "import", path); !regexp.MustCompile(`with problems +0\n`).MatchString(out) {
			t.Errorf("the last import says %s", out)
		}
	}
	if diff := cmp.Diff(whole.output(t, "user", "export", "--with-hashes"), killed.output(t, "user", "export", "--with-hashes")); diff != "" {
		t.Errorf("(-whole +killed):\n%.2000s", diff)
	}
	if out := killed.output(t, "user", "import", path); !regexp.MustCompile(`imported +0\nthere already +4000\n`).MatchString(out) {
		t.Errorf("another import says %s", out)
	}
}

// Ctrl-C ends an import that waits for its file.
func TestInterruptedImport(t *testing.T) {
	t.Parallel()
	db := newImportDatabase(t, openFolder(t))
	p, stdin := db.importFrom(t)
	for n := range 1001 {
		if _, err := fmt.Fprintf(stdin, `{"email":"user%d@example.com"}`+"\n", n); err != nil {
			t.Fatal(err)
		}
	}
	db.await(t, p, 1000)
	// More than a pipe holds: it is read once the lines of the batch are counted.
	if _, err := io.WriteString(stdin, strings.Repeat(" ", 128<<10)); err != nil {
		t.Fatal(err)
	}
	if err := p.signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	status, err := p.wait()
	if want := "latchkey: interrupted after 1000 lines; run the command again to go on\n"; status != 1 || err != nil || p.stderr.String() != want {
		t.Errorf("status %d, %v: %s", status, err, p.stderr)
	}
}

// The progress and the problems don't share a line of a terminal.
func TestImportProgress(t *testing.T) {
	t.Parallel()
	for onTerminal, want := range map[bool]string{
		false: "line 1001: /email email_taken: Line 1 has the same.\n",
		true:  "\r1000 lines\r\x1b[Kline 1001: /email email_taken: Line 1 has the same.\n",
	} {
		var screen strings.Builder
		out := importOutput{console: console{out: &screen, err: &screen}, onTerminal: onTerminal}
		out.progress(&transfer.Report{Imported: 1000})
		err := out.problem(transfer.Problem{Line: 1001, Pointer: "/email", Code: "email_taken", Detail: "Line 1 has the same."})
		if got := screen.String(); err != nil || got != want {
			t.Errorf("on a terminal %v: %q, want %q; %v", onTerminal, got, want, err)
		}
	}
}

// importDatabase is a database that the commands of a test work on.
type importDatabase struct {
	dir     string
	environ []string
	conn    *pgx.Conn
}

func newImportDatabase(t *testing.T, dir string) *importDatabase {
	t.Helper()
	url := postgrestest.New(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return &importDatabase{dir, append(testEnviron(), "LATCHKEY_DATABASE_URL="+url, "LATCHKEY_SECRET_KEY="+testKey), conn}
}

// importFrom starts an import of what is written to the pipe.
func (d *importDatabase) importFrom(t *testing.T) (*process, io.Writer) {
	t.Helper()
	var stdin io.Writer
	p := d.run(t, "user", "import", "-", func(cmd *exec.Cmd) {
		var err error
		if stdin, err = cmd.StdinPipe(); err != nil {
			t.Fatal(err)
		}
	})
	return p, stdin
}

// run starts a command. Its arguments are texts, and functions that adapt it.
func (d *importDatabase) run(t *testing.T, args ...any) *process {
	t.Helper()
	var (
		words  []string
		change []func(*exec.Cmd)
	)
	for _, arg := range args {
		switch arg := arg.(type) {
		case string:
			words = append(words, arg)
		case func(*exec.Cmd):
			change = append(change, arg)
		}
	}
	p, err := launch(d.dir, d.environ, words, change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// output runs a command to its end, and returns what it prints.
func (d *importDatabase) output(t *testing.T, args ...any) string {
	t.Helper()
	p := d.run(t, args...)
	if status, err := p.wait(); status != 0 || err != nil {
		t.Fatalf("%v: status %d, %v: %s", args, status, err, p.stderr)
	}
	return p.stdout.String()
}

func (d *importDatabase) count(t *testing.T) (users int) {
	t.Helper()
	err := d.conn.QueryRow(t.Context(), `SELECT CASE WHEN
			(SELECT count(*) FROM users) = (SELECT count(*) FROM events WHERE type = 'user.imported')
		THEN (SELECT count(*) FROM users) ELSE -1 END`).Scan(&users)
	if err != nil {
		t.Fatal(err)
	}
	return users
}

// await returns when that many users are there, or the process has ended.
func (d *importDatabase) await(t *testing.T, p *process, users int) {
	t.Helper()
	if err := eventually("users are imported", func() bool { return !p.running() || d.count(t) >= users }); err != nil {
		t.Fatal(err)
	}
	if d.count(t) < users {
		t.Fatalf("the import ended before it had %d users: %s%s", users, p.stdout, p.stderr)
	}
}
