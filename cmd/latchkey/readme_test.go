package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestReadme runs the README's commands in their order, as a newcomer would: the server by the first of them, on a port and a
// data folder of its own, and those of curl in one folder. The last is what runs this test.
func TestReadme(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, match := range shellBlock.FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, match[1])
	}
	if len(blocks) != 5 || blocks[0] != "make run\n" || blocks[4] != "make test\n" {
		t.Fatalf("the README's commands are not those that this test runs: %q", blocks)
	}
	server := makeRun(t, root)
	dir := t.TempDir()
	var out string
	for i, want := range []string{`"token":{`, `"access_token"`, `"email":"ada@example.com"`} {
		script := strings.ReplaceAll(blocks[i+1], "http://127.0.0.1:8000", server)
		if script == blocks[i+1] {
			t.Fatalf("no address in %q", script)
		}
		out = shell(t, dir, script)
		if !strings.Contains(out, want) {
			t.Errorf("%s\nanswered %s\nwithout %s", script, out, want)
		}
	}
	if strings.Contains(out, impltest.Password) {
		t.Errorf("the answer shows the password: %s", out)
	}
}

// makeRun does what the README's first command does, and answers where the server listens. Ctrl-C is what ends it.
func makeRun(t *testing.T, root string) string {
	t.Helper()
	var environ []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MAKE") && !strings.HasPrefix(v, "LATCHKEY_") {
			environ = append(environ, v)
		}
	}
	environ = append(environ, "LATCHKEY_ADDR=127.0.0.1:0", "LATCHKEY_DATA_DIR="+filepath.Join(openFolder(t), "data"))
	p, err := launch(root, environ, nil, func(cmd *exec.Cmd) {
		made := exec.Command("make", "run")
		cmd.Path, cmd.Args = made.Path, made.Args
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as a terminal's Ctrl-C reaches make and the server
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT); err != nil {
			t.Error(err)
		}
		if _, err := p.wait(); err != nil {
			t.Error(err)
		}
	})
	url, err := p.awaitURL()
	if err != nil {
		t.Fatal(err)
	}
	return url
}

func shell(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}
