package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

// inContainer is the variable that makes this test binary the beginning of a container's process.
const inContainer = "LATCHKEY_TEST_CONTAINER"

// container is an unpacked image, run as `docker run --read-only --cap-drop ALL --network host
// --security-opt no-new-privileges` does. For root the image's user is a user of its own. For
// anybody else it is the user of the tests, in a user namespace.
type container struct {
	Root   string
	Config v1.Config
	User   int
	Mounts []mount
}

// mount is a folder of this machine in the container.
type mount struct {
	From, To string
	ReadOnly bool
}

// start is what the beginning of a container's process gets.
type start struct {
	Container container
	Args, Env []string
}

// command returns a command that runs a program in the container.
func (c container) command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(start{c, args, replaced(c.Config.Env, env)})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = []string{inContainer + "=" + string(text)}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC, Pdeathsig: syscall.SIGKILL,
	}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: c.User, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: c.User, HostID: os.Getegid(), Size: 1}}
		cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SYS_CHROOT}
	}
	return cmd
}

// replaced returns the variables of an image with some replaced. A process that gets a variable
// twice may take the first.
func replaced(variables, by []string) []string {
	kept := slices.DeleteFunc(slices.Clone(variables), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.ContainsFunc(by, func(other string) bool { return strings.HasPrefix(other, name+"=") })
	})
	return append(kept, by...)
}

// enter becomes the process of a container. It returns only if that fails.
func enter(text string) error {
	runtime.LockOSThread() // capabilities belong to a thread
	var s start
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	if err := s.Container.mount(); err != nil {
		return err
	}
	err := errors.Join(unix.Chroot(s.Container.Root), os.Chdir(s.Container.Config.WorkingDir))
	if user := s.Container.User; err == nil && os.Geteuid() != user {
		err = errors.Join(syscall.Setgroups(nil), syscall.Setgid(user), syscall.Setuid(user))
	}
	if err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := errors.Join(
		unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0),
		unix.Capset(&header, (*unix.CapUserData)(unsafe.Pointer(&none))),
		unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
	); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", s.Args[0], syscall.Exec(s.Args[0], s.Args, s.Env))
}

// mount makes the container's file systems in the mount namespace of this process.
func (c container) mount() error {
	at := func(path string) string { return filepath.Join(c.Root, path) }
	err := errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount(c.Root, c.Root, "", unix.MS_BIND|unix.MS_REC, ""),
		unix.Mount("proc", at("proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""),
		unix.Mount("dev", at("dev"), "tmpfs", unix.MS_NOSUID, "mode=755"),
		os.Mkdir(at("dev/shm"), 0o755),
		unix.Mount("shm", at("dev/shm"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"),
	)
	for _, device := range []string{"/dev/null", "/dev/zero", "/dev/urandom"} {
		err = errors.Join(err, os.WriteFile(at(device), nil, 0o600), unix.Mount(device, at(device), "", unix.MS_BIND, ""))
	}
	for _, m := range c.Mounts {
		err = errors.Join(err, unix.Mount(m.From, at(m.To), "", unix.MS_BIND, ""))
		if m.ReadOnly {
			err = errors.Join(err, readOnly(at(m.To)))
		}
	}
	return errors.Join(err, readOnly(c.Root))
}

func readOnly(path string) error {
	return unix.Mount("", path, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
}
