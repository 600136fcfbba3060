package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The Debian package is installed, upgraded, removed and purged by dpkg, in a copy of this system
// that lies over it: testdata/deb.sh has the checks.
func TestDeb(t *testing.T) {
	if why, err := exec.Command("sh", "../can.sh", "package").Output(); err != nil {
		t.Skipf("%v: %s", err, why) // make test prints it too
	}
	first := oneFile(t, "latchkey_*.deb")
	// The package of a later release, with the same contents.
	s, err := clone(context.Background(), filepath.Join(scratch, "one", "clone"), filepath.Join(scratch, "deb", "source"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := output(exec.Command("dpkg-deb", "--extract", first, dir)); err != nil {
		t.Fatal(err)
	}
	s.version = "99.0.0"
	next, err := s.deb(here, filepath.Join(dir, "usr", "bin", "latchkey"), []byte("licences"))
	if err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(scratch, next.name)
	if err := os.WriteFile(second, next.data, 0o600); err != nil {
		t.Fatal(err)
	}
	checks := exec.Command("unshare", "--mount", "sh", filepath.Join("testdata", "deb.sh"), first, second, t.TempDir())
	if out, err := checks.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
