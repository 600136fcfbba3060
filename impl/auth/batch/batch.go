// Package batch lets callers that ask at the same moment share one query.
package batch

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
)

const (
	// maxRunners is how many queries run at a time. More would each carry fewer keys.
	maxRunners = 2
	// maxKeys is how many keys one query carries at most.
	maxKeys = 128
)

// Query returns the values of some distinct keys. A key without a value is left out.
type Query[K comparable, V any] func(ctx context.Context, keys []K) (map[K]V, error)

// Loader shares queries between the callers of Load. A query starts after the calls that it
// carries, so that none of them gets what was true before it. It is safe for concurrent use.
//
// It is here for GET /api/users/me/: at 64 connections a query each gives half of the requests a
// second.
type Loader[K comparable, V any] struct {
	query   Query[K, V]
	mu      sync.Mutex
	waiting []*batch[K, V] // the oldest first; the last one may take more keys
	runners int
}

// New returns a [Loader] for a query, which has to end by itself.
func New[K comparable, V any](query Query[K, V]) *Loader[K, V] { return &Loader[K, V]{query: query} }

// batch is what one query carries.
type batch[K comparable, V any] struct {
	keys []K
	done chan struct{}
	// The result, once done is closed.
	values map[K]V
	err    error
}

// Load returns the value of a key, and whether it has one, or the query's error. It takes no
// context: a caller whose client has disconnected waits for the query, and selecting on a context
// costs more than the query.
func (l *Loader[K, V]) Load(key K) (V, bool, error) {
	b, isRunner := l.join(key)
	if isRunner {
		runtime.Gosched() // lets others join first; without others it returns at once
		l.lead()
	}
	<-b.done
	value, found := b.values[key]
	return value, found, b.err
}

// join adds a key to the next query, and reports whether its caller has to run a query.
func (l *Loader[K, V]) join(key K) (b *batch[K, V], isRunner bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.waiting); n == 0 || len(l.waiting[n-1].keys) == maxKeys {
		l.waiting = append(l.waiting, &batch[K, V]{done: make(chan struct{})})
	}
	b = l.waiting[len(l.waiting)-1]
	b.keys = append(b.keys, key)
	if l.runners == maxRunners {
		return b, false
	}
	l.runners++
	return b, true
}

// take returns the keys of the next query. Without any it returns nil, and a runner less is
// counted.
func (l *Loader[K, V]) take() *batch[K, V] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.runners--
		return nil
	}
	b := l.waiting[0]
	l.waiting = slices.Delete(l.waiting, 0, 1)
	return b
}

// lead runs one query in the goroutine of the caller, which nobody has to wake then. It runs the
// following ones in another goroutine.
func (l *Loader[K, V]) lead() {
	if b := l.take(); b != nil {
		l.run(b)
		if next := l.take(); next != nil {
			go l.runAll(next)
		}
	}
}

func (l *Loader[K, V]) runAll(b *batch[K, V]) {
	for ; b != nil; b = l.take() {
		l.run(b)
		runtime.Gosched() // those who got their value may be the next to ask
	}
}

// run asks for a batch that nobody joins any more. A panic of the query is an error of all its
// callers.
func (l *Loader[K, V]) run(b *batch[K, V]) {
	defer close(b.done)
	defer func() {
		if p := recover(); p != nil {
			b.err = fmt.Errorf("panic: %v", p)
		}
	}()
	distinct := make([]K, 0, len(b.keys))
	seen := make(map[K]struct{}, len(b.keys))
	for _, key := range b.keys {
		if _, isSeen := seen[key]; !isSeen {
			seen[key] = struct{}{}
			distinct = append(distinct, key)
		}
	}
	// No caller's context: the end of one request would end the others.
	values, err := l.query(context.Background(), distinct)
	if b.err = err; err == nil {
		b.values = values
	}
}
