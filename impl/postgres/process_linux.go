package postgres

import "syscall"

// socketPathLimit is the size of sun_path without its final NUL (unix(7)).
const socketPathLimit = 107

// endWithParent makes the kernel send the signal when the thread that starts the process ends. The
// thread also ends when this process is killed.
func endWithParent(attr *syscall.SysProcAttr, signal syscall.Signal) { attr.Pdeathsig = signal }

// guard does nothing here: the kernel does its work.
func guard(int) (release func()) { return func() {} }
