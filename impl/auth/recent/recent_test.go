package recent

import "testing"

// The map never holds more than its size. It keeps the newest entries and those that are asked for.
func TestBound(t *testing.T) {
	t.Parallel()
	r := New[int, int](100)
	r.Add(-1, 1)
	for i := range 10_000 {
		r.Add(i, i)
		if _, ok := r.Get(-1); !ok {
			t.Fatalf("what is asked for all the time is forgotten after %d others", i)
		}
		if got := len(r.newer) + len(r.older); got > 100 {
			t.Fatalf("it holds %d entries", got)
		}
	}
	for i := 10_000 - 40; i < 10_000; i++ {
		if got, ok := r.Get(i); !ok || got != i {
			t.Errorf("%d: got %d, %v", i, got, ok)
		}
	}
	if _, ok := r.Get(0); ok {
		t.Error("the oldest is still there")
	}
}
