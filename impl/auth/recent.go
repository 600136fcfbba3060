package auth

import "sync"

// recent is a map that forgets: it holds the newest entries in two generations, and when the newer one is full, the older
// one is dropped. Its zero value holds nothing until size is set. It is safe for concurrent use.
type recent[K comparable, V any] struct {
	size         int // of both generations together, at most
	mu           sync.Mutex
	newer, older map[K]V
}

func (r *recent[K, V]) get(key K) (V, bool) {
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

func (r *recent[K, V]) add(key K, value V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(key, value)
}

func (r *recent[K, V]) put(key K, value V) {
	if r.newer == nil || len(r.newer) >= r.size/2 {
		r.older, r.newer = r.newer, make(map[K]V)
	}
	r.newer[key] = value
}
