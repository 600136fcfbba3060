package impltest

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// pairs is a set of operations and statuses.
type pairs struct {
	mu  sync.Mutex
	set map[string]bool
}

var produced = pairs{set: map[string]bool{}}

func pairName(operation string, status string) string { return operation + " " + status }

func (p *pairs) add(operation string, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set[pairName(operation, strconv.Itoa(status))] = true
}

// missing lists what the contract declares and no test has produced.
func (p *pairs) missing() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var missing []string
	for _, item := range Contract().Paths.Map() {
		for _, op := range item.Operations() {
			for status := range op.Responses.Map() {
				if name := pairName(op.OperationID, status); !p.set[name] {
					missing = append(missing, name)
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// Main runs a package's tests on a PostgreSQL of their own. With complete it fails the run when a pair of operation
// and status that the contract declares was produced by no test; a run of selected tests is not judged.
func Main(m *testing.M, complete bool) {
	code := postgrestest.Run(m)
	if code == 0 && complete && !isSelection() {
		if missing := produced.missing(); len(missing) > 0 {
			fmt.Fprintf(os.Stderr, "FAIL: the contract declares what no test has produced: %q\n", missing)
			code = 1
		}
	}
	os.Exit(code)
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
