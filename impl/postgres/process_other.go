//go:build !linux

package postgres

import (
	"os/exec"
	"strconv"
	"syscall"
)

// socketPathLimit is the size of sun_path without its final NUL on macOS and the BSDs.
const socketPathLimit = 103

// endWithParent does nothing here: see [guard].
func endWithParent(*syscall.SysProcAttr, syscall.Signal) {}

// guard ends the process when we die. A shell waits on a pipe that only we hold open, and requests
// the fast shutdown when the pipe closes. Without a shell PostgreSQL would outlive us, and the next
// start would stop it.
func guard(pid int) (release func()) {
	cmd := exec.Command("/bin/sh", "-c", `read -r word; [ "$word" = done ] || kill -INT "$1"`, "sh", strconv.Itoa(pid))
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return func() {}
	}
	if cmd.Start() != nil {
		_ = pipe.Close()
		return func() {}
	}
	return func() {
		_, _ = pipe.Write([]byte("done\n"))
		_ = pipe.Close()
		_ = cmd.Wait()
	}
}
