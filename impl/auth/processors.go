package auth

import (
	"sync"
	"time"
)

// processors gives Go more of them (GOMAXPROCS) while there is a long calculation, so that it keeps no goroutine from running: the kernel then shares
// out the cores. In quiet times they would only be more that look for work, and wake each other. Its zero value does nothing.
type processors struct {
	quiet, busy int
	set         func(int)
	mu          sync.Mutex
	calculating int
	raised      bool
	rest        *time.Timer
}

// begin says that a calculation is asked for, and end that it is done or given up.
func (p *processors) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calculating++
	if p.rest != nil {
		p.rest.Stop()
	}
	if !p.raised && p.set != nil {
		p.raised = true
		p.set(p.busy)
	}
}

func (p *processors) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calculating--
	if p.calculating > 0 || !p.raised {
		return
	}
	// A change stops everything for a moment, so it waits, as a worker with its memory does.
	p.rest = time.AfterFunc(linger, p.lower)
}

func (p *processors) lower() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calculating == 0 && p.raised {
		p.raised = false
		p.set(p.quiet)
	}
}
