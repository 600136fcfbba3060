package temptest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A folder of killed tests is removed two hours later. That of others is left alone.
func TestAbandonedFolder(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	killed, err := folder(parent)
	if err != nil {
		t.Fatal(err)
	}
	running, err := folder(parent)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(parent, "other")
	longAgo := time.Now().Add(-2 * abandoned)
	if err := errors.Join(os.WriteFile(filepath.Join(killed, "left"), nil, 0o600), os.Mkdir(other, 0o700),
		os.Chtimes(killed, longAgo, longAgo), os.Chtimes(other, longAgo, longAgo)); err != nil {
		t.Fatal(err)
	}
	if _, err := folder(parent); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(killed); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of killed tests is still there: %v", err)
	}
	for _, dir := range []string{running, other} {
		if _, err := os.Stat(dir); err != nil {
			t.Errorf("%s was removed: %v", dir, err)
		}
	}
}
