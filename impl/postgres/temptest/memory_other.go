//go:build !linux

package temptest

// inMemory returns "": other systems have no folder in memory.
func inMemory() string { return "" }
