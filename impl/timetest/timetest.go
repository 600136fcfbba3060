// Package timetest compares what two pieces of work cost, for tests that must not depend on how fast a
// machine is.
package timetest

import "time"

const (
	// rounds is how often a pair is measured again while it looks worse than it should.
	rounds = 6
	// runs is how often each piece of work is done in a round; the shortest time counts.
	runs = 25
	// fair is the growth below which no further round is needed.
	fair = 10
)

// Growth returns how many times as long the second piece of work takes as the first, by the shortest of
// many runs of each, and the least of several rounds. What else the machine does makes a run longer,
// never shorter.
func Growth(small, large func()) float64 {
	least := -1.0
	for range rounds {
		growth := float64(shortest(large)) / float64(max(shortest(small), time.Microsecond))
		if least < 0 || growth < least {
			least = growth
		}
		if least < fair {
			break
		}
	}
	return least
}

func shortest(work func()) time.Duration {
	least := time.Duration(1<<63 - 1)
	for range runs {
		began := time.Now()
		work()
		least = min(least, time.Since(began))
	}
	return least
}
