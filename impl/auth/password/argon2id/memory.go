package argon2id

import "unsafe"

// Memory is the memory in which keys are derived, one after the other. Its zero value is ready, and
// grows to the size of the largest key's work. It comes from the system and not from Go's heap, so
// that the garbage collector doesn't count it.
type Memory struct {
	mapped []byte
	// own is in place of it where the system gives none.
	own []block
}

// blocks returns n blocks. They still contain the data of the former key.
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

// Words returns n words, for another algorithm. They still contain the data of the former key.
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
