package transfer_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/transfer"
)

// load imports a file. It returns the report in one line, and a line with the place and the code of
// each problem.
func load(t *testing.T, h *impltest.Harness, system string, file []byte, dryRun bool) string {
	t.Helper()
	var problems strings.Builder
	source := transfer.Source{Now: h.Clock.Now()}
	if system != "" {
		s, err := transfer.NewSystem(system)
		if err != nil {
			t.Fatal(err)
		}
		source.System = &s
	}
	if system == "firebase" {
		text, err := os.ReadFile("testdata/firebase-hash.txt")
		if err != nil {
			t.Fatal(err)
		}
		if source.Firebase, err = transfer.ReadFirebaseHash(string(text)); err != nil {
			t.Fatal(err)
		}
	}
	reader, err := transfer.NewReader(bytes.NewReader(file), source)
	if err != nil {
		t.Fatal(err)
	}
	r, err := transfer.Import(t.Context(), h.Auth, reader, transfer.Options{
		DryRun: dryRun,
		OnProblem: func(p transfer.Problem) error {
			if p.Detail == "" {
				t.Errorf("%+v has no detail", p)
			}
			fmt.Fprintf(&problems, "line %d: %s %s\n", p.Line, p.Pointer, p.Code)
			return nil
		},
		OnBatch: func(*transfer.Report) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	return oneLine(r) + "\n" + problems.String()
}

// oneLine returns the counts of a report that are not zero.
func oneLine(r *transfer.Report) string {
	parts := []string{fmt.Sprintf("imported %d", r.Imported)}
	for _, count := range []struct {
		n    int
		name string
	}{{r.Existing, "existing"}, {r.NotImported, "not imported"}, {r.Renamed, "renamed"}} {
		if count.n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", count.name, count.n))
		}
	}
	for _, counts := range []map[string]int{r.Roles, r.Passwords, r.Behind} {
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
		}
	}
	return strings.Join(parts, ", ")
}
