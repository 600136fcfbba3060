package auth

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth/argon2id"
)

// ErrOverloaded says that too many passwords wait to be hashed already. It costs nothing to answer, and tells nothing of the account.
var ErrOverloaded = errors.New("too many passwords wait to be hashed")

// hashQueue does the work of hashing on a few workers.
//
// Log-ins and registrations wait in lines of their own, which take turns: a flood of the one can't starve the other. A line is shared out among
// those who wait there, see [line]: where it is full, work of whoever has the most in it makes room for others.
type hashQueue struct {
	workers int           // at most
	length  int           // of one line, at most
	wait    time.Duration // that work may stand in line, at most
	begin   func()        // before each piece of work; see [Hasher.Pace]

	mu      sync.Mutex
	lines   [lines]line
	turn    int
	running int // workers
	idle    int // of them, that wait to be woken or to end
	wake    chan struct{}
	refused atomic.Uint64
}

// linger is how long a worker waits for more work, with its memory, before it ends.
const linger = time.Second

// The lines of a [hashQueue].
const (
	lineCheck = iota // log-ins
	lineNew          // registrations
	lines
)

// hashJob is work for one worker. It is begun once or never.
type hashJob struct {
	owner    *hashOwner
	work     func(*argon2id.Memory)
	done     chan struct{}
	evicted  bool // to make room, without having begun
	panicked any  // what the work has panicked with
}

// run does the work and lets whoever waits go on.
func (j *hashJob) run(m *argon2id.Memory) {
	defer close(j.done)
	defer func() { j.panicked = recover() }()
	j.work(m)
}

// outcome panics as the work has, in the goroutine that asked for it.
func (j *hashJob) outcome() error {
	switch {
	case j.panicked != nil:
		panic(j.panicked)
	case j.evicted:
		return ErrOverloaded
	}
	return nil
}

func newHashQueue(workers, length int, wait time.Duration) *hashQueue {
	q := &hashQueue{workers: workers, length: length, wait: wait, begin: func() {}, wake: make(chan struct{}, workers)}
	for i := range q.lines {
		q.lines[i].served.size = servedSites
	}
	return q
}

// do has the work done, and returns when it is; or fails without having begun it: with [ErrOverloaded] where the line is full or didn't move
// in time, or with the context's error where the client has gone.
func (q *hashQueue) do(ctx context.Context, which int, work func(*argon2id.Memory)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, q.wait)
	defer cancel()
	job := &hashJob{owner: hashOwnerOf(ctx), work: work, done: make(chan struct{})}
	if !q.enter(which, job) {
		q.refused.Add(1)
		return ErrOverloaded
	}
	select {
	case <-job.done:
		return job.outcome()
	case <-waiting.Done():
	}
	if !q.leave(which, job) {
		<-job.done // it has begun, and ends within one hash; or was evicted
		return job.outcome()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	q.refused.Add(1)
	return ErrOverloaded
}

// stats are how much work waits now, and how much was refused so far.
func (q *hashQueue) stats() (waiting int, refused uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.lines {
		waiting += q.lines[i].waiting
	}
	return waiting, q.refused.Load()
}

// enter puts a job into a line. Where that is full, a job has to go; false if it is this one.
func (q *hashQueue) enter(which int, job *hashJob) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := &q.lines[which]
	l.add(job)
	if l.waiting > q.length {
		out := l.surplus()
		l.drop(out)
		if out == job {
			return false
		}
		q.refused.Add(1)
		out.evicted = true
		close(out.done)
	}
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

type hashOwnerKey struct{}

// hashedFor says in a context for whom hashes are made.
func hashedFor(ctx context.Context, owner *hashOwner) context.Context {
	return context.WithValue(ctx, hashOwnerKey{}, owner)
}

func hashOwnerOf(ctx context.Context) *hashOwner {
	if owner, ok := ctx.Value(hashOwnerKey{}).(*hashOwner); ok {
		return owner
	}
	return &hashOwner{}
}

// isFull tells whether work would be refused at this moment.
func (h *Hasher) isFull(ctx context.Context, which int) bool {
	h.queue.mu.Lock()
	defer h.queue.mu.Unlock()
	full := !h.queue.lines[which].admits(hashOwnerOf(ctx), h.queue.length)
	if full {
		h.queue.refused.Add(1)
	}
	return full
}

// leave takes a job out of its line; false if it has begun or was evicted.
func (q *hashQueue) leave(which int, job *hashJob) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lines[which].drop(job)
}

// run works until there has been nothing to do for a while.
func (q *hashQueue) run() {
	var memory argon2id.Memory
	defer memory.Free()
	for {
		if job := q.next(); job != nil {
			q.begin()
			job.run(&memory)
			continue
		}
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

// retire takes an idle worker off the count; false if it was woken.
func (q *hashQueue) retire() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.idle == 0 {
		return false
	}
	q.idle--
	q.running--
	return true
}

// next takes work from the line whose turn it is; nil where none waits, and the worker counts as idle.
func (q *hashQueue) next() *hashJob {
	q.mu.Lock()
	defer q.mu.Unlock()
	for range lines {
		q.turn = (q.turn + 1) % lines
		if l := &q.lines[q.turn]; l.waiting > 0 {
			job := l.next()
			job.owner.begun.Store(true)
			return job
		}
	}
	q.idle++
	return nil
}
