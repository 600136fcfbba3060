package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inSystemd is the variable that makes this test binary the beginning of a systemd. It is the
// folder that boot has filled. inGroup is the variable with its control group.
const (
	inSystemd = "LATCHKEY_TEST_SYSTEMD"
	inGroup   = "LATCHKEY_TEST_GROUP"
)

func init() {
	if dir := os.Getenv(inSystemd); dir != "" {
		fmt.Fprintln(os.Stderr, becomeSystemd(dir, os.Getenv(inGroup)))
		os.Exit(125)
	}
}

// boot starts a systemd that runs the unit and nothing else. Its root is this machine's, with an
// overlay for what is written, and its processes are in a namespace and a control group that end
// with the test. files are written into the root. It returns a function that reads a file of the
// root.
func boot(t *testing.T, dir string, files map[string]string) func(name string) string {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, "files", name)
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600))
		if err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	group := newGroup(t)
	cmd.Env = []string{inSystemd + "=" + dir, inGroup + "=" + group}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // its end is the end of all its processes
		_ = cmd.Wait()         // a signal ended it
		removeGroup(t, group)
	})
	return func(name string) string {
		text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(cmd.Process.Pid), "root", name))
		if err != nil {
			return ""
		}
		return string(text)
	}
}

// newGroup makes a control group beside that of this process, in the hierarchy of cgroup v2.
func newGroup(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	mounted := regexp.MustCompile(`(?m)^\S+ (\S+) cgroup2 `).FindSubmatch(mounts)
	path := regexp.MustCompile(`(?m)^0::(.*)$`).FindSubmatch(own)
	if mounted == nil || path == nil {
		t.Fatal("there is no cgroup v2")
	}
	group, err := os.MkdirTemp(string(mounted[1])+string(path[1]), "latchkey-test-")
	if err != nil {
		t.Fatal(err)
	}
	return group
}

// removeGroup removes a control group and those that systemd has made in it. Nothing runs in them.
func removeGroup(t *testing.T, group string) {
	t.Helper()
	var all []string
	err := filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			all = append(all, path)
		}
		return err
	})
	for _, path := range slices.Backward(all) {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		t.Error(err)
	}
}

// becomeSystemd becomes the systemd of a test. It returns only if that fails.
func becomeSystemd(dir, group string) error {
	runtime.LockOSThread() // namespaces belong to a thread
	if err := errors.Join(
		os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte("0"), 0), unix.Unshare(unix.CLONE_NEWCGROUP),
	); err != nil {
		return err
	}
	root := filepath.Join(dir, "overlay", "root")
	at := func(path string) string { return filepath.Join(root, path) }
	const plain = unix.MS_NOSUID | unix.MS_NODEV
	if err := errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		os.Mkdir(filepath.Join(dir, "overlay"), 0o755),
		unix.Mount("overlay", filepath.Join(dir, "overlay"), "tmpfs", plain, "mode=755"),
	); err != nil {
		return err
	}
	for _, name := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(dir, "overlay", name), 0o755); err != nil {
			return err
		}
	}
	layers := fmt.Sprintf("lowerdir=/,upperdir=%s/overlay/upper,workdir=%s/overlay/work", dir, dir)
	if err := errors.Join(
		unix.Mount("overlay", root, "overlay", 0, layers),
		unix.Mount("proc", at("proc"), "proc", plain|unix.MS_NOEXEC, ""),
		// At its start systemd raises limits of the kernel, which are this machine's.
		unix.Mount(at("proc/sys"), at("proc/sys"), "", unix.MS_BIND, ""),
		unix.Mount("", at("proc/sys"), "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|plain|unix.MS_NOEXEC, ""),
		unix.Mount("/sys", at("sys"), "", unix.MS_BIND|unix.MS_REC, ""),
		unix.Mount("", at("sys"), "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|plain, ""),
		unix.Mount("cgroup2", at("sys/fs/cgroup"), "cgroup2", plain|unix.MS_NOEXEC, ""),
		unix.Mount("dev", at("dev"), "tmpfs", unix.MS_NOSUID, "mode=755"),
		os.Mkdir(at("dev/pts"), 0o755), os.Mkdir(at("dev/shm"), 0o755), os.Symlink("pts/ptmx", at("dev/ptmx")),
		unix.Mount("devpts", at("dev/pts"), "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666"),
		unix.Mount("run", at("run"), "tmpfs", plain, "mode=755"),
		unix.Mount("tmp", at("tmp"), "tmpfs", plain, "mode=1777"),
		// systemd would migrate what a server of this machine has there.
		os.RemoveAll(at("var/lib/latchkey")), os.RemoveAll(at("var/lib/private")), os.RemoveAll(at("etc/latchkey")),
	); err != nil {
		return err
	}
	for _, device := range []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"} {
		err := errors.Join(os.WriteFile(at(device), nil, 0o600), unix.Mount(device, at(device), "", unix.MS_BIND, ""))
		if err != nil {
			return err
		}
	}
	if err := placeFiles(dir, root); err != nil {
		return err
	}
	if err := errors.Join(
		os.Mkdir(at("old"), 0o755), os.Chdir(root), unix.PivotRoot(".", "old"), unix.Unmount("/old", unix.MNT_DETACH),
		// systemd hands the credentials to the service by a mount, which has to be seen there.
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""),
	); err != nil {
		return err
	}
	const systemd = "/lib/systemd/systemd"
	return syscall.Exec(systemd, []string{systemd, "--system", "--unit=latchkey.service", "--log-target=null"},
		[]string{"container=test", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"})
}

// placeFiles copies the files of a test and the binary into the root, and mounts the database's
// socket.
func placeFiles(dir, root string) error {
	binary, err := os.ReadFile(filepath.Join(dir, "latchkey"))
	if err != nil {
		return err
	}
	socket := filepath.Join(root, "run", "database")
	return errors.Join(
		os.CopyFS(root, os.DirFS(filepath.Join(dir, "files"))),
		os.WriteFile(filepath.Join(root, "usr/bin/latchkey"), binary, 0o755),
		os.Mkdir(socket, 0o755),
		unix.Mount(filepath.Join(dir, "data", "socket"), socket, "", unix.MS_BIND, ""),
	)
}

// TestUnitRuns starts the unit by a real systemd: the server reads its credentials, reaches its
// database and hashes passwords in the sandbox.
func TestUnitRuns(t *testing.T) {
	t.Parallel()
	installed(t, analyze)
	can(t, "unit")
	dir, err := os.MkdirTemp("", "latchkey-systemd-")
	if err == nil {
		err = os.Chmod(dir, 0o711)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // a folder that stays is no failure
	key := serveDatabase(t, dir)

	addr := freeAddr(t)
	text, err := os.ReadFile("systemd/latchkey.service")
	if err != nil {
		t.Fatal(err)
	}
	// The test's systemd runs this unit alone. The output of the service goes to a file.
	alone := strings.NewReplacer(
		"Wants=network-online.target", "DefaultDependencies=no",
		"[Service]\n", "[Service]\nStandardOutput=append:/run/output\nStandardError=append:/run/output\n",
	).Replace(string(text))
	read := boot(t, dir, map[string]string{
		"etc/systemd/system/latchkey.service": alone,
		"etc/latchkey/secret-key":             key,
		"etc/latchkey/database-url":           "postgres://latchkey@/latchkey?host=/run/database\n",
		"etc/latchkey/latchkey.env":           "LATCHKEY_ADDR=" + addr + "\n",
	})
	awaitReady(t, addr, func() string { return read("run/output") })
	checkLogin(t, addr)
}
