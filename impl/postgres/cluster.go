package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const newCluster = "postgres.new-" // a random suffix follows

// clusterMajor returns the major version of the cluster, or 0 if there is none yet.
func (f folder) clusterMajor() (int, error) {
	file := filepath.Join(f.cluster(), "PG_VERSION")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the cluster's version: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s doesn't hold a version: %q", file, text)
	}
	return major, nil
}

// removeLeft removes the folder of a start that was killed. A program of that start may still write to
// it while it notices the end of its parent.
func removeLeft(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		err := os.RemoveAll(dir)
		if !errors.Is(err, syscall.ENOTEMPTY) || pause(ctx, 10*time.Millisecond) != nil {
			return err
		}
	}
}

// initialise makes the cluster in a temporary folder. It moves it to its place when it is complete
// and on the disk, so that a crash leaves either all of it or none.
func (f folder) initialise(ctx context.Context, in install, options Options) error {
	left, err := filepath.Glob(f.path(newCluster + "*"))
	if err != nil {
		return err
	}
	for _, dir := range left {
		options.Logger.Warn("removing a half-made database", "folder", dir)
		if err := removeLeft(ctx, dir); err != nil {
			return fmt.Errorf("remove a half-made database: %w", err)
		}
	}
	if err := f.clearPlace(options.Logger); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(f.root, newCluster)
	if err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := f.own(dir); err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	// With locale C the order of text doesn't depend on the machine's locales. An upgrade of the
	// machine could change a locale and so break the indexes. A user that can enter the socket's
	// folder is trusted: PostgreSQL's user and root.
	args := []string{"-D", dir, "-U", superuser, "--encoding=UTF8", "--locale=C", "--data-checksums",
		"--auth-local=trust", "--auth-host=reject", "--no-instructions"}
	if options.Parameters["fsync"] == "off" {
		args = append(args, "--no-sync")
	}
	if err := f.run(ctx, filepath.Join(in.bin, "initdb"), args...); err != nil {
		return err
	}
	if err := os.Rename(dir, f.cluster()); err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	return SyncFolder(f.root)
}

// clearPlace moves a folder aside that is in the cluster's place but isn't a cluster. It has no
// file PG_VERSION, which initdb writes among its first files, so no PostgreSQL has used it. It is
// kept all the same.
func (f folder) clearPlace(logger *slog.Logger) error {
	err := os.Remove(f.cluster())
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Lstat(filepath.Join(f.cluster(), "global", "pg_control")); err == nil {
		return fmt.Errorf("%s has lost its file PG_VERSION: restore the folder from a backup", f.cluster())
	}
	aside := f.cluster() + ".incomplete-" + time.Now().UTC().Format("20060102T150405.000")
	logger.Warn("putting a half-made database aside", "folder", f.cluster(), "to", aside)
	if err := os.Rename(f.cluster(), aside); err != nil {
		return fmt.Errorf("put a half-made database aside: %w", err)
	}
	return nil
}

// SyncFolder writes to the disk which files a folder has.
func SyncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// run runs a program as the account and waits for its end. The program ends with us and with ctx.
// The error contains the program's output.
func (f folder) run(ctx context.Context, program string, args ...string) error {
	cmd := f.account.command(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	endWithParent(cmd.SysProcAttr, syscall.SIGTERM)
	// The kernel signals the program when this thread ends, so this goroutine keeps the thread to
	// itself.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	output, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil {
		return nil
	}
	text := strings.TrimSpace(string(output))
	if strings.Contains(text, "could not look up effective user ID") {
		err = fmt.Errorf("%w: its user needs an entry in the passwd file: %w", ErrNoAccount, err)
	}
	return fmt.Errorf("%s: %w\n%s", filepath.Base(program), err, text)
}

// stopOrphans ends the processes that a killed server has left in the cluster. It also removes a
// pid file that names another program's process, because PostgreSQL takes any process of its user
// for a running server. We hold the data folder's lock, so the processes don't belong to a server
// in use.
func (f folder) stopOrphans(ctx context.Context, logger *slog.Logger) error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, 15 * time.Second}, {syscall.SIGQUIT, 5 * time.Second}, {syscall.SIGKILL, 5 * time.Second}} {
		pids, sure := f.clusterProcesses()
		if len(pids) == 0 {
			return f.removeStalePID(logger, sure)
		}
		// Only the postmaster can do a fast shutdown. Its children end with it, or when they notice
		// that it is gone.
		targets := pids
		if postmaster := f.postmasterPID(); step.signal == syscall.SIGINT {
			targets = nil
			if slices.Contains(pids, postmaster) {
				targets = []int{postmaster}
			}
		}
		logger.Warn("stopping a PostgreSQL that a killed process has left", "pids", pids, "signal", step.signal.String())
		for _, pid := range targets {
			_ = syscall.Kill(pid, step.signal)
		}
		for deadline := time.Now().Add(step.wait); len(pids) > 0 && time.Now().Before(deadline); {
			if err := pause(ctx, 10*time.Millisecond); err != nil {
				return err
			}
			pids, _ = f.clusterProcesses()
		}
	}
	if pids, _ := f.clusterProcesses(); len(pids) > 0 {
		return fmt.Errorf("a killed process has left a PostgreSQL in %s, and its processes don't end: %v", f.cluster(), pids)
	}
	return nil
}

// postmasterPID returns the process id in the pid file, or 0 if there is none.
func (f folder) postmasterPID() int {
	text, err := os.ReadFile(filepath.Join(f.cluster(), "postmaster.pid"))
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return 0
	}
	return max(pid, 0)
}

// removeStalePID removes a pid file that would keep PostgreSQL from starting although no process
// works in the cluster. That is:
//
//   - a file that names a live process, if sure is true: no process of the cluster can have been
//     overlooked
//   - an empty file, which only a power cut leaves
//
// PostgreSQL itself removes the file of a dead process.
func (f folder) removeStalePID(logger *slog.Logger, sure bool) error {
	path := filepath.Join(f.cluster(), "postmaster.pid")
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pid := f.postmasterPID()
	alive := pid != 0 && syscall.Kill(pid, 0) == nil
	if info.Size() > 0 && !(alive && sure) {
		return nil
	}
	logger.Warn("removing a pid file that a killed PostgreSQL has left", "file", path, "pid", pid)
	return os.Remove(path)
}
