package auth

import (
	"fmt"
	"testing"
	"time"
)

// One site holds the brake for itself; it takes some to hold it for everybody.
func TestL5_BrakeBySite(t *testing.T) {
	t.Parallel()
	const stranger = "203.0.113.0/24"
	for _, row := range []struct {
		sites, failures  int // of each, at the beginning of each window
		windows          int
		itself, everyone bool
	}{
		{1, 149, 1, false, false},
		{1, 150, 1, true, false},
		{1, 100_000, 1, true, false},
		{1, 100_000, 2, true, false},
		{3, 100_000, 1, true, false},
		{3, 100_000, 2, true, false},
		{3, 100_000, 5, true, false},
		{4, 149, 1, false, false},
		{4, 150, 1, true, true},
		{4, 150, 2, true, true},
		{600, 1, 1, false, true},
		{599, 1, 1, false, false},
	} {
		t.Run(fmt.Sprintf("%d of %d in each of %d", row.failures, row.sites, row.windows), func(t *testing.T) {
			t.Parallel()
			var b brake
			now := time.Unix(1_800_000_000, 0)
			check := func(now time.Time, itself, everyone bool) {
				t.Helper()
				if got := b.holds("site 0", now); got != (itself || everyone) {
					t.Errorf("holds the site: %v", got)
				}
				if got := b.holds(stranger, now); got != everyone {
					t.Errorf("holds a stranger: %v", got)
				}
				if got := b.engaged(now); got != (itself || everyone) {
					t.Errorf("engaged: %v", got)
				}
			}
			for window := range row.windows {
				if window > 0 {
					now = now.Add(brakeWindow)
				}
				for i := range row.sites * row.failures {
					b.fail(fmt.Sprintf("site %d", i%row.sites), now)
				}
				for _, passed := range []time.Duration{0, 20 * time.Second, 59 * time.Second} {
					check(now.Add(passed), row.itself, row.everyone)
				}
			}
			check(now.Add(2*time.Minute), false, false)
			if len(b.present.bySite) > brakeFailures || len(b.earlier.bySite) > brakeFailures {
				t.Errorf("it remembers %d and %d sites", len(b.present.bySite), len(b.earlier.bySite))
			}
		})
	}
}

// The brake doesn't let go between two windows as long as the spraying lasts.
func TestL5_BrakeSlides(t *testing.T) {
	t.Parallel()
	var b brake
	now := time.Unix(1_800_000_000, 0)
	for i := range 40 * 60 { // twenty a second, for two minutes
		b.fail(fmt.Sprintf("site %d", i%20), now)
		if i > 20*61 && !b.holds("another", now) {
			t.Fatalf("it has let go after %s", now.Sub(time.Unix(1_800_000_000, 0)))
		}
		now = now.Add(50 * time.Millisecond)
	}
}

// Log-ins read the clock before they come to the brake, and so some are a little in its past: they let nothing go. A clock that is set back for good does.
func TestL5_BrakeInThePast(t *testing.T) {
	t.Parallel()
	const site = "203.0.113.0/24"
	for _, row := range []struct {
		back  time.Duration
		holds bool
	}{
		{time.Microsecond, true},
		{time.Second, true},
		{brakeWindow, true},
		{brakeWindow + 1, false},
		{24 * time.Hour, false},
	} {
		t.Run(row.back.String(), func(t *testing.T) {
			t.Parallel()
			var b brake
			now := time.Unix(1_800_000_000, 0)
			fail := func(times int, now time.Time) {
				for range times {
					b.fail(site, now)
				}
			}
			fail(100, now)
			now = now.Add(brakeWindow)
			fail(50, now) // the present window is a moment old, and the earlier one counts whole
			if !b.holds(site, now) {
				t.Fatal("it doesn't hold at first")
			}
			if got := b.holds(site, now.Add(-row.back)); got != row.holds {
				t.Errorf("holds: %v", got)
			}
			if b.holds("another", now) {
				t.Error("holds another")
			}
			if got := b.holds(site, now); got != row.holds {
				t.Errorf("holds thereafter: %v", got)
			}
		})
	}
	t.Run("it counts no more of what is earlier", func(t *testing.T) {
		t.Parallel()
		var b brake
		now := time.Unix(1_800_000_000, 0)
		for range 149 {
			b.fail(site, now)
		}
		now = now.Add(brakeWindow)
		if b.holds(site, now) || b.holds(site, now.Add(-time.Second)) {
			t.Error("149 hold")
		}
	})
}
