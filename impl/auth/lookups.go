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

// lookups finds users by their sessions, and lets those who ask at the same moment share one statement. Each statement starts after the
// lookups that it carries were asked for, so that none is answered with what was true before.
type lookups struct {
	now     func() time.Time
	query   func(context.Context, db.UserListBySessionParams) ([]db.UserListBySessionRow, error)
	mu      sync.Mutex
	waiting []*lookup
	running int       // statements
	started time.Time // the newest of them
}

type lookup struct {
	pair
	row  db.UserListBySessionRow
	err  error
	done chan struct{}
}

func newLookups(now func() time.Time, query func(context.Context, db.UserListBySessionParams) ([]db.UserListBySessionRow, error)) *lookups {
	return &lookups{now: now, query: query}
}

// get waits for the user at most as long as ctx. It fails with [ErrNoUser] or [ErrUnavailable]; whether the session is alive, the row tells.
func (l *lookups) get(ctx context.Context, user, session uuid.UUID) (db.UserListBySessionRow, error) {
	asked := &lookup{pair: pair{user, session}, err: ErrNoUser, done: make(chan struct{})}
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
		return db.UserListBySessionRow{}, fmt.Errorf("%w: no answer within %s", ErrUnavailable, lookupTimeout)
	case <-ctx.Done():
		return db.UserListBySessionRow{}, ctx.Err()
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
func (l *lookups) ask(ctx context.Context, whom db.UserListBySessionParams) (rows []db.UserListBySessionRow, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	rows, err = l.query(ctx, whom)
	return rows, storeError(err)
}

// pair is what a lookup is for. Several that wait together may be for the same.
type pair struct{ user, session uuid.UUID }

func (l *lookups) answer(batch []*lookup) {
	whom := db.UserListBySessionParams{Now: l.now(), UserIds: make([]uuid.UUID, 0, len(batch)), SessionIds: make([]uuid.UUID, 0, len(batch))}
	found := make(map[pair]int, len(batch))
	for _, asked := range batch {
		if _, isAsked := found[asked.pair]; !isAsked {
			found[asked.pair] = -1
			whom.UserIds, whom.SessionIds = append(whom.UserIds, asked.user), append(whom.SessionIds, asked.session)
		}
	}
	// Not the context of one of them: the others would be answered with its end.
	rows, err := l.ask(context.Background(), whom)
	for i, row := range rows {
		found[pair{row.ID, row.SessionID}] = i
	}
	for _, asked := range batch {
		if i := found[asked.pair]; err != nil {
			asked.err = err
		} else if i >= 0 {
			asked.row, asked.err = rows[i], nil
		}
		close(asked.done)
	}
}
