package auth

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestProcessors: raised once before the first calculation, and lowered once, a while after the last.
func TestProcessors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var set []int
		p := processors{quiet: 2, busy: 4, set: func(n int) { set = append(set, n) }}
		want := func(what string, want ...int) {
			t.Helper()
			synctest.Wait()
			if !slices.Equal(set, want) {
				t.Errorf("%s: set to %v, want %v", what, set, want)
			}
		}
		p.begin()
		p.begin()
		want("two", 4)
		p.end()
		time.Sleep(2 * linger)
		want("one is left", 4)
		p.end()
		time.Sleep(linger - time.Millisecond)
		want("just ended", 4)
		p.begin()
		time.Sleep(2 * linger)
		want("began anew", 4)
		p.end()
		time.Sleep(linger + time.Millisecond)
		want("quiet", 4, 2)
		p.begin()
		want("again", 4, 2, 4)
		p.end()
		time.Sleep(2 * linger)
	})
}
