package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const (
	// maxExposure is the largest exposure that systemd-analyze may find, of 10. Of what it finds,
	// 0.9 is that a server has a network.
	maxExposure = 1.2
	analyze     = "/usr/bin/systemd-analyze"
)

// unit returns the path of the unit, changed so that its program exists here.
func unit(t *testing.T, changes ...string) string {
	t.Helper()
	text, err := os.ReadFile("systemd/latchkey.service")
	if err != nil {
		t.Fatal(err)
	}
	changes = append(changes, "/usr/bin/latchkey", latchkey)
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(string(text), changes[i]) {
			t.Fatalf("the unit has no %q", changes[i])
		}
	}
	path := filepath.Join(t.TempDir(), "latchkey.service")
	if err := os.WriteFile(path, []byte(strings.NewReplacer(changes...).Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var exposure = regexp.MustCompile(`Overall exposure level for latchkey\.service: (\d+\.\d)`)

// exposureOf returns how much systemd-analyze finds that the unit leaves open.
func exposureOf(t *testing.T, path string) float64 {
	t.Helper()
	output, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", path).CombinedOutput()
	match := exposure.FindSubmatch(output)
	if err != nil || match == nil {
		t.Fatalf("%v\n%s", err, output)
	}
	level, err := strconv.ParseFloat(string(match[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return level
}

// TestUnit: systemd takes the unit without a warning, and the sandbox leaves little open.
func TestUnit(t *testing.T) {
	t.Parallel()
	installed(t, analyze)
	path := unit(t)
	if output, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, output)
	}
	if level := exposureOf(t, path); level > maxExposure {
		t.Errorf("the exposure is %.1f, want at most %.1f", level, maxExposure)
	}
	if level := exposureOf(t, unit(t, "PrivateUsers=yes", "", "CapabilityBoundingSet=", "")); level <= maxExposure {
		t.Errorf("with capabilities the exposure is %.1f, no more than %.1f", level, maxExposure)
	}
}

// TestUnitSettings: the server takes the unit's environment and credentials.
func TestUnitSettings(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(unit(t))
	if err != nil {
		t.Fatal(err)
	}
	specifiers := strings.NewReplacer("%d", "/run/credentials/latchkey.service", "%S", "/var/lib")
	environ, files := map[string]string{}, map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		switch key {
		case "Environment":
			name, value, _ := strings.Cut(value, "=")
			environ[name] = specifiers.Replace(value)
		case "LoadCredential":
			name, _, _ := strings.Cut(value, ":")
			files["/run/credentials/latchkey.service/"+name] = secrets[name]
		}
	}
	if len(environ) != 3 {
		t.Errorf("the unit sets %d variables, want 3", len(environ))
	}
	checkSettings(t, environ, files)
}

// installed leaves the test out if a program of a Debian package in .ci/debian-packages is missing.
// With CI=true that is a failure.
func installed(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		why := path + " is not installed; .ci/debian-packages names its package"
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
}

// can leaves the test out if this machine doesn't let it run. `make test` prints that.
func can(t *testing.T, what string) {
	t.Helper()
	if why, err := exec.Command("sh", "can.sh", what).Output(); err != nil {
		t.Skipf("%v: %s", err, why)
	}
}
