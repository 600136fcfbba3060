package auth

import (
	"sync"
	"time"
)

const (
	// brakeFailures within brakeWindow, at this instance, are more than people make: somebody sprays passwords.
	brakeFailures = 600
	brakeWindow   = time.Minute
	// brakeWeight is by how much an attempt then costs an address more. Whoever comes with a few attempts, as
	// people do, is still not held back.
	brakeWeight = 10
)

// brake notices when passwords are sprayed over many accounts from many addresses, so that neither budget is used up, and
// makes an address's attempts dearer. It counts at one instance: it is a coarse means, and with more instances it takes hold
// a little later. Its zero value is ready.
type brake struct {
	mu                sync.Mutex
	started           time.Time // of the present window
	failures, earlier int       // in the present window, and in the one before it
}

// fail counts a failed log-in.
func (b *brake) fail(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roll(now)
	b.failures++
}

// engaged tells whether the brake holds: the failures of the last window, sliding.
func (b *brake) engaged(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roll(now)
	left := 1 - float64(now.Sub(b.started))/float64(brakeWindow)
	return float64(b.failures)+left*float64(b.earlier) >= brakeFailures
}

func (b *brake) roll(now time.Time) {
	switch passed := now.Sub(b.started); {
	case passed < 0 || passed >= 2*brakeWindow:
		b.started, b.failures, b.earlier = now, 0, 0
	case passed >= brakeWindow:
		b.started, b.failures, b.earlier = b.started.Add(brakeWindow), 0, b.failures
	}
}

// weigh is an address's budget as the brake leaves it: with the same window, and fewer attempts in it.
func (b *brake) weigh(address Budget, now time.Time) Budget {
	if b.engaged(now) {
		address.Quota /= brakeWeight
		address.Step *= brakeWeight
	}
	return address
}
