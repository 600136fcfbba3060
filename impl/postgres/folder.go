package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const lockFile = "postgres.lock"

// folder is a data folder, by its real path, with the user that PostgreSQL runs as.
type folder struct {
	root    string
	account account
}

func (f folder) path(name string) string { return filepath.Join(f.root, name) }
func (f folder) cluster() string         { return f.path("postgres") }

// hash returns a short name for the data folder.
func (f folder) hash() string {
	sum := sha256.Sum256([]byte(f.root))
	return hex.EncodeToString(sum[:8])
}

// openFolder creates a missing data folder. It refuses a folder that PostgreSQL's user can't enter,
// before it writes anything.
func openFolder(dataDir string) (folder, error) {
	root, err := realPath(dataDir)
	if err != nil {
		return folder{}, fmt.Errorf("%w: %w", ErrDataFolder, err)
	}
	f := folder{root: root}
	if f.account, err = chooseAccount(f.cluster()); err != nil {
		return folder{}, err
	}
	if err := f.create(); err != nil {
		return folder{}, fmt.Errorf("%w: %w", ErrDataFolder, err)
	}
	return f, nil
}

// create creates a missing data folder. It lets the account pass through a folder that root owns,
// but not list it.
func (f folder) create() error {
	if !f.account.dropped {
		return os.MkdirAll(f.root, 0o700)
	}
	if err := f.account.reach(filepath.Dir(f.root)); err != nil {
		return err
	}
	if err := os.MkdirAll(f.root, 0o711); err != nil {
		return err
	}
	info, err := os.Stat(f.root)
	if err != nil {
		return err
	}
	if !f.account.canEnter(info) && f.ours() {
		if err := os.Chmod(f.root, info.Mode().Perm()|0o111); err != nil {
			return err
		}
	}
	return f.account.reach(f.root)
}

// ours reports whether the folder belongs to Latchkey alone, so that its mode may be changed. That
// is so if it is empty, or if it has the lock file of an earlier run. A setting that names a home
// must not open that home to others.
func (f folder) ours() bool {
	if _, err := os.Lstat(f.path(lockFile)); err == nil {
		return true
	}
	entries, err := os.ReadDir(f.root)
	return err == nil && len(entries) == 0
}

// realPath returns the absolute path of a folder with every link resolved. The folder need not
// exist yet.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
		return real, err
	}
	above, err := realPath(filepath.Dir(path))
	return filepath.Join(above, filepath.Base(path)), err
}

// owner returns the user that a file belongs to.
func owner(info fs.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }

// own makes the account the owner of a file that root has created for it.
func (f folder) own(path string) error {
	if !f.account.dropped {
		return nil
	}
	return os.Lchown(path, int(f.account.uid), int(f.account.gid))
}

// GiveToOwner makes the owner of a folder the owner of a file that root has created there. The
// owner may start the server the next time, without being root.
func GiveToOwner(file *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	made, err := file.Stat()
	if err != nil {
		return err
	}
	// A user that has linked another user's file here would become its owner.
	if !made.Mode().IsRegular() || made.Sys().(*syscall.Stat_t).Nlink != 1 {
		return fmt.Errorf("%s is not a file of this folder alone", file.Name())
	}
	info, err := os.Stat(filepath.Dir(file.Name()))
	if err != nil {
		return err
	}
	stat := info.Sys().(*syscall.Stat_t)
	return file.Chown(int(stat.Uid), int(stat.Gid))
}

// openLog opens PostgreSQL's log. It renames a long one first.
func (f folder) openLog(path string) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && info.Size() > logLimit {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("put PostgreSQL's log aside: %w", err)
		}
	}
	log, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL's log: %w", err)
	}
	if err := GiveToOwner(log); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return log, nil
}

// socketFolder makes the socket's folder, which only the account and root can enter. It is in the
// data folder, or in the folder for temporary files in these cases:
//
//   - the path in the data folder is too long for a socket
//   - the path contains a separator of PostgreSQL's settings or of a URL
func (f folder) socketFolder() (string, error) {
	path := f.path("socket")
	if fitsSocket(path) {
		return path, f.private(path)
	}
	name := fmt.Sprintf("latchkey-%d-%s", f.account.uid, f.hash())
	var problems []error
	for _, dir := range []string{os.TempDir(), "/tmp"} {
		dir, err := realPath(dir)
		if err == nil {
			err = f.safeTemp(dir)
		}
		if path := filepath.Join(dir, name); err == nil && fitsSocket(path) {
			if err = f.private(path); err == nil {
				return path, nil
			}
		}
		problems = append(problems, err)
	}
	return "", fmt.Errorf("no folder for PostgreSQL's socket: the path of %s is too long for a socket, "+
		"and the folder for temporary files can't be used: %w", f.root, errors.Join(problems...))
}

func fitsSocket(folder string) bool {
	return len(folder)+len("/.s.PGSQL."+port) <= socketPathLimit && !strings.ContainsAny(folder, `,"`)
}

// safeTemp refuses a folder in which another user could replace our folder.
func (f folder) safeTemp(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	uid := owner(info)
	if uid != 0 && uid != uint32(os.Geteuid()) || info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("other users may rename what is in %s", dir)
	}
	return f.account.reach(dir)
}

// private makes a folder of mode 0700 that the account owns. An existing one must have this mode
// and owner already, because another user may have put it, or a link, in this place.
func (f folder) private(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make a private folder: %w", err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("make a private folder: %w", err)
	}
	uid := owner(info)
	// A folder of root's is our own, perhaps from an interrupted start.
	if !info.IsDir() || uid != f.account.uid && (uid != 0 || os.Geteuid() != 0) {
		return fmt.Errorf("%s is not a folder of user %s", path, f.account.name)
	}
	if err := f.own(path); err != nil {
		return err
	}
	if info.Mode().Perm() != 0o700 {
		// Before, it may have been open to others, so it may contain a socket of theirs.
		return fmt.Errorf("%s has mode %#o, not 0700: remove it", path, info.Mode().Perm())
	}
	return nil
}
