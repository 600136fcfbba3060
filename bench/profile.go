package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// measureProfile: where the processor time of /api/users/me/ goes, part by part, beside that of a bare echo answer. The server is built
// for it with `-tags profile`, which is what lets its metrics' address answer profiles; no other binary does.
func (b *bench) measureProfile(ctx context.Context, t *table) error {
	profiled := *b
	profiled.binary = filepath.Join(b.dir, "latchkey-profile")
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-tags", "profile", "-o", profiled.binary, "github.com/latchkey-auth/latchkey/cmd/latchkey")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	metrics, err := freeAddr()
	if err != nil {
		return err
	}
	p, _, err := profiled.startServer(ctx, b.settings("LATCHKEY_METRICS_ADDR="+metrics)...)
	if err != nil {
		return err
	}
	defer func() { _ = p.stop() }()
	ada, err := register(p, "ada")
	if err != nil {
		return err
	}
	echo, err := b.startEcho(ctx, ada.me)
	if err != nil {
		return err
	}
	defer func() { _ = echo.stop() }()
	for _, connections := range []int{16, 64} {
		mine, err := profiled.profile(ctx, p, metrics, b.me(p, ada), connections, "me")
		if err != nil {
			return err
		}
		bare, err := profiled.profile(ctx, echo, echo.addr, shot{addr: echo.addr, method: "GET", path: mePath, want: 200}, connections, "echo")
		if err != nil {
			return err
		}
		for _, s := range shares {
			t.add(fmt.Sprintf("/me, %d connections, profile: %s", connections, s.part), mine.share(s.part), "bare echo "+bare.share(s.part))
		}
		t.add(fmt.Sprintf("/me, %d connections, profile: all of it", connections), mine.share(""), "bare echo "+bare.share(""))
	}
	return nil
}

// profiled is where a load's processor time went.
type profiled struct {
	cpu           time.Duration // of the server for each answer
	total, kernel map[string]time.Duration
}

// share is a part's share in words, or that of everything.
func (p profiled) share(part string) string {
	var all, of, kernel time.Duration
	for name, d := range p.total {
		all += d
		if part == "" || name == part {
			of, kernel = of+d, kernel+p.kernel[name]
		}
	}
	if all == 0 {
		return "n/a"
	}
	each := func(d time.Duration) float64 {
		return float64(d) / float64(all) * float64(p.cpu) / float64(time.Microsecond)
	}
	return fmt.Sprintf("%.0f %%, %.1f µs (%.1f µs in the kernel)", 100*float64(of)/float64(all), each(of), each(kernel))
}

// maxProfile is how long a profile may take: the server's metrics answer within ten seconds.
const maxProfile = 8 * time.Second

// profile puts a load on a server, and meanwhile takes its profile.
func (b *bench) profile(ctx context.Context, p *process, addr string, s shot, connections int, name string) (profiled, error) {
	seconds := max(1, int(min(b.duration, maxProfile).Seconds()))
	longer := *b
	longer.duration = time.Duration(seconds)*time.Second + 500*time.Millisecond // the profile lies within the load
	type answer struct {
		l   loaded
		err error
	}
	done := make(chan answer, 1)
	go func() {
		l, err := longer.load(ctx, p, s, connections)
		done <- answer{l, err}
	}()
	time.Sleep(250 * time.Millisecond)
	file := filepath.Join(b.dir, fmt.Sprintf("%s-%d.pprof", name, connections))
	if b.profiles != "" {
		if err := os.MkdirAll(b.profiles, 0o755); err != nil {
			return profiled{}, err
		}
		file = filepath.Join(b.profiles, filepath.Base(file))
	}
	err := fetch(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", addr, seconds), file)
	a := <-done
	if err := errors.Join(err, a.err); err != nil {
		return profiled{}, err
	}
	traces, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-traces", file).Output()
	if err != nil {
		return profiled{}, fmt.Errorf("go tool pprof: %w", err)
	}
	result := profiled{cpu: a.l.cpu, total: map[string]time.Duration{}, kernel: map[string]time.Duration{}}
	err = result.read(bytes.NewReader(traces))
	return result, err
}

func fetch(ctx context.Context, url, file string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s (%w)", url, res.Status, err)
	}
	return os.WriteFile(file, text, 0o644)
}

