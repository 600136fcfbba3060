// Package hashqueue runs the hashing of passwords on a few workers, so that its memory and its
// share of the processors are bounded.
package hashqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
)

// What [Queue.Do] fails with. Nothing was hashed then.
var (
	// ErrFull reports that there was no room for the work, or that its turn didn't come in time.
	ErrFull = errors.New("too many passwords wait to be hashed")
	// ErrGivenUp reports that the caller's context ended before the work began. It wraps the context's
	// error.
	ErrGivenUp = errors.New("the wait for a hash was given up")
)

// Line is one of the two lines of a [Queue]. They take turns, so that a flood of one doesn't starve
// the other.
type Line int

// The lines.
const (
	Login Line = iota
	Registration
	lines
)

const (
	// DefaultWait is how long work may stand in line, however slow the machine is.
	DefaultWait = 3 * time.Second
	// perWorker is how much work may stand in a line for each worker: 0.8 s of it with the default
	// parameters.
	perWorker = 32
	// networkShare is the part of a line that one network may take, as a divisor. A flood from three
	// networks keeps nobody else out.
	networkShare = 4
	// linger is how long a worker waits for more work, with its memory, before it ends.
	linger = time.Second
)

// Queue is two lines of work, first come, first served, and their workers. It is safe for
// concurrent use.
type Queue struct {
	workers int // at most
	length  int // of one line, at most
	wait    time.Duration

	mu      sync.Mutex
	lines   [lines][]*job
	turn    Line
	running int // workers
	idle    int // workers that wait to be woken or to end
	wake    chan struct{}
	refused atomic.Uint64
}

// New returns a [Queue] with at most so many workers, in which work waits so long at most.
func New(workers int, wait time.Duration) (*Queue, error) {
	if workers < 1 || wait <= 0 {
		return nil, fmt.Errorf("hashqueue: %d workers and a wait of %s", workers, wait)
	}
	return &Queue{workers: workers, length: workers * perWorker, wait: wait, wake: make(chan struct{}, workers)}, nil
}

// job is work for one worker. It begins once or never.
type job struct {
	network  string
	work     func(*argon2id.Memory)
	done     chan struct{}
	panicked any // what the work has panicked with
}

func (j *job) run(m *argon2id.Memory) {
	defer close(j.done)
	defer func() { j.panicked = recover() }()
	j.work(m)
}

// Do has a worker do some work for a network, and returns when it is done. It panics as the work
// does. It fails with [ErrFull] or [ErrGivenUp] without having begun the work. The empty network
// has no bound of its own.
func (q *Queue) Do(ctx context.Context, line Line, network string, work func(*argon2id.Memory)) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrGivenUp, err)
	}
	waiting, cancel := context.WithTimeout(ctx, q.wait)
	defer cancel()
	j := &job{network: network, work: work, done: make(chan struct{})}
	if !q.enter(line, j) {
		return ErrFull
	}
	select {
	case <-j.done:
	case <-waiting.Done():
		if q.leave(line, j) {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("%w: %w", ErrGivenUp, err)
			}
			q.refused.Add(1)
			return ErrFull
		}
		<-j.done // it has begun, and ends within one hash
	}
	if j.panicked != nil {
		panic(j.panicked) // in the goroutine that asked for the work
	}
	return nil
}

// HasRoom reports whether a line has room for more work of a network. No room counts as a refusal.
func (q *Queue) HasRoom(line Line, network string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.hasRoom(line, network)
}

func (q *Queue) hasRoom(line Line, network string) bool {
	ofNetwork := 0
	for _, j := range q.lines[line] {
		if j.network == network && network != "" {
			ofNetwork++
		}
	}
	if len(q.lines[line]) < q.length && ofNetwork < q.length/networkShare {
		return true
	}
	q.refused.Add(1)
	return false
}

// Stats is what a [Queue] does at a moment.
type Stats struct {
	Waiting, Running int    // work
	Refused          uint64 // since the start
}

// Stats returns what the queue does at this moment.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	stats := Stats{Running: q.running - q.idle, Refused: q.refused.Load()}
	for _, line := range q.lines {
		stats.Waiting += len(line)
	}
	return stats
}

// enter puts a job into a line, and reports whether there was room.
func (q *Queue) enter(line Line, j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.hasRoom(line, j.network) {
		return false
	}
	q.lines[line] = append(q.lines[line], j)
	switch {
	case q.idle > 0:
		q.idle--
		q.wake <- struct{}{}
	case q.running < q.workers:
		q.running++
		go q.run()
	}
	return true
}

// leave takes a job out of its line, and reports whether it was still there.
func (q *Queue) leave(line Line, j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.lines[line], j)
	if i < 0 {
		return false
	}
	q.lines[line] = slices.Delete(q.lines[line], i, i+1)
	return true
}

// run works until there has been nothing to do for a while. What passwords left in the memory is
// cleared before each wait.
func (q *Queue) run() {
	var memory argon2id.Memory
	defer memory.Free()
	for {
		if j := q.next(); j != nil {
			j.run(&memory)
			continue
		}
		memory.Clear()
		select {
		case <-q.wake:
		case <-time.After(linger):
			if q.retire() {
				return
			}
			<-q.wake // there was work for this worker just then
		}
	}
}

// retire takes an idle worker off the count, and reports false if it was woken.
func (q *Queue) retire() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.idle == 0 {
		return false
	}
	q.idle--
	q.running--
	return true
}

// next takes the oldest job of the line whose turn it is. Without any it returns nil, and the
// worker counts as idle.
func (q *Queue) next() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	for range lines {
		q.turn = (q.turn + 1) % lines
		if line := q.lines[q.turn]; len(line) > 0 {
			oldest := line[0]
			q.lines[q.turn] = slices.Delete(line, 0, 1)
			return oldest
		}
	}
	q.idle++
	return nil
}
