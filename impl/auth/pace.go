package auth

import "time"

// Pace has each piece of work begin with a call of begin, by its worker, and lets work stand in line for so long. It is for tests, which have to know what waits and what
// is hashed however fast or slow the machine is; and for before the hasher is used.
func (h *Hasher) Pace(wait time.Duration, begin func()) {
	h.queue.wait, h.queue.begin = wait, begin
}
