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
	"syscall"
)

const binariesDir = "postgres-bin"

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
	out := in
	out.bin, out.copied = filepath.Join(dest, "bin"), false
	// A copy that a power cut has damaged doesn't run, and is replaced.
	if _, err := probe(out.bin, f.account); err == nil {
		return out, nil
	}
	if err := f.copyInstall(in, dest); err != nil {
		return in, fmt.Errorf("prepare PostgreSQL's binaries: %w", err)
	}
	if _, err := probe(out.bin, f.account); err != nil {
		return in, fmt.Errorf("%w: the copy of %s doesn't run: %w", ErrNotFound, in.bin, err)
	}
	return out, nil
}

// copyInstall replaces all copies by one of this install. None is in use, because we hold the lock.
func (f folder) copyInstall(in install, dest string) error {
	all := f.path(binariesDir)
	if err := os.RemoveAll(all); err != nil {
		return err
	}
	if err := mkdir(all); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(all, ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	prefix := filepath.Dir(in.bin)
	// As root we may be copying another user's files. Nothing outside of this folder is read,
	// whatever its links name.
	root, err := os.OpenRoot(prefix)
	if err != nil {
		return err
	}
	defer root.Close()
	trees := []string{"bin", "lib", "share"}
	if shared := filepath.Join("share", "postgresql"); isDir(filepath.Join(prefix, shared)) {
		// If other programs use the same prefix, their shares are in the same folder.
		if err := mkdir(filepath.Join(dir, "share")); err != nil {
			return err
		}
		trees[2] = shared
	}
	for _, tree := range trees {
		if err := copyTree(root, tree, filepath.Join(dir, tree)); err != nil {
			return err
		}
	}
	if in.pkg != "" {
		if err := makeLinks(filepath.Join(in.pkg, "native", "pg-symlinks.json"), dir); err != nil {
			return err
		}
	}
	return os.Rename(dir, dest)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
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
		name, err := filepath.Rel(tree, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return mkdir(filepath.Join(to, name))
		}
		info, err := root.Stat(path)
		if err != nil || !info.Mode().IsRegular() || filepath.Ext(path) == ".a" {
			return nil //nolint:nilerr // a link to nowhere, which the package's own list mends
		}
		return place(root, path, filepath.Join(to, name))
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
	mode := info.Mode().Perm()
	owner := info.Sys().(*syscall.Stat_t).Uid
	if folder, err := root.Stat("."); err != nil || owner != folder.Sys().(*syscall.Stat_t).Uid && mode&0o004 == 0 {
		return errors.Join(err, fmt.Errorf("%s belongs to another user, and others can't read it", in.Name()))
	}
	if filepath.Base(filepath.Dir(from)) == "bin" || mode&0o100 != 0 {
		mode |= 0o111
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(mode&^0o022|0o444), out.Close())
}

// makeLinks makes the links that the npm package lists in a file. Both ends of a link must be paths
// in the package.
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
	for _, link := range links {
		source, okSource := strings.CutPrefix(link.Source, "native/")
		target, okTarget := strings.CutPrefix(link.Target, "native/")
		if !okSource || !okTarget || !filepath.IsLocal(source) || !filepath.IsLocal(target) {
			return fmt.Errorf("%s: a link from %q to %q leads out of the package", list, link.Target, link.Source)
		}
		to := filepath.Join(dir, target)
		if _, err := os.Lstat(to); err == nil {
			continue // the package's own script has made it
		}
		text, err := filepath.Rel(filepath.Dir(target), source)
		if err != nil {
			return err
		}
		if err := os.Symlink(text, to); err != nil {
			return err
		}
	}
	return nil
}
