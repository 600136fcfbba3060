package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// here is the platform that these tests run on, for which they make a release.
var here = func() platform {
	i := slices.IndexFunc(platforms, func(p platform) bool { return p.os == runtime.GOOS && p.arch == runtime.GOARCH })
	return platforms[i]
}()

// snapshot makes a clone whose only commit has the files of this one, those that aren't committed
// included. Two snapshots have the same commit.
func snapshot(ctx context.Context, dir string) error {
	top, err := git(ctx, ".", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	names, err := git(ctx, top, "ls-files", "-coz", "--exclude-standard")
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.Trim(names, "\x00"), "\x00") {
		info, err := os.Stat(filepath.Join(top, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was removed, which isn't committed
		}
		if err != nil {
			return err
		}
		data, err := os.ReadFile(filepath.Join(top, name))
		if err != nil {
			return err
		}
		target := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, data, info.Mode()); err != nil {
			return err
		}
	}
	const date = "2026-01-02T03:04:05Z"
	script := `git init -q -b main && git add -A && git -c user.name=Ada -c user.email=ada@example.com ` +
		`-c commit.gpgsign=false commit -q -m 'a release'`
	commit := exec.CommandContext(ctx, "sh", "-c", script)
	commit.Dir = dir
	commit.Env = append(os.Environ(), "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date)
	_, err = output(commit)
	return err
}

// made makes a release of a snapshot, once for all tests. TestMain removes it.
var made = sync.OnceValues(func() (string, error) { return makeRelease(filepath.Join(scratch, "one")) })

func makeRelease(dir string) (out string, err error) {
	out = filepath.Join(dir, "out")
	if err := snapshot(context.Background(), filepath.Join(dir, "clone")); err != nil {
		return "", err
	}
	return out, release(context.Background(), options{
		root: filepath.Join(dir, "clone"), out: out, platforms: []platform{here}, otherGo: true,
	})
}

var scratch string

// TestMain makes the folder of all tests. Everybody may go through it: PostgreSQL's user does.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "latchkey-release-test-")
	if err == nil {
		err = os.Chmod(dir, 0o711)
	}
	if err != nil {
		panic(err)
	}
	scratch = dir
	status := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	os.Exit(status)
}

// oneFile returns the only file of the release that matches a pattern.
func oneFile(t *testing.T, pattern string) string {
	t.Helper()
	dir, err := made()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %q, %v; want one file", pattern, found, err)
	}
	return found[0]
}

func TestVersion(t *testing.T) {
	t.Parallel()
	const commit = "0123456789abcdef0123456789abcdef01234567"
	date := time.Date(2026, 11, 27, 6, 21, 34, 0, time.UTC)
	for _, test := range []struct {
		tags []string
		want string
	}{
		{nil, "0.7.0-dev.20261127062134.g0123456789ab"},
		{[]string{"client-0.3.0"}, "0.7.0-dev.20261127062134.g0123456789ab"},
		{[]string{"v0.7.0"}, "0.7.0"},
		{[]string{"client-0.3.0", "v0.7.0"}, "0.7.0"},
		{[]string{"v0.6.0"}, ""},
	} {
		got, err := version("0.7.0", test.tags, commit, date)
		if got != test.want || (err != nil) != (test.want == "") {
			t.Errorf("%q: %q, %v; want %q", test.tags, got, err, test.want)
		}
	}
}

// Two releases of one commit, made in two folders, are the same byte for byte.
func TestReproducible(t *testing.T) {
	first, err := made()
	if err != nil {
		t.Fatal(err)
	}
	second, err := makeRelease(filepath.Join(scratch, "another folder"))
	if err != nil {
		t.Fatal(err)
	}
	one, err := os.ReadDir(first)
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadDir(second)
	if err != nil || len(one) < 6 || len(one) != len(two) {
		t.Fatalf("%d and %d files, %v", len(one), len(two), err)
	}
	for _, e := range one {
		a, err := os.ReadFile(filepath.Join(first, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(second, e.Name()))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is another one the second time (%v)", e.Name(), err)
		}
	}
}

