package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server that was started for a measurement.
type process struct {
	cmd  *exec.Cmd
	addr string
	log  *os.File
}

// startServer starts the binary with these settings, and answers it with the time until its first 200.
func (b *bench) startServer(ctx context.Context, settings ...string) (*process, time.Duration, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, 0, err
	}
	cmd := exec.Command(b.binary, "serve")
	cmd.Env = append(environ(), append(settings, "LATCHKEY_ADDR="+addr)...)
	return b.begin(ctx, cmd, addr, "/readyz")
}

// begin starts a command and asks it until it answers 200.
func (b *bench) begin(ctx context.Context, cmd *exec.Cmd, addr, path string) (*process, time.Duration, error) {
	log, err := os.CreateTemp(b.dir, "log-")
	if err != nil {
		return nil, 0, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	// Not in this one's group: a Ctrl-C is for this process, which stops the others in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	started := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, 0, errors.Join(err, log.Close())
	}
	p := &process{cmd, addr, log}
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	for time.Since(started) < time.Minute && ctx.Err() == nil {
		res, err := client.Get("http://" + addr + path)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return p, time.Since(started), nil
			}
		}
		time.Sleep(time.Millisecond)
	}
	text, _ := os.ReadFile(log.Name())
	return nil, 0, errors.Join(fmt.Errorf("%s doesn't answer: %s", cmd.Path, text), p.stop())
}

func (p *process) stop() error {
	err := p.cmd.Process.Signal(syscall.SIGTERM)
	state, waitErr := p.cmd.Process.Wait()
	if waitErr == nil && !state.Success() && state.ExitCode() >= 0 {
		waitErr = fmt.Errorf("%s ended with %s", p.cmd.Path, state)
	}
	return errors.Join(err, waitErr, p.log.Close())
}

// environ is this process's environment without the server's settings.
func environ() []string {
	var kept []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "LATCHKEY_") {
			kept = append(kept, entry)
		}
	}
	return kept
}

func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// cpu is the processor time that the process has had. It is zero where there is no /proc.
func (p *process) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// Behind the name, which is in parentheses, fields 14 and 15 in 1/100 s (proc_pid_stat(5)).
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memory answers lines of /proc/PID/status such as VmRSS, in MiB; zero where there are none.
func (p *process) memory(name string) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			kib, _ := strconv.Atoi(strings.Fields(value)[0])
			return float64(kib) / 1024
		}
	}
	return 0
}
