package deploy

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// latchkey is the binary.
var latchkey string

func TestMain(m *testing.M) {
	status, err := withBinary(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func withBinary(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "latchkey-deploy-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a folder that stays is no failure
	latchkey = filepath.Join(dir, "latchkey")
	cmd := exec.Command("go", "-C", "..", "build", "-buildvcs=false", "-o", latchkey, "./cmd/latchkey")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOTOOLCHAIN=auto")
	if output, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, output)
	}
	return m.Run(), nil
}

// checkSettings checks that the binary takes an environment: each name is a setting, and each value
// is valid. files are the contents of the files that _FILE names, by their path.
func checkSettings(t *testing.T, environ map[string]string, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(latchkey, "healthcheck")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range environ {
		if strings.HasSuffix(name, "_FILE") {
			content, known := files[value]
			if !known {
				t.Errorf("%s names %s, which nothing mounts", name, value)
			}
			value = filepath.Join(dir, filepath.Base(value))
			if err := os.WriteFile(value, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	// Nothing listens, so the health check itself fails with 1.
	if status := cmd.ProcessState.ExitCode(); status == 2 {
		t.Errorf("the settings are wrong: %s", output)
	}
}

// secrets are contents of the files with secrets.
var secrets = map[string]string{
	"database-url":      "postgres://latchkey:secret@database/latchkey\n",
	"secret-key":        "hV3kq8Zr1wXtN6yPbC0mJ4sLgE9dFuA7oT5iRvQ2KxWnYzHj\n",
	"smtp-url":          "smtp://user:secret@mail.example.com:587\n",
	"database-password": "secret\n",
}