// The archive of a platform has a static binary that knows what it is.
func TestArchive(t *testing.T) {
	archive := oneFile(t, "latchkey_*.tar.gz")
	dir := t.TempDir()
	if _, err := output(exec.Command("tar", "-xzf", archive, "-C", dir, "--strip-components=1")); err != nil {
		t.Fatal(err)
	}
	out, err := output(exec.Command(filepath.Join(dir, "latchkey"), "version", "--json"))
	if err != nil {
		t.Fatal(err)
	}
	var told struct{ Version, Commit, Date, Contract, Go string }
	if err := json.Unmarshal(out, &told); err != nil {
		t.Fatal(err)
	}
	name := "latchkey_" + told.Version + "_" + here.name() + ".tar.gz"
	if filepath.Base(archive) != name || told.Date != "2026-01-02T03:04:05Z" || len(told.Commit) != 40 ||
		!strings.HasPrefix(told.Version, told.Contract+"-dev.20260102030405.g"+told.Commit[:12]) {
		t.Errorf("%s in %s", out, archive)
	}
	if here.os == "linux" {
		program, err := os.ReadFile(filepath.Join(dir, "latchkey"))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(program, []byte("ld-linux")) {
			t.Error("the binary asks for a dynamic linker")
		}
	}
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md", thirdParty} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// The bill of materials and the licences name each module in the binary.
func TestBillAndLicences(t *testing.T) {
	archive := oneFile(t, "latchkey_*.tar.gz")
	dir := t.TempDir()
	if _, err := output(exec.Command("tar", "-xzf", archive, "-C", dir, "--strip-components=1")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(oneFile(t, "latchkey_*.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	billed := map[string]bool{}
	for _, c := range *bom.Components {
		billed[c.Name+" "+c.Version] = true
		if c.Licenses == nil || len(*c.Licenses) == 0 {
			t.Errorf("%s has no licence in the bill", c.Name)
		}
	}
	licences, err := os.ReadFile(filepath.Join(dir, thirdParty))
	if err != nil {
		t.Fatal(err)
	}
	out, err := output(exec.Command("go", "version", "-m", filepath.Join(dir, "latchkey")))
	if err != nil {
		t.Fatal(err)
	}
	modules := regexp.MustCompile(`(?m)^\tdep\t(\S+)\t(\S+)`).FindAllStringSubmatch(string(out), -1)
	if len(modules) < 20 {
		t.Fatalf("%d modules in the binary", len(modules))
	}
	for _, m := range modules {
		if name := m[1] + " " + m[2]; !billed[name] {
			t.Errorf("the bill lacks %s", name)
		} else if !bytes.Contains(licences, fmt.Appendf(nil, "\n%s\n", name)) {
			t.Errorf("%s lacks %s", thirdParty, name)
		}
	}
	for _, name := range []string{"swagger-ui-dist", "std"} {
		if !bytes.Contains(text, []byte(`"name": "`+name+`"`)) {
			t.Errorf("the bill lacks %s", name)
		}
	}
	if strings.Contains(string(text), "v0.0.0-") && !bytes.Contains(out, []byte("v0.0.0-")) {
		t.Error("the bill has a made-up version")
	}
}

func TestSums(t *testing.T) {
	sums := oneFile(t, "SHA256SUMS")
	text, err := os.ReadFile(sums)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(sums))
	if err != nil || bytes.Count(text, []byte("\n")) != len(entries)-1 {
		t.Errorf("%d files, %v:\n%s", len(entries), err, text)
	}
	for line := range strings.Lines(string(text)) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		data, err := os.ReadFile(filepath.Join(filepath.Dir(sums), name))
		if err != nil || fmt.Sprintf("%x", sha256.Sum256(data)) != sum {
			t.Errorf("%s (%v)", line, err)
		}
	}
}
