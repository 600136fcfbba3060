package auth

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
)

const (
	// One statement of lookups runs at a time: with more, each would carry fewer lookups. Only while one takes longer than
	// lookupPatience do others run beside it, at most lookupStatements together.
	lookupStatements = 4
	lookupPatience   = 5 * time.Millisecond
	// lookupBatch is how many lookups one statement carries at most.
	lookupBatch = 128
	// lookupTimeout bounds the wait for a lookup. A statement ends by itself ([Bounded]).
	lookupTimeout = 5 * time.Second
)

// lookups finds users by id, and lets those who ask at the same moment share one statement. Each statement starts after the
// lookups that it carries were asked for, so that none is answered with what was true before.
type lookups struct {
	query   func(context.Context, []uuid.UUID) ([]db.UserListByIDRow, error)
	mu      sync.Mutex
	waiting []*lookup
	running int       // statements
	started time.Time // the newest of them
}

type lookup struct {
	id   uuid.UUID
	row  db.UserListByIDRow
	err  error
	done chan struct{}
}

func newLookups(query func(context.Context, []uuid.UUID) ([]db.UserListByIDRow, error)) *lookups {
	return &lookups{query: query}
}

// get waits for the user at most as long as ctx. It fails with [ErrNoUser] or [ErrUnavailable].
func (l *lookups) get(ctx context.Context, id uuid.UUID) (db.UserListByIDRow, error) {
	asked := &lookup{id: id, err: ErrNoUser, done: make(chan struct{})}
	l.mu.Lock()
	if l.running == 0 || l.running < lookupStatements && time.Since(l.started) > lookupPatience {
		// Whoever finds no statement running asks the database itself: no other goroutine has to be woken for it.
		l.running++
		batch := append(l.takeSome(lookupBatch-1), asked)
		l.mu.Unlock()
		l.answer(batch)
		l.goOn()
		return asked.row, asked.err
	}
	l.waiting = append(l.waiting, asked)
	l.mu.Unlock()
	patience := time.NewTimer(lookupTimeout)
	defer patience.Stop()
	select {
	case <-asked.done:
		return asked.row, asked.err
	case <-patience.C:
		return db.UserListByIDRow{}, fmt.Errorf("%w: no answer within %s", ErrUnavailable, lookupTimeout)
	case <-ctx.Done():
		return db.UserListByIDRow{}, ctx.Err()
	}
}

// goOn lets the lookups that have come meanwhile be answered, after a statement.
func (l *lookups) goOn() {
	if batch := l.take(); len(batch) > 0 {
		go func() {
			for ; len(batch) > 0; batch = l.take() {
				l.answer(batch)
			}
		}()
	}
}

// take takes lookups for the next statement, or none, and then one statement less is running.
func (l *lookups) take() []*lookup {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.running--
		return nil
	}
	return l.takeSome(lookupBatch)
}

func (l *lookups) takeSome(n int) []*lookup {
	l.started = time.Now()
	batch := l.waiting
	if len(batch) > n {
		batch, l.waiting = batch[:n:n], batch[n:]
	} else {
		l.waiting = nil
	}
	return batch
}

// ask is the query, whose panic is that of no request in particular.
func (l *lookups) ask(ctx context.Context, ids []uuid.UUID) (rows []db.UserListByIDRow, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	rows, err = l.query(ctx, ids)
	return rows, storeError(err)
}

func (l *lookups) answer(batch []*lookup) {
	ids := make([]uuid.UUID, len(batch))
	for i, asked := range batch {
		ids[i] = asked.id
	}
	// Not the context of one of them: the others would be answered with its end.
	rows, err := l.ask(context.Background(), ids)
	if err != nil {
		for _, asked := range batch {
			asked.err = err
			close(asked.done)
		}
		return
	}
	found := make(map[uuid.UUID]int, len(rows))
	for i, row := range rows {
		found[row.ID] = i
	}
	for _, asked := range batch {
		if i, ok := found[asked.id]; ok {
			asked.row, asked.err = rows[i], nil
		}
		close(asked.done)
	}
}
