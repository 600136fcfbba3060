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
	// servers matches the commands that run until they are stopped. Later commands of the page talk
	// to them.
	servers  = regexp.MustCompile(`(?m)^([A-Z_]+=\S+ )*((npx @latchkey-auth/)?latchkey serve( --dev)?|make run)\n\z`)
	usesData = regexp.MustCompile(`(?m)^([A-Z_]+=\S+ )*(npx @latchkey-auth/)?(latchkey [a-z]|make run)`)
)

const (
	startDemo          = "make demo\n"
	startPage          = "npx vite --host 127.0.0.1\n"
	makeClient         = "make client\n"
	documentedAddress  = "http://127.0.0.1:8000"
	documentedMetrics  = "127.0.0.1:9100"
	documentedDatabase = "postgres://latchkey:secret@db.internal/latchkey"
)

// answers are texts that the output of a documented command must contain. The keys are the page and
// the beginning of the block.
var answers = map[string]map[string]string{
	"README.md": {
		"curl -sS http://127.0.0.1:8000/api/users/ ":      `"token":{`,
		"curl -sS http://127.0.0.1:8000/api/users/login/": `"access_token"`,
		"TOKEN=": `"email":"ada@example.com"`,
	},
	"docs/settings.md": {
		"curl -sS -D - ": "Access-Control-Allow-Origin: http://127.0.0.1:5173",
	},
	"docs/react.md": {
		"curl -sS http://127.0.0.1:8000/api/users/ ": `"username":"ada"`,
	},
	"docs/sessions.md": {
		"REFRESH=": `"refresh_token":"lkr_`,
		"TOKEN=":   `"is_current":true`,
	},
	"docs/cookies.md": {
		"curl -sS http://127.0.0.1:8000/api/users/ ":      `"token":{"access_token"`,
		"curl -sS http://127.0.0.1:8000/api/users/login/": `"access_token"`,
	},
	"docs/accounts.md": {
		"curl -sS -X PATCH": `"display_name":"Ada Lovelace"`,
		"curl -sS http://127.0.0.1:8000/api/users/me/em": `"request":"lkq_`,
		"curl -sS http://127.0.0.1:8000/api/users/me/ev": `"type":"password.changed"`,
	},
	"docs/mail.md": {
		"latchkey mail preview":                         "Subject:",
		"curl -sS http://127.0.0.1:8000/dev/mails.json": `"mails": []`,
	},
	"docs/start.md": {
		"curl -sS http://127.0.0.1:8000/api/users/ ": `"token":{`,
		"curl -i ": "HTTP/1.1 401 ",
		"curl -sS http://127.0.0.1:8000/api/users/login/": `{"orders":[],"of":"ada"}`,
	},
	"docs/tokens.md": {
		"curl -sS http://127.0.0.1:8000/.well-known/jwks": `"alg":"ES256"`,
		"curl -sS http://127.0.0.1:8000/.well-known/oaut": `"jwks_uri":"http://127.0.0.1:`,
		"latchkey key list":      "signs",
		"latchkey key rotate":    "A new key is published",
		"latchkey key retire \"": "The key has ended.",
		"latchkey key retire -":  "All keys have ended; a new one signs.",
	},
	"docs/fastapi.md": {
		"curl -i ": "HTTP/1.1 401",
		"TOKEN=":   `"username":"ada"`,
		"pytest":   "2 passed",
	},
	"docs/go.md": {
		"curl -i ": "HTTP/1.1 401",
		"TOKEN=":   "the orders of ada",
		"go test":  "ok",
	},
	"docs/node.md": {
		"curl -i ":                              "HTTP/1.1 401",
		"curl -sS http://127.0.0.1:8000/api/u":  `{"username":"ada","orders":[]}`,
		"curl -sS -D -":                         "Access-Control-Allow-Headers: Authorization",
		"node --test app":                       "pass 1",
		"curl -sS http://127.0.0.1:8080/orders": `{"username":"ada","orders":[]}`,
		"node --test hono":                      "pass 2",
		"curl -sS http://127.0.0.1:8080/ ":      "the orders of ada",
	},
	"docs/operators.md": {
		"latchkey user create": "password: ",
		"latchkey user list":   "grace@example.com",
		"latchkey events":      "user.deactivated",
		"TOKEN=":               `"email":"root@example.com"`,
		"ID=":                  `"is_active":false`,
		"curl -sS 'http://127.0.0.1:8000/api/events": `"actor":"operator"`,
	},
	"docs/moving-in.md": {
		"latchkey user import fastapi-users.csv": "password: argon2id  ",
		"latchkey user import tutorial.csv":      "password: bcrypt with a salt column  ",
		"latchkey user import django.csv":        "password: pbkdf2_sha256 of Django ",
		"python manage.py":                       "there already ",
		"latchkey user import supabase.csv":      "left behind, because the user was deleted there  1",
		"latchkey user import pocketbase.csv":    "password: bcrypt  ",
		"latchkey user import better-auth.csv":   "password: scrypt of better-auth  ",
		"latchkey user import keycloak.json":     "password: pbkdf2-sha256  ",
		"latchkey user import firebase.json":     "password: scrypt of Firebase  ",
		"latchkey user import auth0.ndjson":      "password: bcrypt  ",
		"curl -sS http://127.0.0.1:8000":         `"access_token"`,
		"cat > users.jsonl":                      "imported ",
		"cat > users.csv":                        "imported ",
	},
	"docs/operations.md": {
		"latchkey user create":           "password: ",
		"latchkey user show":             "roles           superuser",
		"latchkey key retire":            "All keys have ended; a new one signs.",
		"curl -sS http://127.0.0.1:8000": `{"status":"ok"}`,
		"curl -sS http://127.0.0.1:9100": `latchkey_logins_total{outcome="failed"} 0`,
	},
}

