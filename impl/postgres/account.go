package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"syscall"
)

// account is the user that PostgreSQL runs as. It is our own user, or another one if we are root,
// because PostgreSQL refuses to run as root.
type account struct {
	uid, gid uint32
	name     string
	dropped  bool // we are root and it isn't
}

// chooseAccount returns our own user if we aren't root. For root it returns the owner of an
// existing cluster, else postgres, else nobody.
func chooseAccount(cluster string) (account, error) {
	if uid := os.Geteuid(); uid != 0 {
		return account{uid: uint32(uid), gid: uint32(os.Getegid()), name: fmt.Sprintf("uid %d", uid)}, nil
	}
	if info, err := os.Lstat(cluster); err == nil && info.IsDir() {
		if stat := info.Sys().(*syscall.Stat_t); stat.Uid != 0 {
			return account{uid: stat.Uid, gid: stat.Gid, name: fmt.Sprintf("uid %d", stat.Uid), dropped: true}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		a := account{name: name, dropped: true}
		if _, err := fmt.Sscan(u.Uid+" "+u.Gid, &a.uid, &a.gid); err != nil {
			return account{}, fmt.Errorf("the ids of user %s: %w", name, err)
		}
		if a.uid != 0 {
			return a, nil
		}
	}
	return account{}, fmt.Errorf("%w: it refuses to run as root, and there is no user postgres or nobody; "+
		"start Latchkey as another user", ErrNoAccount)
}

// command returns a command that runs a program as the account. The program gets a process group of
// its own. So an interrupt from the terminal reaches only us, and we decide the order of the
// shutdown. Of the environment it gets only the variables that find libraries. The rest contains
// our secrets, and PG* variables that would change what it does.
func (a account) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	for _, name := range []string{"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if value := os.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a.dropped {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return cmd
}

// canEnter reports whether the account may pass through a folder with this mode.
func (a account) canEnter(info fs.FileInfo) bool {
	stat, bit := info.Sys().(*syscall.Stat_t), fs.FileMode(0o001)
	switch {
	case stat.Uid == a.uid:
		bit = 0o100
	case stat.Gid == a.gid:
		bit = 0o010
	}
	return info.IsDir() && info.Mode()&bit != 0
}

// reach returns an error that names the first folder on the way to path that the account can't
// enter. The way includes path itself. A folder that doesn't exist yet is no obstacle. Our own user
// finds its obstacles itself.
func (a account) reach(path string) error {
	if !a.dropped {
		return nil
	}
	for end, char := range path + "/" {
		if char != '/' {
			continue
		}
		dir := path[:max(end, 1)]
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case !a.canEnter(info):
			return fmt.Errorf("started by root, PostgreSQL runs as user %s, which can't enter %s on the way to %s",
				a.name, dir, path)
		}
	}
	return nil
}

// ForgetEnvironment removes the variables of libpq, such as PGHOST and PGSERVICE, from this
// process's environment. They are meant for external databases, and the driver reads them whatever
// a URL contains.
func ForgetEnvironment() {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "PG") {
			_ = os.Unsetenv(name) // the name is valid
		}
	}
}
