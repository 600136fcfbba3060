package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// TestConfig: the images have the settings of the Dockerfile, for their platform.
func TestConfig(t *testing.T) {
	t.Parallel()
	want := v1.Config{
		Env: []string{
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LATCHKEY_ADDR=:8000",
			"LATCHKEY_DATA_DIR=/var/lib/latchkey",
		},
		Entrypoint: []string{"/usr/bin/latchkey"}, Cmd: []string{"serve"}, User: "65532:65532", WorkingDir: "/",
		ExposedPorts: map[string]struct{}{"8000/tcp": {}},
		Healthcheck: &v1.HealthConfig{
			Test: []string{"CMD", "/usr/bin/latchkey", "healthcheck"}, Interval: 10 * time.Second, Timeout: 5 * time.Second,
			StartPeriod: time.Minute, Retries: 3,
		},
		Labels: map[string]string{
			"org.opencontainers.image.title":       "Latchkey",
			"org.opencontainers.image.description": "An authentication service on PostgreSQL",
			"org.opencontainers.image.licenses":    "Apache-2.0",
			"org.opencontainers.image.version":     version,
		},
	}
	for _, arch := range []string{"amd64", "arm64"} {
		got, err := open(t, archive("latchkey", arch)).ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if got.Architecture != arch || got.OS != "linux" || got.Created.Unix() != 1700000000 {
			t.Errorf("%s: %s/%s of %v", arch, got.OS, got.Architecture, got.Created)
		}
		if diff := cmp.Diff(want, got.Config); diff != "" {
			t.Errorf("%s:\n%s", arch, diff)
		}
	}
}

// TestLayout: the layout is valid, and has an image of each platform.
func TestLayout(t *testing.T) {
	t.Parallel()
	index, err := layout.ImageIndexFromPath(filepath.Join(images, "oci"))
	if err == nil {
		err = validate.Index(index)
	}
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, entry := range manifest.Manifests {
		of, err := index.ImageIndex(entry.Digest)
		if err != nil {
			t.Fatal(err)
		}
		inner, err := of.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		tag := entry.Annotations[refName]
		for _, img := range inner.Manifests {
			got[tag] = append(got[tag], img.Platform.String())
		}
	}
	want := map[string][]string{
		version: {"linux/amd64", "linux/arm64"}, version + "-trial": {"linux/" + runtime.GOARCH},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestStatic: the binary needs no library on any platform, and the certificates are readable.
func TestStatic(t *testing.T) {
	t.Parallel()
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		program, err := elf.NewFile(bytes.NewReader(content(t, arch, "usr/bin/latchkey")))
		if err != nil {
			t.Fatal(err)
		}
		if program.Machine != machine || program.Type != elf.ET_EXEC {
			t.Errorf("%s: %v of %v", arch, program.Type, program.Machine)
		}
		for _, segment := range program.Progs {
			if segment.Type == elf.PT_INTERP || segment.Type == elf.PT_DYNAMIC {
				t.Errorf("%s: the binary isn't static: %v", arch, segment.Type)
			}
		}
		pem := content(t, arch, "etc/ssl/certs/ca-certificates.crt")
		if n := bytes.Count(pem, []byte("BEGIN CERTIFICATE")); n < 100 || !x509.NewCertPool().AppendCertsFromPEM(pem) {
			t.Errorf("%s: %d certificates", arch, n)
		}
	}
}

// TestVersion: the binary in the image knows what it was made of.
func TestVersion(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "latchkey")
	if err := os.WriteFile(program, content(t, runtime.GOARCH, "usr/bin/latchkey"), 0o700); err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command(program, "version").CombinedOutput()
	for _, want := range []string{"latchkey " + version + " (go", "\ncommit " + commit + " of " + date + "\n"} {
		if err != nil || !strings.Contains(string(output), want) {
			t.Errorf("%v, without %q: %s", err, want, output)
		}
	}
}

// content returns a file of an image.
func content(t *testing.T, arch, name string) []byte {
	t.Helper()
	reader := mutate.Extract(open(t, archive("latchkey", arch)))
	defer func() { _ = reader.Close() }() // it was only read
	for files := tar.NewReader(reader); ; {
		header, err := files.Next()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if header.Name == name {
			text, err := io.ReadAll(files)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
	}
}
