package hashqueue

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
)

// gauge counts the memory that is in use at the same time.
type gauge struct {
	mu            sync.Mutex
	now, greatest uint64
	jobs          int
	alone         bool // whether each that is larger than the budget was
}

// use counts the memory of some work while it is done.
func (g *gauge) use(bytes, budget uint64, work func()) {
	g.mu.Lock()
	g.now += bytes
	g.jobs++
	if bytes <= budget {
		g.greatest = max(g.greatest, g.now)
	}
	if bytes > budget || g.now > budget {
		g.alone = g.alone && g.jobs == 1
	}
	g.mu.Unlock()
	work()
	g.mu.Lock()
	g.now -= bytes
	g.jobs--
	g.mu.Unlock()
}

// F-10: under a flood of hashes of all sizes, the memory that is used and kept stays within the
// budget. A hash that is larger than the budget runs alone.
func TestF10_BytesStayWithinTheBudget(t *testing.T) {
	t.Parallel()
	const workers, budget = 4, 4 * share
	q := newQueue(t, workers, time.Minute)
	var (
		g  = gauge{alone: true}
		wg sync.WaitGroup
		r  = rand.New(rand.NewPCG(1, 2))
	)
	check := func(bytes uint64) {
		if held := q.Stats().Bytes; held > max(budget, bytes) {
			t.Errorf("%d bytes are held beside work of %d, and the budget is %d", held, bytes, budget)
		}
	}
	for i := range 100 {
		bytes := []uint64{1 << 10, share, share, 2 * share, 3 * share, budget, 2 * budget}[r.IntN(7)]
		wg.Go(func() {
			err := q.Do(t.Context(), Line(i%int(lines)), "", bytes, func(m *argon2id.Memory) {
				g.use(max(bytes, share), budget, func() {
					check(bytes)
					words := m.Words(int(bytes / 4))
					words[0], words[len(words)-1] = 1, 1
					if m.Bytes() > max(bytes, share) {
						t.Errorf("work of %d bytes has %d of memory", bytes, m.Bytes())
					}
					check(bytes)
				})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	t.Logf("%d bytes at once, and the budget is %d", g.greatest, budget)
	if g.greatest > budget || !g.alone || g.now != 0 {
		t.Errorf("%d bytes at once, want at most %d; large ones alone: %t", g.greatest, budget, g.alone)
	}
	eventually(t, func() bool { return q.Stats().Bytes == 0 }) // what was kept is freed
}

// Work of several sizes runs at the same time, as long as it fits.
func TestAsMuchRunsAsFits(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 4, time.Minute)
	var wg sync.WaitGroup
	end := make(chan struct{})
	for i, bytes := range []uint64{2 * share, 1, share, share} {
		wg.Go(func() {
			if err := q.Do(t.Context(), Login, "", bytes, func(*argon2id.Memory) { <-end }); err != nil {
				t.Error(err)
			}
		})
		eventually(t, func() bool { stats := q.Stats(); return stats.Running+stats.Waiting == i+1 })
	}
	want := Stats{Running: 3, Waiting: 1, Bytes: 4 * share}
	if got := q.Stats(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	close(end)
	wg.Wait()
}

// Work that waits for memory isn't overtaken. The work behind it runs when it is done.
func TestLargeWorkIsNotOvertaken(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 2, time.Minute)
	release := occupy(t, q)
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		order []string
	)
	note := func(name string) func(*argon2id.Memory) {
		return func(*argon2id.Memory) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, name)
		}
	}
	var both sync.WaitGroup
	both.Add(2)
	meet := func(m *argon2id.Memory) { // it ends when two workers do it at once
		note("small")(m)
		both.Done()
		both.Wait()
	}
	wg.Go(func() {
		if err := q.Do(t.Context(), Login, "", 3*share, note("large")); err != nil {
			t.Error(err)
		}
	})
	eventually(t, func() bool { return q.Stats().Waiting == 1 })
	enqueue(t, &wg, q, Login, "", meet)
	enqueue(t, &wg, q, Login, "", meet)
	if got := q.Stats(); got.Running != 1 || got.Waiting != 3 {
		t.Errorf("beside work that fits and work that doesn't: %+v", got)
	}
	release()
	wg.Wait()
	if !slices.Equal(order, []string{"large", "small", "small"}) {
		t.Errorf("got %q", order)
	}
}

// When work that waits for memory is given up, the work behind it runs.
func TestWorkBehindLargeWorkThatIsGivenUp(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 2, time.Minute)
	release := occupy(t, q)
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := q.Do(ctx, Login, "", 3*share, nothing); err == nil {
			t.Error("it has run beside other work")
		}
	})
	eventually(t, func() bool { return q.Stats().Waiting == 1 })
	ran := make(chan struct{})
	enqueue(t, &wg, q, Login, "", func(*argon2id.Memory) { close(ran) })
	cancel()
	<-ran
	wg.Wait()
}

// Ordinary work finds the memory of the work before it, cleared.
func TestMemoryIsKeptAndCleared(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, time.Minute)
	q.keeper.Stop() // what is kept stays
	use := func(work func(*argon2id.Memory)) {
		if err := q.Do(t.Context(), Login, "", share, work); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return q.Stats().Running == 0 })
	}
	use(func(m *argon2id.Memory) { m.Words(share / 4)[5] = 7 })
	if got := q.Stats().Bytes; got != share {
		t.Errorf("%d bytes are kept", got)
	}
	use(func(m *argon2id.Memory) {
		if m.Bytes() != share {
			t.Errorf("work begins with %d bytes", m.Bytes())
		}
		if got := m.Words(share / 4)[5]; got != 0 {
			t.Errorf("it finds %d", got)
		}
	})
	q.freeKept()
	if got := q.Stats().Bytes; got != 0 {
		t.Errorf("%d bytes are kept", got)
	}
}

// Kept memory is freed for large work, whether a new worker begins it or one that has just ended
// other work.
func TestKeptMemoryIsFreedForLargeWork(t *testing.T) {
	t.Parallel()
	for name, occupied := range map[string]bool{"a new worker": false, "a worker with other work": true} {
		q := newQueue(t, 2, time.Minute)
		q.keeper.Stop()
		q.kept = []*argon2id.Memory{{}, {}}
		release := func() {}
		if occupied {
			release = occupy(t, q)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := q.Do(t.Context(), Login, "", 2*share, func(*argon2id.Memory) {
				if got := q.Stats().Bytes; got != 2*share {
					t.Errorf("%s: %d bytes are held, of a budget of %d", name, got, 2*share)
				}
			}); err != nil {
				t.Error(err)
			}
		})
		if occupied {
			eventually(t, func() bool { return q.Stats().Waiting == 1 })
		}
		release()
		wg.Wait()
	}
}
