package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// patience bounds every wait of these tests: far more than a busy machine needs.
const patience = 90 * time.Second

// testKey is a secret key for servers on a database of the tests.
const testKey = "hV3kq8Zr1wXtN6yPbC0mJ4sLgE9dFuA7oT5iRvQ2KxWnYzHj"

// TestMain puts the real binary into PATH as latchkey: this one, which is main when it is called so.
func TestMain(m *testing.M) {
	testscript.Main(withPostgres{m}, map[string]func(){"latchkey": main})
}

type withPostgres struct{ m *testing.M }

func (w withPostgres) Run() int { return postgrestest.Run(w.m) }

// testEnviron is what every process gets: nothing of the developer's settings, and hashes that cost nothing.
func testEnviron() []string {
	environ := []string{
		"PATH=" + os.Getenv("PATH"),
		// The race detector would let every process wait for a second at its end.
		"GORACE=atexit_sleep_ms=10 " + os.Getenv("GORACE"),
		"LATCHKEY_ADDR=127.0.0.1:0",
		"LATCHKEY_PASSWORD_HASH_MEMORY_KIB=64",
		"LATCHKEY_PASSWORD_HASH_PASSES=1",
	}
	for _, name := range []string{"LATCHKEY_POSTGRES_BIN", "GOCOVERDIR"} {
		if value := os.Getenv(name); value != "" {
			environ = append(environ, name+"="+value)
		}
	}
	return environ
}

// openFolder is a folder for this test alone that PostgreSQL's user can go through, unlike one of [testing.TB.TempDir].
func openFolder(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "latchkey-cmd-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	// The programs of the npm package, where they are what there is, are looked for from the working folder upwards.
	web, err := filepath.Abs(filepath.Join("..", "..", "web"))
	if err := errors.Join(err, os.Symlink(web, filepath.Join(dir, "web")), os.Chmod(dir, 0o711)); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// process is a latchkey that runs.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *output
	listening      chan string // gets the URL of the start line
	exited         chan struct{}
	err            error // how it ended, once exited is closed
}

// launch starts the binary; change may adapt how.
func launch(dir string, environ, args []string, change ...func(*exec.Cmd)) (*process, error) {
	p := &process{cmd: exec.Command("latchkey", args...), listening: make(chan string, 1), exited: make(chan struct{})}
	p.stdout, p.stderr = &output{listening: p.listening}, &output{listening: p.listening}
	p.cmd.Dir, p.cmd.Env = dir, environ
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	for _, f := range change {
		f(p.cmd)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// serve starts a server for the test in the folder and waits until it listens.
func serve(tb testing.TB, dir string, environ []string, change ...func(*exec.Cmd)) (*process, string) {
	tb.Helper()
	p, err := launch(dir, environ, []string{"serve"}, change...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.end(tb) })
	url, err := p.awaitURL()
	if err != nil {
		tb.Fatal(err)
	}
	return p, url
}

// awaitURL waits for the start line.
func (p *process) awaitURL() (string, error) {
	select {
	case url := <-p.listening:
		return url, nil
	case <-p.exited:
		return "", errors.New("the server ended before it listened:\n" + p.stderr.String())
	case <-time.After(patience):
		return "", errors.New("the server doesn't listen:\n" + p.stderr.String())
	}
}

// wait waits for the end; the status is -1 after a signal.
func (p *process) wait() (status int, err error) {
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(patience):
		return 0, errors.New("the process doesn't end:\n" + p.stderr.String())
	}
}

func (p *process) signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// kill ends the process as a power cut would. Killing what has ended is fine.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// end ends what still runs, and its PostgreSQL with it, which outlives a kill by a moment in which the test's folder can't be removed.
func (p *process) end(tb testing.TB) {
	tb.Helper()
	if !p.running() {
		return
	}
	_ = p.signal(syscall.SIGTERM) // it may have ended just now
	if _, err := p.wait(); err != nil {
		tb.Error(err)
		p.kill()
	}
}

// stop asks the process to end, which it must do with status 0.
func (p *process) stop(tb testing.TB) {
	tb.Helper()
	if err := p.signal(syscall.SIGTERM); err != nil {
		tb.Fatal(err)
	}
	status, err := p.wait()
	if err != nil {
		tb.Fatal(err)
	}
	if status != 0 {
		tb.Errorf("exit status %d, want 0:\n%s", status, p.stderr)
	}
}

// output is what a process has printed so far.
type output struct {
	mu        sync.Mutex
	text      bytes.Buffer
	listening chan string
	found     bool
}

// startLine is the line on stdout, or the record of a JSON log.
var startLine = regexp.MustCompile(`(?:listens on |"url":")(http://[^ "]+)[^\n]*\n`)

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	if o.found {
		return len(p), nil
	}
	if match := startLine.FindSubmatch(o.text.Bytes()); match != nil {
		o.found = true
		o.listening <- string(match[1])
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (o *output) contains(text string) bool { return strings.Contains(o.String(), text) }
