// Package hashqueue runs the hashing of passwords on a few workers, within a budget of memory, so
// that its memory and its share of the processors are bounded.
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
	// ErrGivenUp reports that the caller's context ended before the work began. It wraps the
	// context's error.
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
	// networkShare is the part of a line that one network may take, as a divisor. A flood from
	// three networks keeps no other network out.
	networkShare = 4
	// linger is how long memory is kept for more work after the last one.
	linger = time.Second
)

// Queue is two lines of work, each first come, first served, and their workers. It is safe for
// concurrent use.
//
// The budget is the memory of all workers with ordinary work, which is a hash with the present
// parameters. Larger work waits until enough of the budget is free. Work that is larger than the
// budget runs alone. No other work overtakes it, so that it isn't left waiting.
type Queue struct {
	workers int    // at most
	share   uint64 // of the budget, of one worker, in bytes
	length  int    // of one line, at most
	wait    time.Duration

	mu      sync.Mutex
	lines   [lines][]*job
	turn    Line
	running int    // jobs
	used    uint64 // by the running jobs, in bytes
	// kept is cleared memory of workers that have ended, at most a share each. The memory in use
	// and the kept memory together stay within the budget.
	kept    []*argon2id.Memory
	keeper  *time.Timer // frees it
	refused atomic.Uint64
}

// New returns a [Queue] with at most that many workers, in which work waits for at most that time.
// share is the memory of ordinary work, in bytes.
func New(workers int, share uint64, wait time.Duration) (*Queue, error) {
	if workers < 1 || share < 1 || wait <= 0 {
		return nil, fmt.Errorf("hashqueue: %d workers, %d bytes each and a wait of %s", workers, share, wait)
	}
	q := &Queue{workers: workers, share: share, length: workers * perWorker, wait: wait}
	q.keeper = time.AfterFunc(linger, q.freeKept)
	return q, nil
}

// budget is what may be used at once, in bytes.
func (q *Queue) budget() uint64 { return uint64(q.workers) * q.share }

// job is work for one worker. It begins once or never.
type job struct {
	network  string
	bytes    uint64 // that it is charged with
	work     func(*argon2id.Memory)
	done     chan struct{}
	panicked any // what the work has panicked with
}

func (j *job) run(m *argon2id.Memory) {
	defer close(j.done)
	defer func() { j.panicked = recover() }()
	j.work(m)
}

// Do has a worker do some work for a network, and returns when it is done. The work takes at most
// so many bytes of its memory. Do panics as the work does. It fails with [ErrFull] or [ErrGivenUp]
// without having begun the work. The empty network has no bound of its own.
func (q *Queue) Do(
	ctx context.Context, line Line, network string, bytes uint64, work func(*argon2id.Memory),
) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrGivenUp, err)
	}
	waiting, cancel := context.WithTimeout(ctx, q.wait)
	defer cancel()
	// Less than a share is charged as a share, because that much is kept of a worker's memory.
	j := &job{network: network, bytes: max(bytes, q.share), work: work, done: make(chan struct{})}
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
	Bytes            uint64 // of memory, used or kept
	Refused          uint64 // since the start
}

// Stats returns what the queue does at this moment.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return Stats{Waiting: q.waiting(), Running: q.running, Bytes: q.held(), Refused: q.refused.Load()}
}

// enter puts a job into a line, and reports whether there was room.
func (q *Queue) enter(line Line, j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.hasRoom(line, j.network) {
		return false
	}
	q.lines[line] = append(q.lines[line], j)
	q.begin(nil)
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
	q.begin(nil) // what fits behind it
	return true
}
