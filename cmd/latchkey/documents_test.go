package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

var (
	codeBlock = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")
	// servers are the commands that go on until they are told to stop. What follows in the page speaks to them.
	servers = regexp.MustCompile(`(?m)^(latchkey serve|make run)\n\z`)
)

const (
	documentedAddress  = "http://127.0.0.1:8000"
	documentedDatabase = "postgres://latchkey:secret@db.internal/latchkey"
)

// answers are what the documents' commands must show: text of the last answer, by page and what the block begins with.
var answers = map[string]map[string]string{
	"README.md": {
		"curl -sS http://127.0.0.1:8000/api/users/ ":      `"token":{`,
		"curl -sS http://127.0.0.1:8000/api/users/login/": `"access_token"`,
		"TOKEN=": `"email":"ada@example.com"`,
	},
	"docs/settings.md": {
		"curl -sS -D - ": "Access-Control-Allow-Origin: http://localhost:5173",
	},
	"docs/operations.md": {
		"latchkey user create": "ada@example.com",
		"curl -sS http":        `{"status":"ok"}`,
	},
}

// TestDocuments runs each command that the README and the pages below docs show, in their order, as their reader would:
// those of a page in one folder, against the server that the page has started last.
func TestDocuments(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		name, err := filepath.Rel(root, page)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			d := &document{root: root, dir: openFolder(t), answers: answers[name]}
			for _, block := range codeBlock.FindAllStringSubmatch(string(text), -1) {
				d.run(t, block[1], block[2])
			}
			if len(d.answers) != d.answered {
				t.Errorf("%d commands gave an expected answer, want %d", d.answered, len(d.answers))
			}
		})
	}
}

// document is a page whose commands are being run.
type document struct {
	root, dir string
	url       string // of the server that was started last
	stop      func()
	answers   map[string]string
	answered  int
}

// run runs one block. Those of other languages are not commands: their own tests hold them.
func (d *document) run(t *testing.T, language, script string) {
	t.Helper()
	switch {
	case slices.Contains([]string{"console", "bash", "shell"}, language):
		t.Fatalf("commands stand in sh blocks, which are run: %q", script)
	case language != "sh", script == "make test\n": // which is what runs this test
	case servers.MatchString(script):
		d.serve(t, script)
	default:
		out := d.shell(t, script)
		if strings.Contains(out, impltest.Password) {
			t.Errorf("%s\nshows the password: %s", script, out)
		}
		for begin, want := range d.answers {
			if !strings.HasPrefix(script, begin) {
				continue
			}
			d.answered++
			if !strings.Contains(out, want) {
				t.Errorf("%s\nanswered %s\nwithout %s", script, out, want)
			}
		}
	}
}

// serve starts a server as the page says, on a port and a database of its own. Ctrl-C is what ends it.
func (d *document) serve(t *testing.T, script string) {
	t.Helper()
	if d.stop != nil {
		d.stop()
	}
	dir := d.dir
	if strings.HasPrefix(script, "make ") {
		dir = d.root
	}
	if strings.Contains(script, documentedDatabase) {
		script = strings.ReplaceAll(script, documentedDatabase, postgrestest.NewEmpty(t))
	}
	p, err := launch(dir, d.environ(), nil, func(cmd *exec.Cmd) {
		sh := exec.Command("bash", "-euo", "pipefail", "-c", script)
		cmd.Path, cmd.Args = sh.Path, sh.Args
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as a terminal's Ctrl-C reaches make and the server
	})
	if err != nil {
		t.Fatal(err)
	}
	d.stop = func() {
		d.stop = nil
		if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT); err != nil {
			t.Error(err)
		}
		if _, err := p.wait(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() {
		if d.stop != nil {
			d.stop()
		}
	})
	if d.url, err = p.awaitURL(); err != nil {
		t.Fatal(err)
	}
}

// environ is the developer's without what would change what the page says.
func (d *document) environ() []string {
	var environ []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MAKE") && !strings.HasPrefix(v, "LATCHKEY_") {
			environ = append(environ, v)
		}
	}
	return append(environ, "LATCHKEY_ADDR=127.0.0.1:0", "LATCHKEY_DATA_DIR="+filepath.Join(d.dir, "data"))
}

// shell runs a script. An answer of curl's that is an error is one of the script's, too.
func (d *document) shell(t *testing.T, script string) string {
	t.Helper()
	script = "curl() { command curl --fail-with-body \"$@\"; }\n" + strings.ReplaceAll(script, documentedAddress, d.url)
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = d.dir, d.environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}
