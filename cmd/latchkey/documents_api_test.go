package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Some pages show an API of one's own: its files, how it is started, and requests to it.

// documentedAPIPort is the port of each such API.
const documentedAPIPort = "8080"

var (
	// fileName matches the first line of a block that is a file of the page's folder.
	fileName = regexp.MustCompile(`\A(?://|#) (\S+\.(?:go|mjs|py)|main\.ts)\n`)
	// apis matches the commands that run such an API until they are stopped.
	apis = regexp.MustCompile(`\A(uvicorn|node [a-z]|go run) ?[^\n]+\n\z`)
)

var (
	// makingClient is held while the client's package is built or something runs that builds it.
	makingClient sync.Mutex
	// clientIsBuilt is set once the package was built whole. What builds it anew leaves this
	// package in its place.
	clientIsBuilt bool
)

// buildClient builds the client's package, unless a test of this process has built it.
func buildClient(folder string) error {
	if clientIsBuilt {
		return nil
	}
	build := exec.Command("npm", "run", "--silent", "build")
	build.Dir = folder
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("the client can't be built: %w\n%s", err, out)
	}
	clientIsBuilt = true
	return nil
}

// write writes a block into the page's folder if its first line names a file, and reports whether
// it does.
func (d *document) write(t *testing.T, block string) bool {
	t.Helper()
	name := fileName.FindStringSubmatch(block)
	if name == nil {
		return false
	}
	if err := os.WriteFile(filepath.Join(d.dir, name[1]), []byte(d.addresses().Replace(block)), 0o600); err != nil {
		t.Fatal(err)
	}
	return true
}

// addresses replaces the addresses that the pages name by those that are used.
func (d *document) addresses() *strings.Replacer {
	_, port, _ := net.SplitHostPort(d.api)
	return strings.NewReplacer(documentedAddress, d.url, documentedMetrics, d.metrics, documentedAPIPort, port)
}

// serveAPI starts an API, in place of the one that the page started before, and waits until it
// listens.
func (d *document) serveAPI(t *testing.T, script string) {
	t.Helper()
	if d.stopAPI != nil {
		d.stopAPI()
	}
	p, err := launch(d.dir, d.environ(), nil, func(cmd *exec.Cmd) {
		sh := exec.Command("bash", "-euo", "pipefail", "-c", prelude+d.addresses().Replace(script))
		cmd.Path, cmd.Args = sh.Path, sh.Args
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	})
	if err != nil {
		t.Fatal(err)
	}
	d.stopAPI = sync.OnceFunc(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may have ended
		<-p.exited
	})
	t.Cleanup(d.stopAPI)
	err = eventually("the API listens", func() bool {
		conn, err := net.Dial("tcp", d.api)
		if err != nil {
			return !p.running()
		}
		_ = conn.Close()
		return true
	})
	if err != nil || !p.running() {
		t.Fatalf("%s\n%v\n%s%s", script, err, p.stdout, p.stderr)
	}
}

// installClient copies the client's package to where npm would install it, because other tests
// build it again.
func (d *document) installClient(t *testing.T) {
	t.Helper()
	modules := filepath.Join(d.dir, "node_modules")
	installed := filepath.Join(modules, "@latchkey-auth", "client")
	if _, err := os.Stat(installed); err == nil {
		return
	}
	makingClient.Lock()
	defer makingClient.Unlock()
	client := filepath.Join(d.root, "web", "client")
	if err := buildClient(client); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(installed, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(installed, "dist"), os.DirFS(filepath.Join(client, "dist"))); err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join(client, "package.json"))
	if err == nil {
		err = os.WriteFile(filepath.Join(installed, "package.json"), manifest, 0o600)
	}
	if err == nil { // its one dependency
		err = os.Symlink(filepath.Join(d.root, "web", "node_modules", "openapi-fetch"), filepath.Join(modules, "openapi-fetch"))
	}
	if err != nil {
		t.Fatal(err)
	}
}