// read sums up what `go tool pprof -traces` prints: stacks, the innermost function first, behind a line of dashes and the time spent in each.
func (p profiled) read(traces io.Reader) error {
	lines := bufio.NewScanner(traces)
	lines.Buffer(nil, 1<<20)
	var (
		stack []string
		spent time.Duration
	)
	end := func() {
		if len(stack) > 0 {
			part := partOf(stack)
			p.total[part] += spent
			if isKernel(stack[0]) {
				p.kernel[part] += spent
			}
		}
		stack = nil
	}
	begun := false
	for lines.Scan() {
		fields := strings.Fields(strings.TrimSuffix(lines.Text(), " (inline)"))
		switch {
		case strings.HasPrefix(lines.Text(), "-----"):
			end()
			begun = true
		case !begun || len(fields) == 0:
		case len(stack) == 0 && len(fields) > 1:
			d, err := parseSpent(fields[0])
			if err != nil {
				return err
			}
			spent, stack = d, fields[1:2]
		default:
			stack = append(stack, fields[0])
		}
	}
	end()
	return lines.Err()
}

// parseSpent reads 10ms, 1.20s and 1.5mins, as pprof writes them.
func parseSpent(text string) (time.Duration, error) {
	if minutes, ok := strings.CutSuffix(text, "mins"); ok {
		n, err := strconv.ParseFloat(minutes, 64)
		return time.Duration(n * float64(time.Minute)), err
	}
	return time.ParseDuration(text)
}

// shares are the parts that processor time is summed up by: that of the first of which any function in the stack is one.
var shares = []struct {
	part  string
	marks []string // how a function's name begins
}{
	{"collecting garbage", []string{"runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.bgsweep", "runtime.bgscavenge", "runtime.gcStart", "runtime.(*sweepLocked)"}},
	{"deadlines of connections", []string{"internal/poll.setDeadlineImpl"}},
	{"the log's line", []string{"log/slog."}},
	{"the statement", []string{"github.com/latchkey-auth/latchkey/impl/auth.(*lookups).answer"}},
	{"waiting for a statement", []string{"github.com/latchkey-auth/latchkey/impl/auth.(*lookups)"}},
	{"the token", []string{"github.com/latchkey-auth/latchkey/impl/auth.(*Tokens)"}},
	{"the answer's JSON", []string{"encoding/json.", "github.com/latchkey-auth/latchkey/gen/api.GetCurrentUser"}},
	{"echo and what stands before the handler", []string{"github.com/labstack/echo", "github.com/latchkey-auth/latchkey/impl."}},
	{"net/http: looking whether the client goes", []string{"net/http.(*connReader).backgroundRead", "net/http.(*connReader).startBackgroundRead", "net/http.(*connReader).abortPendingRead"}},
	{"net/http: reading the request", []string{"net/http.(*conn).readRequest", "bufio.(*Reader).Peek"}},
	{"net/http: ending the answer", []string{"net/http."}},
	{"Go's scheduler and poller", []string{"runtime.mcall", "runtime.schedule", "runtime.findRunnable", "runtime.mstart", "runtime.sysmon", "runtime.gosched_m", "runtime.goexit0", "runtime.morestack", "runtime.park_m", "runtime.systemstack"}},
	{everythingElse, nil},
}

const everythingElse = "the rest"

func partOf(stack []string) string {
	for _, s := range shares {
		for _, mark := range s.marks {
			for _, function := range stack {
				if strings.HasPrefix(function, mark) {
					return s.part
				}
			}
		}
	}
	return everythingElse
}

// isKernel tells whether time was spent in a system call.
func isKernel(function string) bool {
	for _, name := range []string{"internal/runtime/syscall", "runtime.futex", "runtime.epollwait", "runtime.usleep", "runtime.write1", "runtime.read", "syscall.", "runtime.nanosleep", "runtime.madvise", "runtime.tgkill"} {
		if strings.HasPrefix(function, name) {
			return true
		}
	}
	return false
}
