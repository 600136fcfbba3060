package impltest

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// pair is an operation of the contract and a status that it may answer.
type pair struct {
	operation string
	status    string
}

func (p pair) String() string { return p.operation + " " + p.status }

// coverage knows which tests have produced which pair, by the names of the top-level tests.
type coverage struct {
	mu    sync.Mutex
	tests map[pair]map[string]bool
}

var produced = coverage{tests: map[pair]map[string]bool{}}

// Record remembers that a test was answered a status that the contract declares. Others are left out.
func Record(tb testing.TB, method, path string, status int) {
	item := pathItem(path)
	if item == nil || item.GetOperation(method) == nil {
		return
	}
	test, _, _ := strings.Cut(tb.Name(), "/")
	produced.add(pair{item.GetOperation(method).OperationID, fmt.Sprint(status)}, test)
}

func (c *coverage) add(p pair, test string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tests[p] == nil {
		c.tests[p] = map[string]bool{}
	}
	c.tests[p][test] = true
}

// declared lists what the contract declares, in the order of names and numbers.
func declared() []pair {
	var all []pair
	for _, item := range Contract().Paths.Map() {
		for _, op := range item.Operations() {
			for status := range op.Responses.Map() {
				all = append(all, pair{op.OperationID, status})
			}
		}
	}
	slices.SortFunc(all, func(a, b pair) int {
		return cmp.Or(cmp.Compare(a.operation, b.operation), cmp.Compare(a.status, b.status))
	})
	return all
}

// missing lists what the contract declares and no test has produced.
func (c *coverage) missing() []pair {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(declared(), func(p pair) bool { return len(c.tests[p]) > 0 })
}

// witness answers the test that says most about a pair: the one that produces the fewest, of those the first by name. What
// sends anything at all is asked last.
func (c *coverage) witness(p pair) string {
	breadth := map[string]int{}
	for _, tests := range c.tests {
		for test := range tests {
			breadth[test]++
		}
	}
	isFuzz := func(test string) int {
		if strings.Contains(test, "Fuzz") {
			return 1
		}
		return 0
	}
	return slices.MinFunc(slices.Collect(maps.Keys(c.tests[p])), func(a, b string) int {
		return cmp.Or(cmp.Compare(isFuzz(a), isFuzz(b)), cmp.Compare(breadth[a], breadth[b]), cmp.Compare(a, b))
	})
}

var update = flag.Bool("update", false, "write docs/contract.md anew from what the tests have produced")

// Main runs a package's tests on a PostgreSQL of their own. With a matrix, the file that says which test produces which
// pair of operation and status, it fails the run when the contract declares a pair that no test has produced, or when the
// file isn't true; a run of selected tests is not judged.
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
	if err := checkExamples(); err != nil {
		return fmt.Errorf("the contract shows what it shouldn't: %w", err)
	}
	if *update {
		return os.WriteFile(file, []byte(c.matrix()), 0o644)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%w; make it by: go test ./impl -update", err)
	}
	if err := c.checkMatrix(string(text)); err != nil {
		return fmt.Errorf("%s: %w; make it anew by: go test ./impl -update", file, err)
	}
	return nil
}

// isSelection tells whether the run was asked for some of the tests only.
func isSelection() bool {
	for _, name := range []string{"test.run", "test.skip", "test.bench", "test.fuzz", "test.list"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return true
		}
	}
	return false
}
