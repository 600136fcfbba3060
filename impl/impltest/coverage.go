package impltest

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// outcome is an operation of the contract, a status of it, and for an error its code.
type outcome struct {
	operation string
	status    string
	code      string
}

func (o outcome) String() string {
	return strings.TrimSpace(o.operation + " " + o.status + " " + o.code)
}

// coverage records which tests have produced which outcomes. Tests are the top-level tests, by
// name.
type coverage struct {
	mu    sync.Mutex
	tests map[outcome]map[string]bool
}

var produced = coverage{tests: map[outcome]map[string]bool{}}

// Record records the outcome of a test's request to an operation of the contract. It ignores other
// requests.
func Record(tb testing.TB, method, path string, a Answer) {
	item := pathItem(path)
	if item == nil || item.GetOperation(method) == nil {
		return
	}
	o := outcome{operation: item.GetOperation(method).OperationID, status: strconv.Itoa(a.Status)}
	if a.Status >= http.StatusBadRequest {
		o.code = a.Text("code")
	}
	test, _, _ := strings.Cut(tb.Name(), "/")
	produced.add(o, test)
}

func (c *coverage) add(o outcome, test string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tests[o] == nil {
		c.tests[o] = map[string]bool{}
	}
	c.tests[o][test] = true
}

// declared returns the outcomes that the contract declares, sorted by operation, status and code.
func declared() []outcome {
	var all []outcome
	for _, item := range Contract().Paths.Map() {
		for _, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				codes := codesOf(response.Value)
				if len(codes) == 0 {
					codes = []string{""}
				}
				for _, code := range codes {
					all = append(all, outcome{op.OperationID, status, code})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b outcome) int {
		return cmp.Or(cmp.Compare(a.operation, b.operation), cmp.Compare(a.status, b.status), cmp.Compare(a.code, b.code))
	})
	return all
}

// missing returns the declared outcomes that no test has produced.
func (c *coverage) missing() []outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(declared(), func(o outcome) bool { return len(c.tests[o]) > 0 })
}

// witness returns the most specific test of an outcome. That is the test with the fewest outcomes;
// the name decides between equal ones. Tests that depend on chance come last.
func (c *coverage) witness(o outcome) string {
	breadth := map[string]int{}
	for _, tests := range c.tests {
		for test := range tests {
			breadth[test]++
		}
	}
	// What such a test produces depends on chance.
	isChance := func(test string) int {
		for _, word := range []string{"Fuzz", "Race", "Beside"} {
			if strings.Contains(test, word) {
				return 1
			}
		}
		return 0
	}
	return slices.MinFunc(slices.Collect(maps.Keys(c.tests[o])), func(a, b string) int {
		return cmp.Or(cmp.Compare(isChance(a), isChance(b)), cmp.Compare(breadth[a], breadth[b]), cmp.Compare(a, b))
	})
}

var update = flag.Bool("update", false, "write docs/contract.md and docs/access.md")

// Main runs a package's tests on a PostgreSQL of their own. The argument matrix is the path of the
// page that names a test for each outcome. The run fails if a declared outcome has no test, or if
// the page isn't true. Runs of selected tests, and runs with an empty matrix, aren't checked.
func Main(m *testing.M, matrix string) {
	code := postgrestest.Run(m)
	if code == 0 && matrix != "" && !isSelection() {
		if err := produced.judge(matrix); err != nil {
			fmt.Fprintf(os.Stderr, "FAIL: %v\n", err)
			code = 1
		}
	}
	os.Exit(code)
}

func (c *coverage) judge(file string) error {
	if missing := c.missing(); len(missing) > 0 {
		return fmt.Errorf("the contract declares what no test has produced: %v", missing)
	}
	if unsent := unsentValues(); len(unsent) > 0 {
		return fmt.Errorf("the contract lists values that no test has received: %q", unsent)
	}
	if err := checkExamples(); err != nil {
		return fmt.Errorf("an example of the contract is wrong: %w", err)
	}
	text, err := os.ReadFile(file)
	if *update {
		return os.WriteFile(file, []byte(c.matrix(string(text))), 0o644) // the page need not exist yet
	}
	if err != nil {
		return fmt.Errorf("%w; create it with: go test ./impl -update", err)
	}
	if err := c.checkMatrix(string(text)); err != nil {
		return fmt.Errorf("%s: %w; recreate it with: go test ./impl -update", file, err)
	}
	return nil
}

// isSelection reports whether the run is limited to some of the tests.
func isSelection() bool {
	for _, name := range []string{"test.run", "test.skip", "test.bench", "test.fuzz", "test.list"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return true
		}
	}
	return false
}