// installed are files of Debian packages that the commands of a page run.
var installed = map[string][]string{
	"docs/fastapi.md": {
		"/usr/lib/python3/dist-packages/fastapi/__init__.py",
		"/usr/lib/python3/dist-packages/uvicorn/__init__.py",
		"/usr/lib/python3/dist-packages/jwt/__init__.py",
		"/usr/lib/python3/dist-packages/cryptography/__init__.py",
		"/usr/lib/python3/dist-packages/httpx/__init__.py",
		"/usr/lib/python3/dist-packages/pytest/__init__.py",
	},
}

// languages are the languages of blocks that aren't commands.
//   - go: compiled here, or a file that a command of the page runs
//   - js, python: files that a command of the page runs
//   - nginx: run by TestPrefix
//   - text: diagrams
//   - ts, tsx: compiled with the client's tests
var languages = []string{"go", "js", "nginx", "python", "text", "ts", "tsx"}

const (
	// prelude is run before each script.
	prelude = "source \"$ROOT/cmd/latchkey/testdata/documents.sh\"\n"
	// inCheckout is run before a script that runs in the checkout. `make` doesn't install npm's
	// packages there: other tests run with the packages that are installed.
	inCheckout = "make() { command make --old-file=web/node_modules/.package-lock.json \"$@\"; }\n"
)

