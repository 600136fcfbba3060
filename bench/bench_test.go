package main

import (
	"errors"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestRun measures everything for a moment and checks that every row has its figures. The figures
// themselves don't matter here.
func TestRun(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "latchkey")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "./cmd/latchkey")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var out strings.Builder
	err := run(t.Context(), &out, options{
		binary:   binary,
		before:   binary,
		duration: 200 * time.Millisecond,
		rounds:   1,
		only:     strings.Join(partNames(), ","),
		users:    2000,
		moved:    2000,
		tries:    20,
	})
	if err != nil && !errors.Is(err, errTimesReveal) {
		t.Fatal(err)
	}
	rows := strings.Count(out.String(), "\n") - 2
	// A median of few tries may be zero, and so may the number of failed requests.
	measured := regexp.MustCompile(
		`(?m)^\| [^|]*(refused|failed)[^|]* \| [^|]*[0-9]|^\| [^|]+ \| [^|]*[1-9][^|]* \| [^|]*[1-9][^|]*%\)`,
	).FindAllString(
		out.String(),
		-1,
	)
	if rows < 50 || len(measured) != rows {
		t.Errorf("%d of %d rows have their figures:\n%s", len(measured), rows, &out)
	}
}

func TestNoBinary(t *testing.T) {
	t.Parallel()
	_, err := newBench(t.Context(), options{binary: filepath.Join(t.TempDir(), "latchkey")})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, fs.ErrNotExist)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var all table
	for _, rate := range []float64{120, 90, 150} {
		all.add(tree, "rate", perSecond, rate)
	}
	all.add(before, "rate", perSecond, 240)
	all.add(alone, "rate", perSecond, 1200)
	all.add(tree, "gap", difference, -1500)
	all.add(before, "gap", difference, 500)
	all.row("gap", difference).note = "small"
	var out strings.Builder
	all.print(&out)
	want := `| what | tree    | before (tree, of it) | beside it (tree, of it)      |
|---   |---      |---                   |---                           |
| rate | 120/s   | 240/s (50 %)         | argon2id alone 1200/s (10 %) |
| gap  | -1.5 µs | +0.5 µs              | small                        |
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
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
