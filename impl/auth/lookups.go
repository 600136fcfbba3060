package auth

import (
	"context"
	"fmt"
	"runtime"
	"slices"
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
	waiting []*batch  // in order; the last may take more lookups
	running int       // statements
	started time.Time // the newest of them
}

// pair is what a lookup is for. Several that wait together may be for the same.
type pair struct{ user, session uuid.UUID }

// batch is what one statement carries. It is answered, and all who wait for it go on, once.
type batch struct {
	pairs    []pair
	done     chan struct{}
	patience *time.Timer
	once     sync.Once
	// What has come of it, once done is closed.
	rows  []db.UserListBySessionRow
	found map[pair]int // which of the rows, or -1
	err   error
}

func (b *batch) end(rows []db.UserListBySessionRow, found map[pair]int, err error) {
	b.once.Do(func() {
		b.rows, b.found, b.err = rows, found, err
		close(b.done)
	})
}

func newLookups(now func() time.Time, query func(context.Context, db.UserListBySessionParams) ([]db.UserListBySessionRow, error)) *lookups {
	return &lookups{now: now, query: query}
}

// get fails with [ErrNoUser] or [ErrUnavailable], after lookupTimeout and a statement at the latest; whether the session is alive, the row tells. It
// asks for no context: one whose client has gone waits so long, and all others are spared the watch over theirs, which would be most of what a lookup costs.
func (l *lookups) get(user, session uuid.UUID) (db.UserListBySessionRow, error) {
	asked := pair{user, session}
	b, isOurs := l.join(asked)
	if isOurs {
		// Whoever finds no statement running asks the database itself: no other goroutine has to be woken for it. First it lets
		// go on whoever can, since they may want to join; with nobody there this is no wait.
		runtime.Gosched()
		l.lead(b)
	} else {
		<-b.done
	}
	if b.err != nil {
		return db.UserListBySessionRow{}, b.err
	}
	i := b.found[asked]
	if i < 0 {
		return db.UserListBySessionRow{}, ErrNoUser
	}
	return b.rows[i], nil
}

// join puts a lookup into the next statement, and tells whether it is the caller who has to ask it.
func (l *lookups) join(asked pair) (b *batch, isOurs bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := len(l.waiting) - 1
	if last < 0 || len(l.waiting[last].pairs) == lookupBatch {
		l.waiting = append(l.waiting, &batch{done: make(chan struct{})})
		last++
	}
	b = l.waiting[last]
	b.pairs = append(b.pairs, asked)
	if l.running == 0 || l.running < lookupStatements && time.Since(l.started) > lookupPatience {
		l.running++
		l.started = time.Now()
		return b, true
	}
	if b.patience == nil {
		b.patience = time.AfterFunc(lookupTimeout, func() {
			l.drop(b) // whoever comes next waits anew, and nobody asks for those who are gone
			b.end(nil, nil, fmt.Errorf("%w: no answer within %s", ErrUnavailable, lookupTimeout))
		})
	}
	return b, false
}

// lead answers a batch, unless a statement that has ended meanwhile has led to it already.
func (l *lookups) lead(b *batch) {
	if l.drop(b) {
		l.answer(b)
	}
	l.goOn()
	<-b.done
}

// drop takes a batch out of those that wait; false if it isn't there any more.
func (l *lookups) drop(b *batch) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiting, b)
	if i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	return i >= 0
}

// goOn lets the lookups that have come meanwhile be answered, after a statement.
func (l *lookups) goOn() {
	if b := l.take(); b != nil {
		go func() {
			for ; b != nil; b = l.take() {
				l.answer(b)
				runtime.Gosched() // those who were answered may be the next to ask
			}
		}()
	}
}

// take takes the lookups of the next statement; none are left, and then one statement less is running.
func (l *lookups) take() *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.running--
		return nil
	}
	b := l.waiting[0]
	l.waiting = slices.Delete(l.waiting, 0, 1)
	l.started = time.Now()
	return b
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

// answer asks for a batch, which nobody joins any more.
func (l *lookups) answer(b *batch) {
	found := make(map[pair]int, len(b.pairs))
	whom := db.UserListBySessionParams{Now: l.now(), UserIds: make([]uuid.UUID, 0, len(b.pairs)), SessionIds: make([]uuid.UUID, 0, len(b.pairs))}
	for _, p := range b.pairs {
		if _, isAsked := found[p]; !isAsked {
			found[p] = -1
			whom.UserIds, whom.SessionIds = append(whom.UserIds, p.user), append(whom.SessionIds, p.session)
		}
	}
	// Not the context of one of them: the others would be answered with its end.
	rows, err := l.ask(context.Background(), whom)
	for i, row := range rows {
		found[pair{row.ID, row.SessionID}] = i
	}
	if b.patience != nil {
		b.patience.Stop()
	}
	b.end(rows, found, err)
}
