package auth

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
)

// refreshTimeout bounds the wait for a refresh that others are making. A statement ends by itself ([Bounded]).
const refreshTimeout = 5 * time.Second

// refreshKey is what makes two refreshes the same: the token, and whose access token stood beside it.
type refreshKey struct {
	session, owner uuid.UUID
	generation     int32
}

// refreshes lets those who present one token at the same moment share a statement: they would only wait for each other in the database,
// each with a connection. Like those of [lookups], each statement starts after the refreshes that it carries were asked for, so that none is
// answered with what was true before.
type refreshes struct {
	mu      sync.Mutex
	running map[refreshKey]*refreshQueue
}

// refreshQueue is a statement that runs, and those who wait for the next; nil for none.
type refreshQueue struct{ next *sharedRefresh }

type sharedRefresh struct {
	row  db.SessionRefreshRow
	err  error
	done chan struct{}
}

// do answers what work does, which may be done for several at once; and waits at most as long as ctx.
func (r *refreshes) do(ctx context.Context, key refreshKey, work func(context.Context) (db.SessionRefreshRow, error)) (db.SessionRefreshRow, error) {
	r.mu.Lock()
	queue, isRunning := r.running[key]
	if !isRunning {
		if r.running == nil {
			r.running = map[refreshKey]*refreshQueue{}
		}
		r.running[key] = &refreshQueue{}
		r.mu.Unlock()
		defer r.goOn(key, work)
		return work(ctx)
	}
	if queue.next == nil {
		queue.next = &sharedRefresh{done: make(chan struct{})}
	}
	shared := queue.next
	r.mu.Unlock()
	patience := time.NewTimer(refreshTimeout)
	defer patience.Stop()
	select {
	case <-shared.done:
		return shared.row, shared.err
	case <-patience.C:
		return db.SessionRefreshRow{}, fmt.Errorf("%w: no answer within %s", ErrUnavailable, refreshTimeout)
	case <-ctx.Done():
		return db.SessionRefreshRow{}, ctx.Err()
	}
}

// goOn does the work for those who have come meanwhile.
func (r *refreshes) goOn(key refreshKey, work func(context.Context) (db.SessionRefreshRow, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	shared := r.running[key].next
	if shared == nil {
		delete(r.running, key)
		return
	}
	r.running[key].next = nil
	go func() {
		defer r.goOn(key, work)
		defer close(shared.done)
		defer func() {
			if p := recover(); p != nil {
				shared.err = fmt.Errorf("panic: %v", p) // that of no request in particular
			}
		}()
		// Not the context of one of them: the others would be answered with its end.
		shared.row, shared.err = work(context.Background())
	}()
}
