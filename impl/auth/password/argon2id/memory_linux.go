package argon2id

import "golang.org/x/sys/unix"

// mapMemory asks for large pages: the algorithm looks all over the memory, and small ones cost it a
// tenth of its time.
func mapMemory(size int) ([]byte, error) {
	mapped, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err == nil {
		_ = unix.Madvise(mapped, unix.MADV_HUGEPAGE) // it works without, where the kernel has none
		_ = unix.Madvise(mapped, unix.MADV_DONTDUMP) // a core dump must not hold what passwords leave behind
	}
	return mapped, err
}

func unmapMemory(mapped []byte) error { return unix.Munmap(mapped) }
