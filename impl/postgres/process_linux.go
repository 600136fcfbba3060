package postgres

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// socketPathLimit is the size of sun_path without its final NUL (unix(7)).
const socketPathLimit = 107

// endWithParent makes the kernel send the signal when the thread that starts the process ends. The
// thread also ends when this process is killed.
func endWithParent(attr *syscall.SysProcAttr, signal syscall.Signal) { attr.Pdeathsig = signal }

// guard does nothing here: the kernel does its work.
func guard(int) (release func()) { return func() {} }

// clusterProcesses returns the processes of a PostgreSQL that works in this cluster. Each has the
// cluster as its working folder. If that can't be read, as by root in a container without
// CAP_SYS_PTRACE, the command line decides. A postmaster's command line names the folder, and those
// of its children name the cluster. sure is false if the processes can't be listed.
func (f folder) clusterProcesses() (pids []int, sure bool) {
	want, err := os.Stat(f.cluster())
	if err != nil {
		return nil, false
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, false
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		proc := filepath.Join("/proc", entry.Name())
		// The program counts first, because a shell may have the same working folder. go test would
		// also record a look at another program's folder as an input, and never cache a result.
		if program, err := os.Readlink(filepath.Join(proc, "exe")); err == nil {
			if strings.HasPrefix(filepath.Base(program), "postgres") && isSame(filepath.Join(proc, "cwd"), want) {
				pids = append(pids, pid)
			}
			continue
		}
		info, err := os.Stat(proc)
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != f.account.uid {
			continue
		}
		line, _ := os.ReadFile(filepath.Join(proc, "cmdline"))
		args := strings.Split(string(line), "\x00")
		if filepath.Base(args[0]) == "postgres" && slices.Contains(args, f.cluster()) ||
			strings.HasPrefix(args[0], "postgres: "+f.clusterName()+":") {
			pids = append(pids, pid)
		}
	}
	return pids, true
}

func isSame(path string, want os.FileInfo) bool {
	info, err := os.Stat(path)
	return err == nil && os.SameFile(info, want)
}
