package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

var (
	codeBlock = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")
	fence     = regexp.MustCompile("(?m)^\\s*(```|~~~)")
	demoURL   = regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+/`)
	// servers are the commands that go on until they are told to stop. What follows in the page speaks to them.
	servers = regexp.MustCompile(`(?m)^([A-Z_]+=\S+ )?(latchkey serve|make run)\n\z`)
)

const (
	startDemo          = "make demo\n"
	documentedAddress  = "http://127.0.0.1:8000"
	documentedMetrics  = "127.0.0.1:9100"
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
		"curl -sS -D - ": "Access-Control-Allow-Origin: http://127.0.0.1:5173",
	},
	"docs/sessions.md": {
		"REFRESH=": `"refresh_token":"lkr_`,
		"TOKEN=":   `"is_current":true`,
	},
	"docs/tokens.md": {
		"curl -sS http://127.0.0.1:8000/.well-known/jwks": `"alg":"ES256"`,
		"curl -sS http://127.0.0.1:8000/.well-known/oaut": `"jwks_uri":"http://127.0.0.1:`,
		"latchkey key list":      "signs",
		"latchkey key rotate":    "A new key is published",
		"latchkey key retire \"": "The key has ended.",
		"latchkey key retire -":  "All keys have ended; a new one signs.",
	},
	"docs/operations.md": {
		"latchkey user create":           "ada@example.com",
		"curl -sS http://127.0.0.1:8000": `{"status":"ok"}`,
		"curl -sS http://127.0.0.1:9100": `latchkey_logins_total{outcome="failed"} 0`,
	},
}

// languages are those of blocks that are no commands. Programs in Go are compiled here, those in TypeScript with the client's
// tests; text is for
// diagrams; those for nginx are what TestPrefix runs.
var languages = []string{"go", "nginx", "text", "ts"}

// TestDocuments runs each command that the READMEs and the pages below docs show, in their order, as their reader would:
// those of a page in one folder, against the server that the page has started last. What is named within a line must exist.
func TestDocuments(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "web/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v %v", pattern, found, err)
		}
		pages = append(pages, found...)
	}
	for _, page := range pages {
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
			d := &document{root: root, dir: openFolder(t), metrics: freeAddr(t), answers: answers[name]}
			blocks := codeBlock.FindAllStringSubmatch(string(text), -1)
			if fences := fence.FindAllString(string(text), -1); len(fences) != 2*len(blocks) {
				t.Errorf("%d lines look like a fence, and %d blocks were found", len(fences), len(blocks))
			}
			if err := checkProse(root, page, string(text)); err != nil {
				t.Error(err)
			}
			for _, block := range blocks {
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
	metrics   string // where a server of the page has them
	url       string // of the server that was started last
	stop      func()
	answers   map[string]string
	answered  int
}

// run runs one block. Those of other languages are not commands.
func (d *document) run(t *testing.T, language, script string) {
	t.Helper()
	switch {
	case language != "sh" && !slices.Contains(languages, language):
		t.Fatalf("commands stand in sh blocks, which are run; %q is of the language %q", script, language)
	case language == "go":
		if err := compileGo(d.root, d.dir, script); err != nil {
			t.Error(err)
		}
	case language == "text":
		if err := checkText(script); err != nil {
			t.Error(err)
		}
	case language != "sh", script == "make test\n": // which is what runs this test
	case script == startDemo:
		d.openDemo(t)
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
	if strings.Contains(script, "make run") {
		dir = d.root
	}
	if strings.Contains(script, documentedDatabase) {
		script = strings.ReplaceAll(script, documentedDatabase, postgrestest.NewEmpty(t))
	}
	script = strings.ReplaceAll(script, documentedMetrics, d.metrics)
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

// openDemo starts the demo, on a port of its own, and asks it for its page.
func (d *document) openDemo(t *testing.T) {
	t.Helper()
	cmd := exec.Command("bash", "-c", startDemo)
	// Where CI is set, its output has colours without a terminal.
	cmd.Dir, cmd.Env = d.root, append(d.environ(), "DEMO_PORT=0", "NO_COLOR=1") //nolint:misspell // a name
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	tooLong := time.AfterFunc(patience, end)
	t.Cleanup(func() {
		tooLong.Stop()
		end()
		_ = cmd.Wait() // it was ended by a signal
	})
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); fmt.Fprintln(&said, lines.Text()) {
		if url := demoURL.FindString(lines.Text()); url != "" {
			res, err := client.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			if res.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", url, res.Status)
			}
			return
		}
	}
	t.Fatalf("the demo did not start: %s", &said)
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
	script = "curl() { command curl --fail-with-body \"$@\"; }\n" + strings.NewReplacer(documentedAddress, d.url, documentedMetrics, d.metrics).Replace(script)
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = d.dir, d.environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// freeAddr is an address of this machine at which nothing listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}
