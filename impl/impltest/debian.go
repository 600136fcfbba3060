package impltest

import (
	"os"
	"testing"
)

// Installed returns the path of a file that a Debian package in .ci/debian-packages installs. If
// the file is missing, the test is skipped, and `make test` names the package. With CI=true the
// test fails instead.
func Installed(tb testing.TB, path string) string {
	tb.Helper()
	_, err := os.Stat(path)
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		tb.Fatalf("%s is not installed: %v", path, err)
	default:
		tb.Skipf("%s is not installed; .ci/debian-packages names its package", path)
	}
	return path
}
