package impl_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/impltest/contractfuzz"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

var (
	contractFuzzSeed  = flag.Uint64("contractfuzz.seed", 1, "seed of the requests made from the contract; 0 for a random one")
	contractFuzzN     = flag.Int("contractfuzz.n", 600, "how many of them are made, at least one of each kind")
	contractFuzzIndex = flag.Int("contractfuzz.index", -1, "make this one only")
)

// maxBody is what the contract's 413 says, in bytes.
const maxBody = 64 << 10

// Requests made from the contract's schemas: valid ones are not refused for their shape, those that are broken in one place are,
// none is answered 5xx, and every answer is declared.
func TestContractFuzz(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	fuzzer := newContractFuzzer(t, h)
	seed := *contractFuzzSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	if *contractFuzzIndex >= 0 {
		if _, err := tryCase(t, h, fuzzer.Case(seed, *contractFuzzIndex)); err != nil {
			t.Error(err)
		}
		return
	}
	n := max(*contractFuzzN, fuzzer.Rounds())
	t.Logf("seed %d, %d requests", seed, n)

	const workers = 8
	var (
		next   atomic.Int64
		counts = counter{sent: map[string]int{}, failed: map[string]int{}, statuses: map[string]map[int]int{}}
		wg     sync.WaitGroup
	)
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				c := fuzzer.Case(seed, i)
				// One of each kind is enough to read.
				if status, err := tryCase(t, h, c); counts.add(c, status, err != nil) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	counts.report(t)
}

// newContractFuzzer makes the fuzzer, and the user of the contract's examples.
func newContractFuzzer(t *testing.T, h *impltest.Harness) *contractfuzz.Fuzzer {
	t.Helper()
	h.MustRegister(t, "ada")
	// A user for each request: one may end all of its user's sessions.
	var users atomic.Int64
	credentials := func() (token string, params map[string]string) {
		name := fmt.Sprintf("fuzzed-%d", users.Add(1))
		granted, err := h.Auth.Register(t.Context(), auth.Caller{}, auth.Registration{
			Email: name + "@example.com", Username: name, Password: secret.New(impltest.Password),
		})
		if err != nil {
			t.Error(err)
			return "", nil
		}
		return granted.Access.Text.Reveal(), map[string]string{"session_id": granted.Access.Claims.SessionID.String()}
	}
	fuzzer, err := contractfuzz.New(impltest.Contract(), contractfuzz.Options{Credentials: credentials, MaxBody: maxBody})
	if err != nil {
		t.Fatalf("the contract says what the fuzzer doesn't know; teach it: %v", err)
	}
	return fuzzer
}

// tryCase sends a request, holds the answer to the contract and judges it.
func tryCase(t *testing.T, h *impltest.Harness, c *contractfuzz.Case) (status int, err error) {
	r, err := c.Request(t.Context(), h.URL)
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, c)
	}
	a, err := h.Try(t, r)
	if err == nil {
		err = c.Judge(a.Status, a.Body)
	}
	if err == nil {
		return a.Status, nil
	}
	return a.Status, fmt.Errorf("%w\n%s\n\nanswered: %d %s\nagain: go test ./impl -run '^TestContractFuzz$' -contractfuzz.seed=%d -contractfuzz.index=%d",
		err, c, a.Status, a.Body, c.Seed, c.Index)
}

// counter counts requests by operation and kind, and answers by operation, validity and status.
type counter struct {
	mu           sync.Mutex
	sent, failed map[string]int
	statuses     map[string]map[int]int
}

const validKind, brokenKind = "valid", "broken"

// add tells whether this is the first of its kind that has failed.
func (c *counter) add(of *contractfuzz.Case, status int, failed bool) (first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	half := of.Operation + " " + brokenKind
	if of.Valid {
		half = of.Operation + " " + validKind
	}
	if c.statuses[half] == nil {
		c.statuses[half] = map[int]int{}
	}
	c.statuses[half][status]++
	name := half + ": " + of.Name()
	c.sent[name]++
	if failed {
		c.failed[name]++
	}
	return failed && c.failed[name] == 1
}

// report shows the counts. It fails where an operation of the contract got no broken request, or no valid one that
// succeeded: refusals alone would prove nothing.
func (c *counter) report(t *testing.T) {
	t.Helper()
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c.sent)) {
		fmt.Fprintf(&lines, "\n%6d %6d %s", c.sent[name], c.failed[name], name)
	}
	t.Logf("%d kinds; requests, failures, kind:%s", len(c.sent), lines.String())
	for _, half := range slices.Sorted(maps.Keys(c.statuses)) {
		t.Logf("%s: answers by status %v", half, c.statuses[half])
	}
	succeeded := func(status int) bool { return status < 400 }
	for _, item := range impltest.Contract().Paths.Map() {
		for _, op := range item.Operations() {
			if len(c.statuses[op.OperationID+" "+brokenKind]) == 0 {
				t.Errorf("%s got no broken request", op.OperationID)
			}
			if statuses := c.statuses[op.OperationID+" "+validKind]; !slices.ContainsFunc(slices.Collect(maps.Keys(statuses)), succeeded) {
				t.Errorf("%s got no valid request that succeeded: %v", op.OperationID, statuses)
			}
		}
	}
}
