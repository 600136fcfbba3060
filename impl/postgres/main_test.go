package postgres

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/impl/postgres/temptest"
)

// helperVariable turns the test binary into a process that serves the named data folder until it is
// killed.
const helperVariable = "POSTGRES_TEST_SERVE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperVariable); dir != "" {
		s, err := Start(context.Background(), Options{DataDir: dir, Parameters: quick})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.URL())
		_, _ = io.Copy(io.Discard, os.Stdin) // stdin ends with the test
		_ = s.Stop(context.Background())
		os.Exit(0)
	}
	os.Exit(temptest.Run(m.Run))
}

// quick are parameters that make PostgreSQL faster and less durable.
var quick = map[string]string{"fsync": "off", "shared_buffers": "16MB"}

// dataFolder returns a path for a data folder. PostgreSQL's user can reach it, unlike the folders
// of package testing.
func dataFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "latchkey-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "data")
}

// madeFolder is a data folder that was used once.
var madeFolder = sync.OnceValues(func() (string, error) {
	above, err := os.MkdirTemp("", "latchkey-made-")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(above, "data")
	if err := os.Chmod(above, 0o711); err != nil {
		return "", err
	}
	s, err := Start(context.Background(), Options{DataDir: dir, Parameters: quick})
	if err != nil {
		return "", err
	}
	return dir, s.Stop(context.Background())
})

// usedFolder returns a copy of a data folder that was used once. To copy one costs a tenth of
// making its cluster.
func usedFolder(t *testing.T) string {
	t.Helper()
	from, err := madeFolder()
	if err != nil {
		t.Fatal(err)
	}
	dir := dataFolder(t)
	if output, err := exec.Command("cp", "-Rp", from, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return dir
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func testOptions(t *testing.T, dir string) Options {
	return Options{DataDir: dir, Parameters: quick, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// mustStart starts a server and stops it at the end of the test.
func mustStart(t *testing.T, options Options) *Server {
	t.Helper()
	s, err := Start(testContext(t), options)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() { mustStop(t, s) })
	return s
}

func mustStop(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

// query runs one statement and returns its single value as text.
func query(t *testing.T, url, sql string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var value string
	err = conn.QueryRow(ctx, sql).Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return value, err
}

func mustQuery(t *testing.T, url, sql string) string {
	t.Helper()
	value, err := query(t, url, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// eventually polls is until it returns true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("after 30 s this is still not true: %s", what)
		}
		if err := pause(t.Context(), 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

func openTestFolder(t *testing.T, dir string) folder {
	t.Helper()
	f, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// serveElsewhere runs a server in another process. It returns the process once the server accepts
// connections.
func serveElsewhere(t *testing.T, dir string) (process *os.Process, url string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperVariable+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait() // the test itself killed the helper
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "postgres://") {
		t.Fatalf("the other process: %q, %v", line, err)
	}
	return cmd.Process, strings.TrimSpace(line)
}
