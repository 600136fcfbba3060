package hashqueue

import (
	"slices"

	"github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
)

// begin starts workers for all the work whose turn it is and that fits. The first of them takes the
// memory, nil for none. begin returns the memory if no worker took it. q.mu is held.
func (q *Queue) begin(memory *argon2id.Memory) *argon2id.Memory {
	for j := q.next(); j != nil; j = q.next() {
		if last := len(q.kept) - 1; memory == nil && last >= 0 {
			memory, q.kept = q.kept[last], q.kept[:last]
		}
		if memory == nil {
			memory = &argon2id.Memory{}
		}
		q.free(q.budget())
		go q.run(j, memory)
		memory = nil
	}
	return memory
}

// run does a job, and begins those that have room then. If none of them takes the memory, it is
// kept, cleared of what passwords have left there.
func (q *Queue) run(j *job, memory *argon2id.Memory) {
	j.run(memory)
	if memory.Bytes() > q.share {
		memory.Free()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	isIdle := q.waiting() == 0
	if isIdle {
		q.mu.Unlock()
		memory.Clear() // it counts as used until then
		q.mu.Lock()
	}
	q.running--
	q.used -= j.bytes
	switch memory = q.begin(memory); {
	case memory == nil:
	case isIdle:
		q.keep(memory)
	default:
		memory.Free() // a large job waits for it
	}
}

// next takes the oldest job of the line whose turn it is, and counts it as running. It returns nil
// if there is none, if all workers are busy, or if the job has to wait for memory. q.mu is held.
func (q *Queue) next() *job {
	if q.running == q.workers {
		return nil
	}
	for range lines {
		turn := (q.turn + 1) % lines
		if line := q.lines[turn]; len(line) > 0 {
			oldest := line[0]
			if q.running > 0 && q.used+oldest.bytes > q.budget() {
				return nil
			}
			q.turn, q.lines[turn] = turn, slices.Delete(line, 0, 1)
			q.running++
			q.used += oldest.bytes
			return oldest
		}
		q.turn = turn
	}
	return nil
}

// held returns the memory that is used or kept, in bytes. q.mu is held.
func (q *Queue) held() uint64 { return q.used + uint64(len(q.kept))*q.share }

// waiting returns the number of works in the lines. q.mu is held.
func (q *Queue) waiting() (n int) {
	for _, line := range q.lines {
		n += len(line)
	}
	return n
}

// keep keeps a worker's memory for the next one. q.mu is held.
func (q *Queue) keep(memory *argon2id.Memory) {
	if memory.Bytes() > 0 {
		q.kept = append(q.kept, memory)
		q.keeper.Reset(linger)
	}
}

// free frees kept memory until used and kept memory are within a number of bytes. q.mu is held.
func (q *Queue) free(within uint64) {
	for len(q.kept) > 0 && q.held() > within {
		last := len(q.kept) - 1
		q.kept[last].Free()
		q.kept = q.kept[:last]
	}
}

// freeKept frees all kept memory.
func (q *Queue) freeKept() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free(0)
}
