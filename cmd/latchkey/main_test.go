package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/postgres"
	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
	"github.com/latchkey-auth/latchkey/impl/postgres/temptest"
	"github.com/latchkey-auth/latchkey/schema"
)

// patience bounds every wait of these tests. It is far more than a busy machine needs.
const patience = 90 * time.Second

// testKey is the secret key of servers on a test's database.
const testKey = "hV3kq8Zr1wXtN6yPbC0mJ4sLgE9dFuA7oT5iRvQ2KxWnYzHj"

// isImpatient is the variable of a server that loads changes of its keys within a tenth of a
// second, and waits two seconds for a body instead of ten.
const isImpatient = "TEST_IS_IMPATIENT"

// TestMain puts the real binary into PATH as latchkey. The binary is this test binary, which runs
// main when it is called by that name.
func TestMain(m *testing.M) {
	// Most of these tests wait for a process most of the time. -parallel on the command line wins.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	testscript.Main(withPostgres{m}, map[string]func(){"latchkey": func() {
		followEvery, healthTimeout = 50*time.Millisecond, 500*time.Millisecond
		if os.Getenv(isImpatient) != "" {
			followKeysEvery, impl.DefaultTimeouts.Read = 100*time.Millisecond, 2*time.Second
		}
		main()
	}})
}

type withPostgres struct{ m *testing.M }

// Run is postgrestest.Run, with folders of its own among the temporary files in memory.
func (w withPostgres) Run() int { return temptest.Run(w.run) }

func (w withPostgres) run() int {
	dir := os.Getenv("TMPDIR")
	dataFolder, migratedCluster.folder = filepath.Join(dir, "data"), filepath.Join(dir, "migrated")
	return postgrestest.Run(w.m)
}

// dataFolder is the data folder of processes that have no other one. The default of a process of
// root would be /var/lib/latchkey, which belongs to a server of the machine.
var dataFolder string

// migratedCluster is an embedded database with the newest schema and no rows, which is made once.
var migratedCluster struct {
	folder string
	make   sync.Once
	err    error
}

// makeCluster makes [migratedCluster]. The PostgreSQL of its copies doesn't wait for the disk
// either, so they survive a kill of all processes, but no power cut.
func makeCluster() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	server, err := postgres.Start(ctx, postgres.Options{
		DataDir: migratedCluster.folder, BinDir: os.Getenv("LATCHKEY_POSTGRES_BIN"),
		Parameters: map[string]string{"fsync": "off"},
	})
	if err != nil {
		return err
	}
	config, err := pgx.ParseConfig(server.URL())
	if err == nil {
		_, err = schema.Migrate(ctx, config)
	}
	if err := errors.Join(err, server.Stop(ctx)); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(migratedCluster.folder, "postgres", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString("fsync = off\n")
	return errors.Join(err, file.Close())
}

// dataFolderIn makes a data folder in dir with a copy of [migratedCluster]. Where a test is about
// the first start, serve makes its database itself.
func dataFolderIn(tb testing.TB, dir string) string {
	tb.Helper()
	migratedCluster.make.Do(func() { migratedCluster.err = makeCluster() })
	data := filepath.Join(dir, "data")
	err := errors.Join(migratedCluster.err, os.Mkdir(data, 0o711))
	if err != nil {
		tb.Fatal(err)
	}
	copying := exec.Command("cp", "-a", filepath.Join(migratedCluster.folder, "postgres"), data)
	if out, err := copying.CombinedOutput(); err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
	return data
}

// testEnviron is the environment of every process. It has none of the developer's settings, and
// cheap hashes.
func testEnviron() []string {
	environ := []string{
		"PATH=" + os.Getenv("PATH"),
		// By default the race detector makes every process wait for a second at its end.
		"GORACE=atexit_sleep_ms=10 " + os.Getenv("GORACE"),
		"LATCHKEY_ADDR=127.0.0.1:0",
		"LATCHKEY_DATA_DIR=" + dataFolder,
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

// openFolder returns a folder for this test alone. PostgreSQL's user can go through it, unlike the
// folders of [testing.TB.TempDir].
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
	// If PostgreSQL comes from the npm package, its programs are searched from the working folder
	// upwards.
	web, err := filepath.Abs(filepath.Join("..", "..", "web"))
	if err := errors.Join(err, os.Symlink(web, filepath.Join(dir, "web")), os.Chmod(dir, 0o711)); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// process is a running latchkey.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *output
	listening      chan string // receives the URL of the start line
	exited         chan struct{}
	err            error // the result of Wait, once exited is closed
}

// launch starts the binary. The functions in change may adapt the command.
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

// serve starts a server for the test in the folder dir and waits until it listens.
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

// awaitURL waits for the start line and returns the server's URL.
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

// wait waits for the process to end and returns its status, or -1 if a signal ended it.
func (p *process) wait() (status int, err error) {
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(patience):
		return 0, errors.New("the process doesn't end:\n" + p.stderr.String())
	}
}

func (p *process) signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// kill ends the process as a power cut would. The process may have ended already.
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

// end ends a process that still runs. It also waits for its PostgreSQL, which outlives a kill by a
// moment. Until then the test's folder can't be removed.
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

// stop asks the process to end, and checks that its status is 0.
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

// output is the text that a process has printed so far.
type output struct {
	mu        sync.Mutex
	text      bytes.Buffer
	listening chan string
	found     bool
}

// startLine matches the start line on stdout, or its record in a JSON log.
var startLine = regexp.MustCompile(`(?:listens on |"url":")(http://[^ "]+)[^\n]*\n`)

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	line := bytes.LastIndexByte(o.text.Bytes(), '\n') + 1
	o.text.Write(p)
	if o.found {
		return len(p), nil
	}
	if match := startLine.FindSubmatch(o.text.Bytes()[line:]); match != nil {
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
