package auth

import (
	"sync"
	"time"
)

const (
	// brakeFailures within brakeWindow, at this instance, are more than people make: somebody sprays passwords.
	brakeFailures = 600
	brakeWindow   = time.Minute
	// brakeSite is how many of them count of one site, see [siteOf], so that it takes four to hold the brake for everybody. A site that
	// has so many is held by itself. It is more than one address has in its budget.
	brakeSite = 150
	// brakeWeight is by how much an attempt then costs an address more. Whoever comes with a few attempts, as
	// people do, is still not held back.
	brakeWeight = 10
)

// brake notices when passwords are sprayed over many accounts from many addresses, so that neither budget is used up, and
// makes an address's attempts dearer: of all addresses, or of those of a site where only that one sprays. It counts at one instance: it is
// a coarse means, and with more instances it takes hold a little later. Its zero value is ready.
type brake struct {
	mu               sync.Mutex
	started          time.Time // of the present window
	present, earlier failures  // in the present window, and in the one before it
}

// failures are those of a window that count: no more than brakeFailures, and so of no more sites.
type failures struct {
	all    int
	bySite map[string]int
}

// fail counts a failed log-in.
func (b *brake) fail(site string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roll(now)
	if b.present.all >= brakeFailures || b.present.bySite[site] >= brakeSite {
		return
	}
	if b.present.bySite == nil {
		b.present.bySite = make(map[string]int)
	}
	b.present.all++
	b.present.bySite[site]++
}

// engaged tells whether the brake holds anybody.
func (b *brake) engaged(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roll(now)
	if b.holdsAll(now) {
		return true
	}
	for _, window := range []failures{b.present, b.earlier} {
		for site := range window.bySite {
			if b.holdsSite(site, now) {
				return true
			}
		}
	}
	return false
}

// holds tells whether the brake holds a site, by itself or with all others.
func (b *brake) holds(site string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roll(now)
	return b.holdsAll(now) || b.holdsSite(site, now)
}

// holdsAll counts brakeSite of a site at most, over both windows together. Only while there are enough failures for that to matter does it
// look at each site.
func (b *brake) holdsAll(now time.Time) bool {
	if b.sliding(b.present.all, b.earlier.all, now) < brakeFailures {
		return false
	}
	count, others := 0.0, b.earlier.all // others are of sites that have none in the present window, and so no more than brakeSite
	for site, present := range b.present.bySite {
		earlier := b.earlier.bySite[site]
		count += min(b.sliding(present, earlier, now), brakeSite)
		others -= earlier
	}
	return count+b.sliding(0, others, now) >= brakeFailures
}

func (b *brake) holdsSite(site string, now time.Time) bool {
	return b.sliding(b.present.bySite[site], b.earlier.bySite[site], now) >= brakeSite
}

// sliding is the count of the last brakeWindow, of that in the present window and that in the one before it.
func (b *brake) sliding(present, earlier int, now time.Time) float64 {
	left := min(1, 1-float64(now.Sub(b.started))/float64(brakeWindow))
	return float64(present) + left*float64(earlier)
}

// roll begins another window when it is time. Who has read the clock before another, and comes after it, is a little in the past: that is
// still the present window. Only a clock that was set back by more than a window begins anew.
func (b *brake) roll(now time.Time) {
	switch passed := now.Sub(b.started); {
	case passed < -brakeWindow || passed >= 2*brakeWindow:
		b.started, b.present, b.earlier = now, failures{}, failures{}
	case passed >= brakeWindow:
		b.started, b.present, b.earlier = b.started.Add(brakeWindow), failures{}, b.present
	}
}

// weigh is the budget of a site's address as the brake leaves it: with the same window, and fewer attempts in it.
func (b *brake) weigh(address Budget, site string, now time.Time) Budget {
	if b.holds(site, now) {
		address.Quota /= brakeWeight
		address.Step *= brakeWeight
	}
	return address
}
