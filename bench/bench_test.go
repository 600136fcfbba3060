package main

import (
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
	err := run(t.Context(), &out, options{binary: binary, duration: 200 * time.Millisecond, rounds: 1, users: 2000, tries: 20, before: binary})
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Count(out.String(), "\n") - 2
	measured := regexp.MustCompile(`(?m)^\| [^|]+ \| [^|]*[1-9][^|]*\|`).FindAllString(out.String(), -1)
	if rows < 20 || len(measured) != rows {
		t.Errorf("%d of %d rows have a figure:\n%s", len(measured), rows, &out)
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
