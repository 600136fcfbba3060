package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestMain lets this program be the echo server too, as the command does.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == echoCommand {
		exit(serveEcho(os.Args[2], os.Args[3]))
	}
	os.Exit(m.Run())
}

// TestRun measures everything for a moment, and asks whether each row has come out. What it says of time is nobody's business here.
func TestRun(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "latchkey")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "../cmd/latchkey").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var out strings.Builder
	err := run(t.Context(), &out, options{binary: binary, duration: 200 * time.Millisecond, steady: time.Second, rounds: 1, users: 2000, tries: 20, before: binary})
	if err != nil && !errors.Is(err, errTimesTell) {
		t.Fatal(err)
	}
	rows := strings.Count(out.String(), "\n") - 2
	// A part of the profile may be too small to be seen, and nothing need fail.
	measured := regexp.MustCompile(`(?m)^\| [^|]*(profile: |failed)[^|]* \| [^|]*[0-9]|^\| [^|]+ \| [^|]*[1-9][^|]*\|`).FindAllString(out.String(), -1)
	if rows < 50 || len(measured) != rows {
		t.Errorf("%d of %d rows have a figure:\n%s", len(measured), rows, &out)
	}
}

// TestProfile sums up stacks as pprof prints them.
func TestProfile(t *testing.T) {
	p := profiled{cpu: 100 * time.Microsecond, total: map[string]time.Duration{}, kernel: map[string]time.Duration{}}
	err := p.read(strings.NewReader(`File: latchkey
Type: cpu
-----------+-------------------------------------------------------
      10ms   internal/runtime/syscall/linux.Syscall6
             os.(*File).Write
             log/slog.(*commonHandler).handle
             net/http.(*conn).serve
-----------+-------------------------------------------------------
        1s   runtime.futex
             runtime.findRunnable (inline)
             runtime.mcall
-----------+-------------------------------------------------------
      20ms   strings.Index (inline)
             github.com/latchkey-auth/latchkey/impl.(*Server).ServeHTTP
             net/http.(*conn).serve
-----------+-------------------------------------------------------
     970ms   main.main
`))
	if err != nil {
		t.Fatal(err)
	}
	for part, want := range map[string]string{
		"the log's line":                          "0 %, 0.5 µs (0.5 µs in the kernel)",
		"Go's scheduler and poller":               "50 %, 50.0 µs (50.0 µs in the kernel)",
		"echo and what stands before the handler": "1 %, 1.0 µs (0.0 µs in the kernel)",
		everythingElse:                            "48 %, 48.5 µs (0.0 µs in the kernel)",
		"":                                        "100 %, 100.0 µs (50.5 µs in the kernel)",
	} {
		if got := p.share(part); got != want {
			t.Errorf("%q: got %s, want %s", part, got, want)
		}
	}
}

func TestQuantile(t *testing.T) {
	var times []time.Duration
	for i := range 101 {
		times = append(times, time.Duration(i))
	}
	for q, want := range map[float64]time.Duration{0: 0, 0.5: 50, 0.99: 99, 1: 100} {
		if got := quantile(times, q); got != want {
			t.Errorf("%g: got %d, want %d", q, got, want)
		}
	}
}
