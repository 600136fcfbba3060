package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// patience bounds every wait of these tests.
const patience = 90 * time.Second

const (
	version = "0.0.1"
	commit  = "0123456789abcdef0123456789abcdef01234567"
	date    = "2023-11-14T22:13:20Z" // in seconds 1700000000
)

// images is the folder of the images.
var images string

func TestMain(m *testing.M) {
	if text := os.Getenv(inContainer); text != "" {
		fmt.Fprintln(os.Stderr, enter(text))
		os.Exit(125)
	}
	status, err := withImages(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// withImages makes the images as make image does, and runs the tests.
func withImages(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "latchkey-image-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a folder that stays is no failure
	images = filepath.Join(dir, "images")
	if err := errors.Join(os.Chmod(dir, 0o755), script(0o022, "make.sh", version, images, commit, date)); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// script runs a script of this folder under a umask.
func script(umask int, name string, args ...string) error {
	quoted := fmt.Sprintf(`umask %03o && exec sh "$@"`, umask)
	cmd := exec.Command("sh", append([]string{"-c", quoted, "sh", name}, args...)...)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, output)
	}
	return nil
}

func archive(base, arch string) string {
	return filepath.Join(images, fmt.Sprintf("%s-linux-%s.tar", base, arch))
}

func open(t *testing.T, path string) v1.Image {
	t.Helper()
	img, err := tarball.ImageFromPath(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// unpack unpacks an image, with the folders that every runtime adds.
func unpack(t *testing.T, base string, mounts ...mount) container {
	t.Helper()
	img := open(t, archive(base, runtime.GOARCH))
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t)
	reader := mutate.Extract(img)
	defer func() { _ = reader.Close() }() // it was only read
	files := tar.NewReader(reader)
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = place(dir, header, files)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"proc", "dev"} {
		mounts = append(mounts, mount{To: name})
	}
	for _, m := range mounts {
		if err := os.MkdirAll(filepath.Join(dir, m.To), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return container{Root: dir, Config: config.Config, User: 65532, Mounts: mounts[:len(mounts)-2]}
}

// folder returns a folder that every user can go through.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(filepath.Dir(images), "")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// place writes one file of an image. Only root can give it to its owner.
func place(dir string, header *tar.Header, content io.Reader) error {
	path := filepath.Join(dir, header.Name)
	switch header.Typeflag {
	case tar.TypeDir:
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
	case tar.TypeSymlink:
		return os.Symlink(header.Linkname, path)
	case tar.TypeReg:
		text, err := io.ReadAll(content)
		if err == nil {
			err = os.WriteFile(path, text, 0o600)
		}
		if err != nil {
			return err
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(path, header.Uid, header.Gid); err != nil {
			return err
		}
	}
	return os.Chmod(path, fs.FileMode(header.Mode))
}

// volume returns a new volume, which belongs to the image's user.
func volume(t *testing.T) string {
	t.Helper()
	dir := folder(t)
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, 65532, 65532); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// run runs the program of the image to its end.
func (c container) run(t *testing.T, env []string, args ...string) (output string, status int) {
	t.Helper()
	cmd := c.command(t, env, append(c.Config.Entrypoint, args...)...)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// serve starts the image as it is meant to be started, and waits until it listens.
func (c container) serve(t *testing.T, env []string) *exec.Cmd {
	t.Helper()
	cmd := c.command(t, env, append(c.Config.Entrypoint, c.Config.Cmd...)...)
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	began := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(out)
		began <- lines.Scan()
		for lines.Scan() {
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server's end: %v\n%s", err, log.String())
		}
	})
	select {
	case ok := <-began:
		if !ok {
			t.Fatal("the server ended before it listened")
		}
	case <-time.After(patience):
		t.Fatal("the server doesn't listen")
	}
	return cmd
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

// TestImages runs the trial image with its own PostgreSQL, and the ordinary image on that database.
func TestImages(t *testing.T) {
	t.Parallel()
	if why, err := exec.Command("sh", "../can.sh", "images").Output(); err != nil {
		t.Skipf("%v: %s", err, why) // make test prints it too
	}
	data := volume(t)
	addr := "LATCHKEY_ADDR=" + freeAddr(t)
	trial := unpack(t, "latchkey-trial", mount{data, "var/lib/latchkey", false})
	if output, status := trial.run(t, []string{addr}, "healthcheck"); status != 1 {
		t.Errorf("the health check before the start: status %d, %s", status, output)
	}
	checkProcess(t, trial.serve(t, []string{addr}))
	if output, status := trial.run(t, []string{addr}, trial.Config.Healthcheck.Test[2:]...); status != 0 {
		t.Errorf("the health check: status %d, %s", status, output)
	}
	checkLogin(t, addr, "ada")

	other := []string{
		"LATCHKEY_ADDR=" + freeAddr(t), "LATCHKEY_DATABASE_URL=postgres:///latchkey?host=/run/trial/socket",
		"LATCHKEY_SECRET_KEY_FILE=/run/trial/secret_key",
	}
	ordinary := unpack(t, "latchkey", mount{data, "run/trial", true})
	checkProcess(t, ordinary.serve(t, other))
	if output, status := ordinary.run(t, other, ordinary.Config.Healthcheck.Test[2:]...); status != 0 {
		t.Errorf("the health check: status %d, %s", status, output)
	}
	checkLogin(t, other[0], "grace")

	// The root is really read-only: nothing above has written to it.
	output, status := trial.run(t, []string{"LATCHKEY_ADDR=127.0.0.1:0", "LATCHKEY_DATA_DIR=/data"}, "serve")
	if status != 1 || !strings.Contains(output, "read-only file system") {
		t.Errorf("with its data in the root: status %d, %s", status, output)
	}
}
