package main

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TestReproducible: the files of the image are the same when another user makes them in another
// folder, of only what .dockerignore lets Docker have. The Dockerfile's first stage does that.
func TestReproducible(t *testing.T) {
	t.Parallel()
	context := folder(t)
	copyContext(t, context)
	made := folder(t)
	cmd := exec.Command("sh", "-c", `umask 077 && exec sh deploy/image/root.sh "$@"`, "sh", made, "arm64", version, commit, date)
	cmd.Dir = context
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	final, err := readDockerfile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	when, err := dateOf("1700000000")
	if err != nil {
		t.Fatal(err)
	}
	again, err := builder{final, version, when}.image(platform{v1.Platform{OS: "linux", Architecture: "arm64"}, made})
	if err != nil {
		t.Fatal(err)
	}
	want, err := open(t, archive("latchkey", "arm64")).ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	// The name of a configuration is a sum of it and of all layers.
	if got, err := again.ConfigName(); err != nil || got != want {
		t.Errorf("the second image is %v, the first %v (%v)", got, want, err)
	}
}

// copyContext copies what git knows and .dockerignore doesn't exclude.
func copyContext(t *testing.T, to string) {
	t.Helper()
	list, err := os.ReadFile("../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-C", "../..", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "--"}
	for line := range strings.Lines(string(list)) {
		line = strings.TrimSpace(line)
		if name, included := strings.CutPrefix(line, "!"); included {
			args = append(args, name)
		} else if line != "" && line != "*" && !strings.HasPrefix(line, "#") {
			args = append(args, ":(exclude,glob)"+line, ":(exclude,glob)"+line+"/**")
		}
	}
	files, err := exec.Command("git", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(files)); lines.Scan(); {
		name := lines.Text()
		text, err := os.ReadFile(filepath.Join("../..", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was deleted, and git doesn't know yet
		}
		path := filepath.Join(to, name)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}
