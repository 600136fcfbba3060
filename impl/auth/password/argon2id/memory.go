package argon2id

import "unsafe"

// Memory is what keys are derived in, one after the other. Its zero value is ready, and grows to
// what the largest of them needs. It is of the system and not of Go's heap, so that the collector
// doesn't take it for what lives.
type Memory struct {
	mapped []byte
	// own is in place of it where the system gives none.
	own []block
}

// blocks returns so many blocks. They still hold what was derived before.
func (m *Memory) blocks(n int) []block {
	size := n * int(unsafe.Sizeof(block{}))
	if len(m.mapped) < size && len(m.own) < n {
		m.Free()
		var err error
		if m.mapped, err = mapMemory(size); err != nil {
			m.mapped, m.own = nil, make([]block, n)
		}
	}
	if m.own != nil {
		return m.own[:n]
	}
	return unsafe.Slice((*block)(unsafe.Pointer(unsafe.SliceData(m.mapped))), n)
}

// Words returns so many words, for another algorithm. They still hold what was derived before.
func (m *Memory) Words(n int) []uint32 {
	blocks := m.blocks((4*n + int(unsafe.Sizeof(block{})) - 1) / int(unsafe.Sizeof(block{})))
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(blocks))), n)
}

// Bytes returns the size of the memory.
func (m *Memory) Bytes() uint64 {
	return uint64(len(m.mapped)) + uint64(len(m.own))*uint64(unsafe.Sizeof(block{}))
}

// Free gives the memory back. m may be used again.
func (m *Memory) Free() {
	if m.mapped != nil {
		_ = unmapMemory(m.mapped) // it was mapped, and so it can be
	}
	m.mapped, m.own = nil, nil
}

// Clear overwrites what was derived in the memory.
func (m *Memory) Clear() {
	clear(m.mapped)
	clear(m.own)
}
