package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server that was started for a measurement.
type process struct {
	release
	addr string
	took time.Duration // from its start to the first 200
	cmd  *exec.Cmd
}

// startServer starts a release and sends it requests until it responds with 200. On a PostgreSQL of
// the bench its limits are off. The settings win over that.
func (b *bench) startServer(ctx context.Context, r release, settings ...string) (*process, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := ln.Addr().String()
	if err := ln.Close(); err != nil {
		return nil, err
	}
	cmd := exec.Command(r.binary, "serve")
	cmd.Env = append(append(b.environment(r), "LATCHKEY_ADDR="+addr), settings...)
	log, err := os.CreateTemp(b.dir, "log-")
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	// In a group of its own: Ctrl-C reaches this process alone, which then stops the others in
	// order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	started := time.Now()
	if err := errors.Join(cmd.Start(), log.Close()); err != nil {
		return nil, err
	}
	p := &process{release: r, addr: addr, cmd: cmd}
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	for time.Since(started) < time.Minute && ctx.Err() == nil {
		res, err := client.Get("http://" + addr + "/readyz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				p.took = time.Since(started)
				return p, nil
			}
		}
		time.Sleep(time.Millisecond)
	}
	text, _ := os.ReadFile(log.Name())
	return nil, errors.Join(fmt.Errorf("%s doesn't respond: %s", r.binary, text), p.stop())
}

// environment returns the environment of a release's processes.
func (b *bench) environment(r release) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	if r.postgres == nil {
		return env
	}
	return append(
		env,
		"LATCHKEY_DATABASE_URL="+r.postgres.URL(),
		"LATCHKEY_SECRET_KEY="+secretKey,
		"LATCHKEY_RATE_LIMITS=off",
		"LATCHKEY_DATA_DIR="+filepath.Join(b.dir, r.name+"-data"), // for the mails
	)
}

// withServers starts every release with the settings, and stops them after the measurement.
func (b *bench) withServers(ctx context.Context, settings []string, measure func([]*process) error) (err error) {
	var servers []*process
	defer func() {
		for _, p := range servers {
			err = errors.Join(err, p.stop())
		}
	}()
	for _, r := range b.releases {
		p, err := b.startServer(ctx, r, settings...)
		if err != nil {
			return err
		}
		servers = append(servers, p)
	}
	return measure(servers)
}

func (p *process) stop() error {
	err := p.cmd.Process.Signal(syscall.SIGTERM)
	state, waitErr := p.cmd.Process.Wait()
	if waitErr == nil && !state.Success() && state.ExitCode() >= 0 {
		waitErr = fmt.Errorf("%s ended with %s", p.binary, state)
	}
	return errors.Join(err, waitErr)
}

// cpu returns the processor time that the process has used, or zero where there is no /proc.
func (p *process) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// After the name, which is in parentheses, fields 14 and 15 in 1/100 s (proc_pid_stat(5)).
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memory returns a line of /proc/PID/status, such as VmRSS, in MiB, or zero where there is none.
func (p *process) memory(name string) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	_, value, _ := strings.Cut(string(text), name+":")
	var kib float64
	_, _ = fmt.Sscan(value, &kib)
	return kib / 1024
}
