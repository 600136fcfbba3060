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
		sites, failures  int // of each
		itself, everyone bool
	}{
		{1, 149, false, false},
		{1, 150, true, false},
		{1, 100_000, true, false},
		{3, 100_000, true, false},
		{4, 149, false, false},
		{4, 150, true, true},
		{600, 1, false, true},
		{599, 1, false, false},
	} {
		t.Run(fmt.Sprintf("%d of %d", row.failures, row.sites), func(t *testing.T) {
			t.Parallel()
			var b brake
			now := time.Unix(1_800_000_000, 0)
			for i := range row.sites * row.failures {
				b.fail(fmt.Sprintf("site %d", i%row.sites), now)
			}
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
			check(now.Add(59*time.Second), row.itself, row.everyone)
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
