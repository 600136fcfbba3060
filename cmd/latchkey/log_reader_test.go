package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// A log whose reader has gone or has stopped reading, or that has no room, loses lines. It never
// delays a request or the shutdown.
func TestLogWithoutReader(t *testing.T) {
	t.Parallel()
	// A line of a request for path has more than 2 KiB. The pipe (64 KiB) and the waiting lines (1
	// MiB) hold fewer lines than the sleeping reader gets.
	path := "/api/" + strings.Repeat("%7F", 507)
	for name, row := range map[string]struct {
		requests int
		open     func(*testing.T) *os.File
	}{
		"reader gone": {8, func(t *testing.T) *os.File {
			r, w := pipe(t)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			return w
		}},
		"reader asleep": {700, func(t *testing.T) *os.File {
			_, w := pipe(t)
			return w
		}},
		"no room": {8, func(t *testing.T) *os.File {
			f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Close() })
			return f
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			metrics := freeAddr(t)
			environ := onDatabase(postgrestest.New(t), "LATCHKEY_METRICS_ADDR="+metrics, "LATCHKEY_RATE_LIMITS=off")
			p, server := serve(t, "/", environ, func(cmd *exec.Cmd) { cmd.Stderr = row.open(t) })
			for range row.requests {
				if a, err := get(server + path); a.status != 404 || err != nil {
					t.Fatalf("answered %d, %v", a.status, err)
				}
			}
			if err := eventually("a lost line is counted", func() bool {
				a, err := fetch("http://" + metrics + "/metrics")
				return err == nil && regexp.MustCompile(`(?m)^latchkey_log_lines_lost_total [1-9]`).MatchString(a.body)
			}); err != nil {
				t.Error(err)
			}
			p.stop(t)
		})
	}
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}

// The server runs even if nobody reads its address from stdout.
func TestStartLineWithoutReader(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	r, w := pipe(t)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	environ := append(onDatabase(postgrestest.New(t)), "LATCHKEY_ADDR="+addr)
	p, err := launch("/", environ, []string{"serve"}, func(cmd *exec.Cmd) { cmd.Stdout = w })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(t) })
	if err := eventually("the server is ready", func() bool {
		a, err := get("http://" + addr + "/readyz")
		return err == nil && a.status == 200
	}); err != nil {
		t.Fatal(err, p.stderr)
	}
	p.stop(t)
	if !p.stderr.contains("failed to print the start line") {
		t.Errorf("the log doesn't say so: %s", p.stderr)
	}
}
