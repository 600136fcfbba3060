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

// hashQueue does the work of hashing on a few workers, in order of arrival. Whoever makes the process gives Go as many
// processors more (GOMAXPROCS) as there are workers: these are then never in the way of another request's goroutine, and it is
// the kernel that shares out the cores, by its own slices, which are much shorter than a hash. System threads of a low priority
// would be slower to let others pass: Go now and then takes a goroutine that is bound to a thread off its processor, and what
// waits there waits for the slow thread.
//
// Log-ins and registrations wait in lines of their own, which take turns: a flood of the one can't starve the other.
type hashQueue struct {
	workers int           // at most
	length  int           // of one line, at most
	wait    time.Duration // that work may stand in line, at most

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

// line is a queue of work, first come first served.
type line struct{ jobs []*hashJob }

// hashJob is work for one worker. It is begun once or never.
type hashJob struct {
	owner    hashOwner
	work     func(*argon2id.Memory)
	done     chan struct{}
	panicked any // what the work has panicked with
}

// run does the work and lets whoever waits go on.
func (j *hashJob) run(m *argon2id.Memory) {
	defer close(j.done)
	defer func() { j.panicked = recover() }()
	j.work(m)
}

// outcome panics as the work has, in the goroutine that asked for it.
func (j *hashJob) outcome() error {
	if j.panicked != nil {
		panic(j.panicked)
	}
	return nil
}

func newHashQueue(workers, length int, wait time.Duration) *hashQueue {
	return &hashQueue{workers: workers, length: length, wait: wait, wake: make(chan struct{}, workers)}
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
		<-job.done // it has begun, and ends within one hash
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
		waiting += len(q.lines[i].jobs)
	}
	return waiting, q.refused.Load()
}

func (q *hashQueue) enter(which int, job *hashJob) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.isFullFor(which, job.owner) {
		return false
	}
	l := &q.lines[which]
	l.jobs = append(l.jobs, job)
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

// isFullFor tells whether there is no room in a line for who wants to wait there. Of the log-ins' no account may have more than three eighths and no
// network more than three quarters, lest one of them alone keep everybody else out, whatever they know the password of. Registrations are
// charged for good.
func (q *hashQueue) isFullFor(which int, owner hashOwner) bool {
	jobs := q.lines[which].jobs
	if len(jobs) >= q.length || which == lineNew {
		return len(jobs) >= q.length
	}
	accounts, networks := 0, 0
	for _, job := range jobs {
		if owner.account != "" && job.owner.account == owner.account {
			accounts++
		}
		if owner.network != "" && job.owner.network == owner.network {
			networks++
		}
	}
	return accounts >= max(leastShare, q.length*3/8) || networks >= max(leastShare, q.length*3/4)
}

// leastShare is how much work of one account or network may wait in a line in any case.
const leastShare = 16

// hashOwner is for whom work is done; empty for the operator.
type hashOwner struct{ account, network string }

type hashOwnerKey struct{}

// hashedFor says in a context for whom hashes are made.
func hashedFor(ctx context.Context, emailKey string, c Caller) context.Context {
	return context.WithValue(ctx, hashOwnerKey{}, hashOwner{emailKey, networkOf(c.Address)})
}

func hashOwnerOf(ctx context.Context) hashOwner {
	owner, _ := ctx.Value(hashOwnerKey{}).(hashOwner)
	return owner
}

// isFull tells whether work would be refused at this moment.
func (h *Hasher) isFull(ctx context.Context, which int) bool {
	h.queue.mu.Lock()
	defer h.queue.mu.Unlock()
	full := h.queue.isFullFor(which, hashOwnerOf(ctx))
	if full {
		h.queue.refused.Add(1)
	}
	return full
}

// leave takes a job out of its line; false if it has begun.
func (q *hashQueue) leave(which int, job *hashJob) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := &q.lines[which]
	for i, other := range l.jobs {
		if other == job {
			l.jobs = append(l.jobs[:i], l.jobs[i+1:]...)
			return true
		}
	}
	return false
}

// run works until there has been nothing to do for a while.
func (q *hashQueue) run() {
	var memory argon2id.Memory
	defer memory.Free()
	for {
		if job := q.next(); job != nil {
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

// next takes the oldest work of the line whose turn it is; nil where none waits, and the worker counts as idle.
func (q *hashQueue) next() *hashJob {
	q.mu.Lock()
	defer q.mu.Unlock()
	for range lines {
		q.turn = (q.turn + 1) % lines
		if l := &q.lines[q.turn]; len(l.jobs) > 0 {
			job := l.jobs[0]
			l.jobs = l.jobs[1:]
			return job
		}
	}
	q.idle++
	return nil
}
