// Package timetest compares the durations of two functions, for tests that must not depend on the
// speed of the machine.
package timetest

import "time"

const (
	// rounds is the largest number of measurements of a pair, while the growth isn't fair.
	rounds = 6
	// runs is the number of runs of each function in a round. The shortest one counts.
	runs = 25
	// fair is the growth below which no further round is needed.
	fair = 10
)

// Growth returns how many times as long large takes as small. It compares the shortest of many
// runs, and returns the smallest result of several rounds. Other load on the machine makes a run
// longer, never shorter.
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
