package postgres

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// socketPathLimit is the size of sun_path less its final NUL (unix(7)).
const socketPathLimit = 107

// endWithParent has the kernel send the signal when the thread that starts the process ends, as it does when this
// process is killed.
func endWithParent(attr *syscall.SysProcAttr, signal syscall.Signal) { attr.Pdeathsig = signal }

// guard does nothing here: the kernel does its work.
func guard(int) (release func()) { return func() {} }

// clusterProcesses finds the processes of a PostgreSQL that works in this cluster: all have it as their working
// folder. Where that can't be read (root in a container lacks CAP_SYS_PTRACE) the command line tells a postmaster;
// of another process it can only be said that it might be one, which unsure reports.
func clusterProcesses(cluster string) (pids []int, unsure bool) {
	want, err := os.Stat(cluster)
	if err != nil {
		return nil, false
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, true
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		proc := filepath.Join("/proc", entry.Name())
		if cwd, err := os.Stat(filepath.Join(proc, "cwd")); err == nil {
			// A shell may have gone there too.
			program, _ := os.Readlink(filepath.Join(proc, "exe"))
			if os.SameFile(cwd, want) && strings.HasPrefix(filepath.Base(program), "postgres") {
				pids = append(pids, pid)
			}
			continue
		}
		line, _ := os.ReadFile(filepath.Join(proc, "cmdline"))
		if args := strings.Split(string(line), "\x00"); filepath.Base(args[0]) == "postgres" && slices.Contains(args, cluster) {
			pids = append(pids, pid)
		} else if strings.HasPrefix(string(line), "postgres: "+clusterName) {
			unsure = true
		}
	}
	return pids, unsure
}
