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
		if err := tryCase(t, h, fuzzer.Case(seed, *contractFuzzIndex)); err != nil {
			t.Error(err)
		}
		return
	}
	n := max(*contractFuzzN, fuzzer.Rounds())
	t.Logf("seed %d, %d requests", seed, n)

	const workers = 8
	var (
		next   atomic.Int64
		counts = counter{sent: map[string]int{}, failed: map[string]int{}}
		wg     sync.WaitGroup
	)
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				c := fuzzer.Case(seed, i)
				// One of each kind is enough to read.
				if err := tryCase(t, h, c); counts.add(c, err != nil) {
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
	token := func() string {
		_, token, err := h.Auth.Login(t.Context(), "ada@example.com", auth.NewSecret(impltest.Password))
		if err != nil {
			t.Error(err)
		}
		return token.Text.Reveal()
	}
	fuzzer, err := contractfuzz.New(impltest.Contract(), contractfuzz.Options{Token: token, MaxBody: maxBody})
	if err != nil {
		t.Fatalf("the contract says what the fuzzer doesn't know; teach it: %v", err)
	}
	return fuzzer
}

// tryCase sends a request, holds the answer to the contract and judges it.
func tryCase(t *testing.T, h *impltest.Harness, c *contractfuzz.Case) error {
	r, err := c.Request(t.Context(), h.URL)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, c)
	}
	a, err := h.Try(r)
	if err == nil {
		err = c.Judge(a.Status, a.Body)
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w\n%s\n\nanswered: %d %s\nagain: go test ./impl -run '^TestContractFuzz$' -contractfuzz.seed=%d -contractfuzz.index=%d",
		err, c, a.Status, a.Body, c.Seed, c.Index)
}

// counter counts requests by operation and kind.
type counter struct {
	mu           sync.Mutex
	sent, failed map[string]int
}

// add tells whether this is the first of its kind that has failed.
func (c *counter) add(of *contractfuzz.Case, failed bool) (first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := of.Operation + " " + of.Name()
	c.sent[name]++
	if failed {
		c.failed[name]++
	}
	return failed && c.failed[name] == 1
}

// report shows the counts, and fails where an operation of the contract got no valid or no broken request.
func (c *counter) report(t *testing.T) {
	t.Helper()
	names := slices.Sorted(maps.Keys(c.sent))
	var lines strings.Builder
	for _, name := range names {
		fmt.Fprintf(&lines, "\n%6d %6d %s", c.sent[name], c.failed[name], name)
	}
	t.Logf("%d kinds: requests, failures, kind%s", len(names), lines.String())
	for _, item := range impltest.Contract().Paths.Map() {
		for _, op := range item.Operations() {
			for _, prefix := range []string{op.OperationID + " valid: ", op.OperationID + " broken: "} {
				if !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, prefix) }) {
					t.Errorf("no request was made of those whose name begins with %q", prefix)
				}
			}
		}
	}
}
