//go:build !linux

package postgres

import (
	"context"
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
	ctx, cancel := context.WithCancel(context.Background())
	cmd := account{}.command(ctx, "/bin/sh", "-c", `read -r end; kill -INT "$1"`, "sh", strconv.Itoa(pid))
	if _, err := cmd.StdinPipe(); err != nil || cmd.Start() != nil {
		cancel()
		return func() {}
	}
	return func() {
		cancel() // kills the shell before the pipe closes
		_ = cmd.Wait()
	}
}
