package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// nobody is a key without a value.
const nobody = -1

// database returns a value for each key but nobody, once it may.
type database struct {
	let   chan error
	mu    sync.Mutex
	asked []int // how many keys each query carried
}

func (d *database) query(_ context.Context, keys []int) (map[int]string, error) {
	d.mu.Lock()
	d.asked = append(d.asked, len(keys))
	d.mu.Unlock()
	values := map[int]string{}
	for _, key := range keys {
		if key != nobody {
			values[key] = fmt.Sprint(key)
		}
	}
	err := <-d.let
	if errors.Is(err, errPanic) {
		panic(err)
	}
	return values, err
}

var errPanic, errBroken = errors.New("a mistake"), errors.New("broken")

func TestLoader(t *testing.T) {
	t.Parallel()
	various := func(n int) (keys []int) {
		for i := range n {
			keys = append(keys, i)
		}
		return keys
	}
	for name, c := range map[string]struct {
		keys  []int   // asked for while the runners are busy
		ends  []error // of the queries that follow, in any order
		asked []int   // how many keys each of these carried
	}{
		"none":          {nil, nil, nil},
		"share one":     {various(100), []error{nil}, []int{100}},
		"more than fit": {various(maxKeys + 1), []error{nil, nil}, []int{1, maxKeys}},
		"the same key":  {[]int{7, 7, 7, 8}, []error{nil}, []int{2}},
		"no value":      {[]int{nobody, 1}, []error{nil}, []int{2}},
		"an error":      {[]int{1, 2}, []error{errBroken}, []int{2}},
		"a panic":       {[]int{1, 2}, []error{errPanic}, []int{2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &database{let: make(chan error)}
				l := New(d.query)
				var callers sync.WaitGroup
				load := func(key int, want error) {
					callers.Go(func() {
						value, found, err := l.Load(key)
						switch {
						case want != nil:
							if err == nil || found {
								t.Errorf("key %d: %q, %v; want an error", key, value, err)
							}
						case err != nil || found != (key != nobody) || found && value != fmt.Sprint(key):
							t.Errorf("key %d: %q, %v, %v", key, value, found, err)
						}
					})
				}
				for i := range maxRunners {
					load(1000+i, nil)
					synctest.Wait()
				}
				var ends error
				if len(c.ends) > 0 {
					ends = c.ends[0]
				}
				for _, key := range c.keys {
					load(key, ends)
				}
				synctest.Wait()
				if len(d.asked) != maxRunners {
					t.Fatalf("%d queries run, want %d", len(d.asked), maxRunners)
				}
				for range maxRunners {
					d.let <- nil // what waits begins only now
				}
				for _, end := range c.ends {
					d.let <- end
				}
				callers.Wait()
				synctest.Wait()
				asked := d.asked[maxRunners:]
				slices.Sort(asked)
				if !slices.Equal(asked, c.asked) {
					t.Errorf("queries of %v keys, want %v", asked, c.asked)
				}
				if l.runners != 0 || len(l.waiting) != 0 {
					t.Errorf("%d run and %d wait at the end", l.runners, len(l.waiting))
				}
			})
		})
	}
}
