// Package temptest keeps the temporary files of tests in memory, if the system has a file system
// there. A test of PostgreSQL makes and deletes a thousand files. To make a file, ext4 searches the
// inodes that were deleted in the last minutes: 60 % of the processor time of such tests.
package temptest

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	prefix = "latchkey-test-" // a random suffix follows
	// abandoned is the age at which a folder belongs to tests that were killed.
	abandoned = 2 * time.Hour
)

// Run runs tests with a folder of their own for temporary files, which it removes after them. Users
// other than root can pass through it. Run returns the exit status of the process.
func Run(tests func() int) (status int) {
	dir, err := folder(inMemory())
	if err == nil {
		err = os.Setenv("TMPDIR", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "temptest:", err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, "temptest:", err)
			status = max(status, 1)
		}
	}()
	return tests()
}

// folder makes a folder in parent, or in the system's folder for temporary files if parent is
// empty. It removes what killed tests have left beside it, because memory is scarcer than the disk.
func folder(parent string) (string, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	beside, err := filepath.Glob(filepath.Join(parent, prefix+"*"))
	if err != nil {
		return "", err
	}
	for _, dir := range beside {
		if info, err := os.Lstat(dir); err == nil && time.Since(info.ModTime()) > abandoned {
			_ = os.RemoveAll(dir) // another user's stays
		}
	}
	dir, err := os.MkdirTemp(parent, prefix)
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o711) //nolint:gosec // if we are root, PostgreSQL runs as another user
}
