package auth

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
)

// database answers lookups when it is let, with a row for each pair that was asked for but those of nobody.
type database struct {
	let   chan error
	mu    sync.Mutex
	asked []int // how many each statement carried
}

var nobody = uuid.UUID{0xff}

func (d *database) query(_ context.Context, whom db.UserListBySessionParams) (rows []db.UserListBySessionRow, err error) {
	d.mu.Lock()
	d.asked = append(d.asked, len(whom.UserIds))
	d.mu.Unlock()
	for i, user := range whom.UserIds {
		if user != nobody {
			rows = append(rows, db.UserListBySessionRow{ID: user, SessionID: whom.SessionIds[i], Email: user.String()})
		}
	}
	if err := <-d.let; err != nil {
		panic(err)
	}
	return rows, nil
}

// lookupsOf starts so many lookups, the n-th by ask(n), and answers their errors.
func lookupsOf(l *lookups, n int, user func(int) uuid.UUID) (wait func() []error) {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			row, err := l.get(user(i), uuid.UUID{1, byte(i)})
			if err == nil && (row.Email != user(i).String() || row.SessionID != uuid.UUID{1, byte(i)}) {
				err = errors.New("answered for somebody else")
			}
			errs[i] = err
		})
	}
	return func() []error { wg.Wait(); return errs }
}

func anyUser(i int) uuid.UUID { return uuid.UUID{2, byte(i), byte(i >> 8)} }

func TestLookups(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		waiting int // while a first statement is under way
		user    func(int) uuid.UUID
		lets    []error
		asked   []int
		want    error
	}{
		"share one":       {100, anyUser, []error{nil, nil}, []int{1, 100}, nil},
		"more than fit":   {lookupBatch + 1, anyUser, []error{nil, nil, nil}, []int{1, lookupBatch, 1}, nil},
		"nobody":          {3, func(int) uuid.UUID { return nobody }, []error{nil, nil}, []int{1, 3}, ErrNoUser},
		"a panic":         {3, anyUser, []error{nil, broken}, []int{1, 3}, errors.New("any")},
		"one after other": {0, anyUser, []error{nil}, []int{1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &database{let: make(chan error)}
				l := newLookups(time.Now, d.query)
				first := lookupsOf(l, 1, anyUser)
				synctest.Wait()
				others := lookupsOf(l, c.waiting, c.user)
				synctest.Wait()
				for _, let := range c.lets {
					d.let <- let
				}
				if err := first()[0]; err != nil {
					t.Errorf("the first: %v", err)
				}
				for i, err := range others() {
					if c.want == nil && err != nil || c.want != nil && err == nil || errors.Is(c.want, ErrNoUser) && !errors.Is(err, ErrNoUser) {
						t.Errorf("lookup %d: %v, want %v", i, err, c.want)
					}
				}
				synctest.Wait()
				if len(d.asked) != len(c.asked) || l.running != 0 || len(l.waiting) != 0 {
					t.Fatalf("statements of %v lookups, want %v; %d run, %d wait", d.asked, c.asked, l.running, len(l.waiting))
				}
				for i := range d.asked {
					if d.asked[i] != c.asked[i] {
						t.Errorf("statements of %v lookups, want %v", d.asked, c.asked)
					}
				}
			})
		})
	}
}

// TestLookupsStuck: a statement that hangs holds up those that came soon after it, and no others; and nobody waits for ever.
func TestLookupsStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &database{let: make(chan error)}
		l := newLookups(time.Now, d.query)
		var all []func() []error
		for range lookupStatements + 1 {
			all = append(all, lookupsOf(l, 1, anyUser))
			time.Sleep(2 * lookupPatience)
		}
		synctest.Wait()
		if len(d.asked) != lookupStatements {
			t.Fatalf("%d statements, want %d", len(d.asked), lookupStatements)
		}
		if err := all[lookupStatements]()[0]; !errors.Is(err, ErrUnavailable) {
			t.Errorf("the one that found no room: %v, want %v", err, ErrUnavailable)
		}
		// Whoever comes then waits anew, and those who are gone are not asked for.
		next := lookupsOf(l, 1, anyUser)
		synctest.Wait()
		for range lookupStatements + 1 {
			d.let <- nil
		}
		if err := next()[0]; err != nil {
			t.Errorf("the next: %v", err)
		}
		if last := d.asked[len(d.asked)-1]; len(d.asked) != lookupStatements+1 || last != 1 {
			t.Errorf("statements of %v lookups", d.asked)
		}
		for i := range lookupStatements {
			if err := all[i]()[0]; err != nil {
				t.Errorf("lookup %d: %v", i, err)
			}
		}
	})
}
