package deploy

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait of these tests.
const patience = 90 * time.Second

// serveDatabase runs a server with a database of its own, whose socket every user can use. It
// returns the server's secret key.
func serveDatabase(t *testing.T, dir string) (key string) {
	t.Helper()
	data := filepath.Join(dir, "data")
	binary, err := os.ReadFile(latchkey)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "latchkey"), binary, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(latchkey, "serve")
	cmd.Dir = ".." // the npm package with PostgreSQL is found from there
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LATCHKEY_ADDR=127.0.0.1:0", "LATCHKEY_DATA_DIR=" + data}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		if err := cmd.Wait(); err != nil {
			t.Errorf("the database's end: %v", err)
		}
	})
	if lines := bufio.NewScanner(out); !lines.Scan() {
		t.Fatal("the server ended before it listened")
	}
	for name, mode := range map[string]fs.FileMode{"socket": 0o755, "socket/.s.PGSQL.5432": 0o777} {
		if err := os.Chmod(filepath.Join(data, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(data, "secret_key"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }() // nothing was sent
	return ln.Addr().String()
}

// awaitReady waits until the server's own health check succeeds. output is for the failure.
func awaitReady(t *testing.T, addr string, output func() string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		cmd := exec.Command(latchkey, "healthcheck")
		cmd.Env = []string{"LATCHKEY_ADDR=" + addr}
		said, err := cmd.CombinedOutput()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server isn't ready: %s\n%s", said, output())
		}
		<-time.After(50 * time.Millisecond) // a poll
	}
}

// checkLogin registers a user and logs in.
func checkLogin(t *testing.T, addr string) {
	t.Helper()
	account := `{"email":"ada@example.com","username":"ada","password":"correct-horse-battery"}`
	response, err := http.Post("http://"+addr+"/api/users/", "application/json", strings.NewReader(account))
	expect(t, response, err, http.StatusCreated)
	form := url.Values{"grant_type": {"password"}, "username": {"ada@example.com"}, "password": {"correct-horse-battery"}}
	response, err = http.PostForm("http://"+addr+"/api/users/login/token/", form)
	expect(t, response, err, http.StatusOK)
}

func expect(t *testing.T, response *http.Response, err error, status int) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if response.StatusCode != status {
		body, err := io.ReadAll(response.Body)
		t.Fatal(fmt.Sprintf("status %d, want %d: %s", response.StatusCode, status, body), err)
	}
}
