// Package recent is a map that forgets.
package recent

import "sync"

// Map holds the newest entries in two generations. When the newer one is full, the older one is
// dropped. It is safe for concurrent use.
type Map[K comparable, V any] struct {
	size         int // of both generations together, at most
	mu           sync.Mutex
	newer, older map[K]V
}

// New returns a [Map] of at most so many entries.
func New[K comparable, V any](size int) *Map[K, V] { return &Map[K, V]{size: size} }

// Get returns the value of a key, and whether there is one. The entry counts as new from then on.
func (r *Map[K, V]) Get(key K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if value, ok := r.newer[key]; ok {
		return value, true
	}
	value, ok := r.older[key]
	if ok {
		r.put(key, value)
	}
	return value, ok
}

// Add sets the value of a key.
func (r *Map[K, V]) Add(key K, value V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(key, value)
}

func (r *Map[K, V]) put(key K, value V) {
	if r.newer == nil || len(r.newer) >= r.size/2 {
		r.older, r.newer = r.newer, make(map[K]V)
	}
	r.newer[key] = value
}
