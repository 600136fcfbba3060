// Package recent has a map that forgets.
package recent

import "sync"

// Map holds the most recent entries. They are in two generations: when the newer generation is
// full, the older one is dropped. It is safe for concurrent use.
type Map[K comparable, V any] struct {
	size         int // of both generations together, at most
	mu           sync.Mutex
	newer, older map[K]V
}

// New makes a map of at most size entries.
func New[K comparable, V any](size int) *Map[K, V] { return &Map[K, V]{size: size} }

// Get returns the value of a key, and keeps it among the most recent.
func (m *Map[K, V]) Get(key K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if value, ok := m.newer[key]; ok {
		return value, true
	}
	value, ok := m.older[key]
	if ok {
		m.put(key, value)
	}
	return value, ok
}

// Add sets the value of a key.
func (m *Map[K, V]) Add(key K, value V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(key, value)
}

func (m *Map[K, V]) put(key K, value V) {
	if m.newer == nil || len(m.newer) >= m.size/2 {
		m.older, m.newer = m.newer, make(map[K]V)
	}
	m.newer[key] = value
}
