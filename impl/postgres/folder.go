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

// folder is a data folder, by its real path, and the user that PostgreSQL runs as in it.
type folder struct {
	root    string
	account account
}

func (f folder) path(name string) string { return filepath.Join(f.root, name) }
func (f folder) cluster() string         { return f.path("postgres") }

// clusterName tells the cluster's processes from others in a list of processes.
func (f folder) clusterName() string { return "latchkey-" + f.hash() }

// hash is a short name for the data folder.
func (f folder) hash() string {
	sum := sha256.Sum256([]byte(f.root))
	return hex.EncodeToString(sum[:8])
}

// openFolder makes the data folder when it is missing, and refuses one that PostgreSQL's user can't enter before
// anything is written.
func openFolder(dataDir string) (folder, error) {
	root, err := realPath(dataDir)
	if err != nil {
		return folder{}, fmt.Errorf("data folder: %w", err)
	}
	f := folder{root: root}
	if f.account, err = chooseAccount(f.cluster()); err != nil {
		return folder{}, err
	}
	if !f.account.dropped {
		if err := os.MkdirAll(root, 0o700); err != nil {
			return folder{}, fmt.Errorf("data folder: %w (LATCHKEY_DATA_DIR names it)", err)
		}
		return f, nil
	}
	barrier, err := f.account.barrier(root)
	if err != nil {
		return folder{}, fmt.Errorf("data folder: %w", err)
	}
	if barrier != "" && (barrier != root || !f.ours()) {
		return folder{}, fmt.Errorf("%w: as root it runs as user %s, who can't enter %s on the way to %s: "+
			"name another folder in LATCHKEY_DATA_DIR", ErrUnreachable, f.account.name, barrier, root)
	}
	return f, f.makePassable()
}

// makePassable makes a data folder that root owns one that the account can go through, but not list.
func (f folder) makePassable() error {
	_, err := os.Lstat(f.root)
	missing := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(f.root, 0o755); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if missing {
		// By name, since the umask takes bits from what is asked of MkdirAll.
		err = os.Chmod(f.root, 0o711)
	} else if info, statErr := os.Stat(f.root); statErr != nil {
		err = statErr
	} else if !f.account.canEnter(info) {
		err = os.Chmod(f.root, info.Mode().Perm()|0o111)
	}
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if barrier, err := f.account.barrier(f.root); err != nil || barrier != "" {
		return fmt.Errorf("%w: user %s can't enter %s (LATCHKEY_DATA_DIR; %v)", ErrUnreachable, f.account.name, barrier, err)
	}
	return nil
}

// ours reports whether the folder is for Latchkey alone, so that its mode may be changed: it is empty, or an
// earlier run has left its lock file there. A setting that names a home must not open that home.
func (f folder) ours() bool {
	if _, err := os.Lstat(f.path(lockFile)); err == nil {
		return true
	}
	entries, err := os.ReadDir(f.root)
	return err == nil && len(entries) == 0
}

// realPath is the absolute path with every link in it followed, of a folder that need not exist yet.
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

// own makes the account the owner of what root has made for it.
func (f folder) own(path string) error {
	if !f.account.dropped {
		return nil
	}
	return os.Lchown(path, int(f.account.uid), int(f.account.gid))
}

// giveToOwner makes a file that root has made in another user's data folder that user's, who may come back
// without being root.
func (f folder) giveToOwner(file *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	made, err := file.Stat()
	if err != nil {
		return err
	}
	// Whoever has linked another's file here would get it as a present.
	if !made.Mode().IsRegular() || made.Sys().(*syscall.Stat_t).Nlink != 1 {
		return fmt.Errorf("%s is not a file of this folder alone", file.Name())
	}
	info, err := os.Stat(f.root)
	if err != nil {
		return err
	}
	stat := info.Sys().(*syscall.Stat_t)
	return file.Chown(int(stat.Uid), int(stat.Gid))
}

// openLog opens PostgreSQL's log, after putting a long one aside.
func (f folder) openLog(path string) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && info.Size() > logLimit {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("put PostgreSQL's log aside: %w", err)
		}
	}
	log, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL's log: %w", err)
	}
	if err := f.giveToOwner(log); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return log, nil
}

// socketFolder makes the folder of the socket, which only the account (and root) can enter: in the data folder,
// or, where that makes the path too long for a socket or holds what PostgreSQL or a URL takes for a separator, in
// the folder for temporary files.
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
	return "", fmt.Errorf("no folder for PostgreSQL's socket: the path of %s is too long for one, and the folder for temporary "+
		"files can't be used: %w", f.root, errors.Join(problems...))
}

func fitsSocket(folder string) bool {
	return len(folder)+len("/.s.PGSQL."+port) <= socketPathLimit && !strings.ContainsAny(folder, `,"`)
}

// safeTemp refuses a folder in which another user could put a folder in the place of ours.
func (f folder) safeTemp(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	uid := info.Sys().(*syscall.Stat_t).Uid
	if uid != 0 && uid != uint32(os.Geteuid()) || info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("other users may rename what is in %s", dir)
	}
	if barrier, err := f.account.barrier(dir); err != nil || barrier != "" {
		return fmt.Errorf("user %s can't enter %s (%v)", f.account.name, barrier, err)
	}
	return nil
}

// private makes a folder of mode 0700 that the account owns. One that is there already must be just that: someone
// else may have put it, or a link, where we look.
func (f folder) private(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make a private folder: %w", err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("make a private folder: %w", err)
	}
	uid := info.Sys().(*syscall.Stat_t).Uid
	// What root owns is root's own work, perhaps cut short.
	if !info.IsDir() || uid != f.account.uid && (uid != 0 || os.Geteuid() != 0) {
		return fmt.Errorf("%s is not a folder of user %s", path, f.account.name)
	}
	if uid != f.account.uid {
		if err := f.own(path); err != nil {
			return err
		}
	}
	if info.Mode().Perm() != 0o700 {
		// Before this it may have been open to others, with a socket of theirs inside.
		return fmt.Errorf("%s has mode %#o, not 0700: remove it", path, info.Mode().Perm())
	}
	return nil
}
