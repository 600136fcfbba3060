package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	binariesDir = "postgres-bin"
	linksFile   = "pg-symlinks.json" // the npm package's list of its missing links
)

// materialise copies binaries that can't run in their place into the data folder. The copy's name
// is derived from the version, and from the size and time of the program, so that a later start
// finds it. A copy appears only when it is complete.
func (f folder) materialise(in install) (install, error) {
	program, err := os.Stat(filepath.Join(in.bin, "postgres"))
	if err != nil {
		return in, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n%d",
		in.bin, in.version, program.Size(), program.ModTime().UnixNano()))
	version, _, _ := strings.Cut(in.version, " ")
	dest := f.path(filepath.Join(binariesDir, version+"-"+hex.EncodeToString(sum[:6])))
	// A copy that a power cut has damaged doesn't run, and is replaced.
	if out, err := probe(filepath.Join(dest, "bin"), f.account); err == nil {
		return out, nil
	}
	if err := f.copyInstall(in, dest); err != nil {
		return in, fmt.Errorf("prepare PostgreSQL's binaries: %w", err)
	}
	out, err := probe(filepath.Join(dest, "bin"), f.account)
	if err != nil {
		err = fmt.Errorf("%w: the copy of %s doesn't run: %w", ErrNotFound, in.bin, err)
	}
	return out, err
}

// copyInstall replaces all copies by one of this install. None is in use, because we hold the lock.
func (f folder) copyInstall(in install, dest string) error {
	all := f.path(binariesDir)
	dir := filepath.Join(all, "new")
	if err := errors.Join(os.RemoveAll(all), mkdir(all), mkdir(dir)); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	prefix := filepath.Dir(in.bin)
	// As root we may be copying another user's files. Nothing outside of this folder is read,
	// whatever its links name.
	root, err := os.OpenRoot(prefix)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, tree := range []string{"bin", "lib", "share"} {
		if err := copyTree(root, tree, filepath.Join(dir, tree)); err != nil {
			return err
		}
	}
	if err := makeLinks(filepath.Join(prefix, linksFile), dir); err != nil {
		return err
	}
	return os.Rename(dir, dest)
}

// mkdir makes a folder that everybody may read, whatever the umask.
func mkdir(path string) error {
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// copyTree copies the files that PostgreSQL needs to run. It replaces a link by a copy of its
// target, because the link may lead out of the tree. It skips a link to nothing, to a folder or out
// of the root.
func copyTree(root *os.Root, tree, to string) error {
	return fs.WalkDir(root.FS(), tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		copied := filepath.Join(to, strings.TrimPrefix(path, tree))
		if entry.IsDir() {
			return mkdir(copied)
		}
		info, err := root.Stat(path)
		if err != nil || !info.Mode().IsRegular() || filepath.Ext(path) == ".a" {
			return nil //nolint:nilerr // a link to nowhere, which the package's own list mends
		}
		return place(root, path, copied)
	})
}

// place copies a file. Everybody can read the copy, and only we can change it. It never changes the
// original.
func place(root *os.Root, from, to string) error {
	in, err := root.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if folder, err := root.Stat("."); err != nil || owner(info) != owner(folder) && info.Mode()&0o004 == 0 {
		return errors.Join(err, fmt.Errorf("%s belongs to another user, and others can't read it", in.Name()))
	}
	mode := fs.FileMode(0o644)
	if filepath.Base(filepath.Dir(from)) == "bin" || info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(mode), out.Close())
}

// makeLinks makes the links that the npm package lists in a file. Both ends of a link must be in
// the package.
func makeLinks(list, dir string) error {
	text, err := os.ReadFile(list)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("%s: %w", list, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, link := range links {
		source, target := strings.TrimPrefix(link.Source, "native/"), strings.TrimPrefix(link.Target, "native/")
		text, err := filepath.Rel(filepath.Dir(target), source)
		if err == nil {
			_, err = root.Stat(source)
		}
		if err == nil {
			err = root.Symlink(text, target)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) { // the package's own script may have made the link
			return fmt.Errorf("%s: %w", list, err)
		}
	}
	return nil
}
