// Package timetest compares the durations of two functions, for tests that must not depend on the
// speed of the machine.
package timetest

import "time"

const (
	// rounds is the largest number of measurements of a pair, while the growth isn't fair.
	rounds = 20
	// runs is the number of runs of each function in a round. The shortest one counts.
	runs = 25
	// fair is the growth below which no further round is needed.
	fair = 10
	// Bound is the growth that a test may bear where large has eight times the work of small. Work
	// that grows with the square takes 64 times as long; the rest is for caches and collections.
	Bound = 16
)

// Growth returns how many times as long large takes as small. It compares the shortest of many
// runs, in turns, and returns the smallest result of several rounds. Other load on the machine
// makes a run longer, never shorter.
func Growth(small, large func()) float64 {
	least := -1.0
	for range rounds {
		shortSmall, shortLarge := time.Hour, time.Hour
		for range runs {
			shortSmall = min(shortSmall, elapsed(small))
			shortLarge = min(shortLarge, elapsed(large))
		}
		growth := float64(shortLarge) / float64(max(shortSmall, time.Microsecond))
		if least < 0 || growth < least {
			least = growth
		}
		if least < fair {
			break
		}
	}
	return least
}

func elapsed(work func()) time.Duration {
	began := time.Now()
	work()
	return time.Since(began)
}