// TestDocuments runs each command of the READMEs and of the pages in docs, in their order. All
// commands of a page run in one folder, against the server that the page started last. The commands
// and flags that a line mentions must exist.
func TestDocuments(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages(t, root) {
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
			for _, file := range installed[name] {
				impltest.Installed(t, file)
			}
			d := &document{root: root, dir: openFolder(t), metrics: freeAddr(t), api: freeAddr(t), answers: answers[name]}
			blocks := codeBlock.FindAllStringSubmatch(string(text), -1)
			if fences := fence.FindAllString(string(text), -1); len(fences) != 2*len(blocks) {
				t.Errorf("%d lines look like a fence, but %d blocks were found", len(fences), len(blocks))
			}
			if err := checkProse(root, page, string(text)); err != nil {
				t.Error(err)
			}
			if name != "README.md" && usesData.MatchString(string(text)) { // that page shows the first start
				dataFolderIn(t, d.dir)
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

// document is a page whose commands are run.
type document struct {
	root, dir string
	metrics   string // the address of /metrics on the page's server
	api       string // the address of an API of the page's own
	url       string // of the server that was started last
	stop      func()
	stopAPI   func() // nil where no API was started
	answers   map[string]string
	answered  int
}

// run runs one block, or checks it if its language isn't sh.
func (d *document) run(t *testing.T, language, script string) {
	t.Helper()
	switch {
	case language == "yaml":
		if err := checkYAML(script); err != nil {
			t.Error(err)
		}
	case language != "sh" && !slices.Contains(languages, language):
		t.Fatalf("commands belong in sh blocks, which are run; %q has the language %q", script, language)
	case d.write(t, script):
	case language == "js" || language == "python":
		t.Fatalf("a block of %s names its file in its first line and is run: %q", language, script)
	case language == "go":
		if err := compileGo(d.root, d.dir, script); err != nil {
			t.Error(err)
		}
	case language == "text":
		if err := checkText(script); err != nil {
			t.Error(err)
		}
	case language != "sh", script == "make test\n": // make test runs this test
	case script == startDemo:
		d.openPage(t, d.root, inCheckout+script, "")
	case script == startPage:
		d.openPage(t, d.dir, prelude+script, "main.ts")
	case script == makeClient:
		d.installClient(t)
	case servers.MatchString(script):
		d.serve(t, script)
	case apis.MatchString(script):
		d.serveAPI(t, script)
	default:
		if strings.Contains(script, "@latchkey-auth/client") || strings.Contains(script, "latchkey/web/client") {
			d.installClient(t)
		}
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
				t.Errorf("%s\nprinted %s\nwithout %s", script, out, want)
			}
		}
	}
}

// serve starts a server as the page describes, on a port and a database of its own. Ctrl-C ends it.
func (d *document) serve(t *testing.T, script string) {
	t.Helper()
	if d.stop != nil {
		d.stop()
	}
	dir := d.dir
	if strings.Contains(script, "make run") {
		dir, script = d.root, inCheckout+script
	}
	// deploy/release runs the npm package.
	script = strings.Replace(script, "npx @latchkey-auth/latchkey", "latchkey", 1)
	if strings.Contains(script, documentedDatabase) {
		script = strings.ReplaceAll(script, documentedDatabase, postgrestest.NewEmpty(t))
	}
	p, err := launch(dir, d.environ(), nil, func(cmd *exec.Cmd) {
		sh := exec.Command("bash", "-euo", "pipefail", "-c", d.addresses().Replace(script))
		cmd.Path, cmd.Args = sh.Path, sh.Args
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C reaches a group
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

// openPage starts the demo, or a page of the reader's, on a port of its own. It requests the page,
// and its script if the page has one to be compiled.
func (d *document) openPage(t *testing.T, dir, command, script string) {
	t.Helper()
	makingClient.Lock()
	defer makingClient.Unlock()
	cmd := exec.Command("bash", "-c", command)
	// If CI is set, the output has colours even without a terminal.
	cmd.Dir = dir
	cmd.Env = append(d.environ(), "DEMO_PORT=0", "NOTES_ADDR=127.0.0.1:0", "NO_COLOR=1") //nolint:misspell // a name
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
		_ = cmd.Wait() // a signal ended it
	})
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); fmt.Fprintln(&said, lines.Text()) {
		if url := demoURL.FindString(lines.Text()); url != "" {
			for _, path := range slices.Compact([]string{"", script}) {
				res, err := client.Get(url + path)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = res.Body.Close() }()
				if res.StatusCode != http.StatusOK {
					t.Errorf("%s%s: %s", url, path, res.Status)
				}
			}
			return
		}
	}
	t.Fatalf("%s did not start: %s", command, &said)
}

// environ returns the developer's environment without variables that would change the page's
// results.
func (d *document) environ() []string {
	var environ []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MAKE") && !strings.HasPrefix(v, "LATCHKEY_") {
			environ = append(environ, v)
		}
	}
	return append(environ, "ROOT="+d.root, "LATCHKEY_ADDR=127.0.0.1:0", "LATCHKEY_DATA_DIR="+filepath.Join(d.dir, "data"))
}

// shell runs a script. It fails if curl receives an error status, unless the script expects one by
// curl's option -i.
func (d *document) shell(t *testing.T, script string) string {
	t.Helper()
	script = prelude + d.addresses().Replace(script)
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = d.dir, d.environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// freeAddr returns an address of this machine on which nothing listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}
