package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
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

// initialise makes the cluster in a temporary folder. It moves it to its place when it is complete
// and on the disk, so that a crash leaves either all of it or none.
func (f folder) initialise(ctx context.Context, in install, options Options) error {
	if err := f.clearPlace(options.Logger); err != nil {
		return err
	}
	// A program of a killed start may still write while it notices the end of its parent. It has
	// ended by the time that a cluster takes.
	defer f.removeHalfMade(options.Logger)
	dir, err := os.MkdirTemp(f.root, newCluster)
	if err == nil {
		err = f.own(dir)
	}
	if err != nil {
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

// removeHalfMade removes the clusters that starts haven't completed.
func (f folder) removeHalfMade(logger *slog.Logger) {
	left, _ := fs.Glob(os.DirFS(f.root), newCluster+"*") // the pattern is valid
	for _, name := range left {
		logger.Warn("removing a half-made database", "folder", f.path(name))
		if err := os.RemoveAll(f.path(name)); err != nil {
			logger.Warn("a half-made database can't be removed", "error", err)
		}
	}
}

// clearPlace moves a folder aside that is in the cluster's place but isn't a cluster. It has no
// file PG_VERSION, which initdb writes among its first files, so no PostgreSQL has used it. It is
// kept all the same.
func (f folder) clearPlace(logger *slog.Logger) error {
	info, err := os.Lstat(f.cluster())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !info.IsDir() {
		// A new database beside the present one would have no users.
		err = fmt.Errorf("%w: %s is not a folder (if it is a link, mount its disk)", ErrDataFolder, f.cluster())
	}
	if err != nil {
		return err
	}
	if os.Remove(f.cluster()) == nil {
		return nil // it was empty
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
	cmd.WaitDelay = 10 * time.Second
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

// stopOrphan ends the server that a killed process has left in the cluster. We hold the data
// folder's lock, so no process uses the server. What a killed server has left needs no signal: it
// ends soon by itself, and the start waits for it.
func (f folder) stopOrphan(ctx context.Context, logger *slog.Logger) error {
	for _, step := range []struct {
		signal string
		wait   time.Duration
	}{{"INT", 15 * time.Second}, {"QUIT", 5 * time.Second}, {"KILL", 5 * time.Second}} {
		pid, _ := f.running()
		if pid == 0 {
			break
		}
		logger.Warn("stopping a PostgreSQL that a killed process has left", "pid", pid, "signal", step.signal)
		// The account sends the signal. It may write any process id into its pid file, and root
		// could signal every process.
		_ = f.run(ctx, "/bin/sh", "-c", `kill -s "$0" "$1"`, step.signal, strconv.Itoa(pid)) // the server may be gone
		// The last thing that a server does is to remove its pid file.
		for deadline := time.Now().Add(step.wait); f.postmasterPID() == pid && time.Now().Before(deadline); {
			if err := pause(ctx, 10*time.Millisecond); err != nil {
				return err
			}
		}
	}
	if pid, _ := f.running(); pid != 0 {
		return fmt.Errorf("a killed process has left a PostgreSQL in %s, and it doesn't end: process %d", f.cluster(), pid)
	}
	return f.removeStalePID(logger)
}

func (f folder) pidFile() string { return filepath.Join(f.cluster(), "postmaster.pid") }

// running returns the process id of the server that runs in the cluster, and the folder of its
// socket. If there is none, it returns 0. A server names itself, its cluster and the socket's
// folder in the pid file, and accepts connections until it ends.
func (f folder) running() (pid int, socket string) {
	text, _ := os.ReadFile(f.pidFile()) // a stopped server has none
	lines := strings.Split(string(text), "\n")
	if len(lines) < 5 || lines[1] != f.cluster() || !filepath.IsAbs(lines[4]) {
		return 0, ""
	}
	conn, err := net.Dial("unix", filepath.Join(lines[4], ".s.PGSQL."+port))
	switch {
	case err == nil:
		_ = conn.Close()
	case !errors.Is(err, syscall.EAGAIN): // of a server that is frozen, and has no room for another connection
		return 0, ""
	}
	return f.postmasterPID(), lines[4]
}

// postmasterPID returns the process id in the pid file, or 0 if there is none.
func (f folder) postmasterPID() (pid int) {
	text, _ := os.ReadFile(f.pidFile())
	_, _ = fmt.Sscan(string(text), &pid) // 0 if it isn't a number
	return max(pid, 0)
}

// removeStalePID removes a pid file that would keep PostgreSQL from starting although no server
// runs in the cluster. That is:
//
//   - a file that names a live process, because PostgreSQL takes any process of its user for a
//     running server. If processes of a killed server still run, PostgreSQL notices their shared
//     memory.
//   - an empty file, which only a power cut leaves
//
// PostgreSQL itself removes the file of a dead process.
func (f folder) removeStalePID(logger *slog.Logger) error {
	info, err := os.Lstat(f.pidFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pid := f.postmasterPID()
	if isAlive := pid != 0 && syscall.Kill(pid, 0) == nil; info.Size() > 0 && !isAlive {
		return nil
	}
	logger.Warn("removing a pid file that a killed PostgreSQL has left", "file", f.pidFile(), "pid", pid)
	return os.Remove(f.pidFile())
}
