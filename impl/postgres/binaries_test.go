package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// npmPackage returns the real package that npm ci has put into web/node_modules.
func npmPackage(t *testing.T) string {
	t.Helper()
	dirs := packageFolders()
	if len(dirs) == 0 {
		t.Fatalf("there is no web/node_modules/%s: run npm ci --ignore-scripts in web", packageName())
	}
	return filepath.Dir(filepath.Dir(dirs[0]))
}

// listing returns everything that a write into a folder would change.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		files[path] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestPackage(t *testing.T) {
	t.Parallel()
	pkg := npmPackage(t)
	before := listing(t, pkg)
	options := testOptions(t, dataFolder(t))
	options.Parameters = nil // as in production
	options.BinDir = filepath.Join(pkg, "native", "bin")
	begin := time.Now()
	s := mustStart(t, options)
	t.Logf("first start from the package: %v (%s)", time.Since(begin).Round(time.Millisecond), s.install.version)
	if got := mustQuery(t, s.URL(), "SHOW server_version_num"); !strings.HasPrefix(got, fmt.Sprint(s.install.major)) {
		t.Errorf("server_version_num %s, the package is %s", got, s.install.version)
	}
	mustStop(t, s)
	copied, err := os.Stat(s.install.bin)
	if err != nil {
		t.Fatal(err)
	}

	// Without the setting, Start chooses the version that made the cluster, even if another is
	// installed.
	options.BinDir = ""
	begin = time.Now()
	s = mustStart(t, options)
	t.Logf("later start from the package: %v", time.Since(begin).Round(time.Millisecond))
	if again, err := os.Stat(s.install.bin); err != nil || !os.SameFile(copied, again) {
		t.Errorf("the second start made its own copy: %v, %v", again, err)
	}
	if diff := cmp.Diff(before, listing(t, pkg)); diff != "" {
		t.Errorf("the package has changed:\n%s", diff)
	}
}

// TestBinariesInClosedHome: binaries that only root can reach are copied for PostgreSQL's user.
func TestBinariesInClosedHome(t *testing.T) {
	t.Parallel()
	options := testOptions(t, dataFolder(t))
	f := openTestFolder(t, options.DataDir)
	in, err := probe(filepath.Join(npmPackage(t), "native", "bin"), f.account)
	if err == nil {
		in, err = f.materialise(in)
	}
	if err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(filepath.Dir(options.DataDir), "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("cp", "-R", filepath.Dir(in.bin), filepath.Join(home, "pg")).Run(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(f.path(binariesDir)); err != nil {
		t.Fatal(err)
	}
	options.BinDir = filepath.Join(home, "pg", "bin")
	s := mustStart(t, options)
	if copied := s.install.bin != options.BinDir; copied != f.account.dropped {
		t.Errorf("runs %s", s.install.bin)
	}
	mustQuery(t, s.URL(), "SELECT 'it lives'")
}

func TestSettingWithoutBinaries(t *testing.T) {
	t.Parallel()
	options := testOptions(t, dataFolder(t))
	options.BinDir = t.TempDir()
	_, err := Start(testContext(t), options)
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), options.BinDir) {
		t.Errorf("Start: %v; want ErrNotFound with the folder", err)
	}
}

// TestPackageOfAnotherUser: root doesn't run a package that another user has put above the working
// folder.
func TestPackageOfAnotherUser(t *testing.T) {
	root := filepath.Dir(dataFolder(t))
	program := filepath.Join(root, "web", "node_modules", packageName(), "native", "bin", "postgres")
	work := filepath.Join(root, "a", "b")
	if err := errors.Join(os.MkdirAll(filepath.Dir(program), 0o755), os.WriteFile(program, nil, 0o755),
		os.MkdirAll(work, 0o755)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(work)
	// The folder of the test's executable may contain a real package.
	found := func() bool {
		return slices.Contains(packageFolders(), filepath.Dir(program))
	}
	if !found() {
		t.Error("from a folder below the package isn't found")
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(program, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if found() {
		t.Error("another user's package is used")
	}
	if err := os.Chown(work, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if !found() {
		t.Error("the package of the working folder's owner isn't used")
	}
}

func TestLinksStayInThePackage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		source, target string
		ok             bool
	}{
		{"native/lib/a.so.1", "native/lib/a.so", true},
		{"native/lib/a.so.1", "native/a.so", true},
		{"native/lib/a.so.1", "native/../a.so", false},
		{"native/../../a.so.1", "native/lib/a.so", false},
		{"/lib/a.so.1", "native/lib/a.so", false},
	} {
		dir := t.TempDir()
		list := filepath.Join(dir, "links.json")
		text := fmt.Sprintf(`[{"source":%q,"target":%q}]`, test.source, test.target)
		library := filepath.Join(dir, "lib", "a.so.1")
		if err := errors.Join(os.Mkdir(filepath.Dir(library), 0o755), os.WriteFile(library, []byte("library"), 0o644),
			os.WriteFile(list, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
		err := makeLinks(list, dir)
		if (err == nil) != test.ok {
			t.Errorf("%s -> %s: %v; want ok %v", test.target, test.source, err, test.ok)
		}
		if !test.ok {
			continue
		}
		got, err := os.ReadFile(filepath.Join(dir, strings.TrimPrefix(test.target, "native/")))
		if err != nil || string(got) != "library" {
			t.Errorf("%s leads to %q, %v", test.target, got, err)
		}
	}
}

func placeIn(dir, from, to string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return place(root, from, to)
}

// TestCopyStaysInThePackage: root may copy a package of another user. Its links must not lead to
// files that this user can't read.
func TestCopyStaysInThePackage(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	lib := filepath.Join(dir, "lib")
	if err := errors.Join(os.Mkdir(lib, 0o755), os.WriteFile(outside, []byte("secret"), 0o600),
		os.WriteFile(filepath.Join(lib, "a.so.1"), []byte("library"), 0o644),
		os.Symlink("a.so.1", filepath.Join(lib, "a.so")),
		os.Symlink("../lib/a.so.1", filepath.Join(lib, "b.so")), os.Symlink(outside, filepath.Join(lib, "absolute")),
		os.Symlink("../../"+filepath.Base(filepath.Dir(outside))+"/secret", filepath.Join(lib, "relative")),
		os.Symlink(filepath.Dir(outside), filepath.Join(lib, "folder"))); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	to := filepath.Join(t.TempDir(), "lib")
	if err := copyTree(root, "lib", to); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	entries, err := os.ReadDir(to)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(to, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[entry.Name()] = string(content)
	}
	want := map[string]string{"a.so.1": "library", "a.so": "library", "b.so": "library"}
	if !maps.Equal(got, want) {
		t.Errorf("copied %v, want %v", got, want)
	}
}

// TestPlace: everybody can read a copy, and only we can change it.
func TestPlace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		folder     string
		mode, want fs.FileMode
	}{
		{"bin", 0o755, 0o755},
		{"lib", 0o644, 0o644},
		{"bin", 0o644, 0o755},
		{"bin", 0o700, 0o755},
		{"lib", 0o600, 0o644},
		{"lib", 0o666, 0o644},
	} {
		dir := t.TempDir()
		from, to := filepath.Join(dir, test.folder, "from"), filepath.Join(dir, "to")
		if err := errors.Join(os.Mkdir(filepath.Dir(from), 0o755), os.WriteFile(from, []byte("content"), 0o600),
			os.Chmod(from, test.mode)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(from)
		if err == nil {
			err = placeIn(dir, filepath.Join(test.folder, "from"), to)
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.Stat(to)
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(to)
		if got.Mode() != test.want || os.SameFile(info, got) || string(content) != "content" {
			t.Errorf("%s %v became %v, the same file %v, %q, %v",
				test.folder, test.mode, got.Mode(), os.SameFile(info, got), content, err)
		}
		if after, err := os.Stat(from); err != nil || after.Mode() != test.mode {
			t.Errorf("%s %v itself is now %v, %v", test.folder, test.mode, after.Mode(), err)
		}
	}
}

func TestNewestInstallFirst(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string][]string{
		"postgresql/*/bin":    {"postgresql/18/bin", "postgresql/17/bin", "postgresql/15/bin"},
		"opt/postgresql*/bin": {"opt/postgresql@18/bin", "opt/postgresql@17/bin", "opt/postgresql/bin"},
	} {
		dir := t.TempDir()
		for n := range want {
			want[n] = filepath.Join(dir, want[n])
			if err := os.MkdirAll(want[n], 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, newestFirst(filepath.Join(dir, pattern))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", pattern, diff)
		}
	}
}

func TestModulesAround(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][]string{
		"/usr/bin/latchkey": nil,
		// npm and Yarn; npm where two versions are needed; pnpm.
		"/app/node_modules/@latchkey-auth/latchkey-linux-x64/bin/latchkey": {"/app/node_modules"},
		"/app/node_modules/@latchkey-auth/latchkey/node_modules/@latchkey-auth/latchkey-linux-x64/bin/latchkey": {
			"/app/node_modules/@latchkey-auth/latchkey/node_modules", "/app/node_modules",
		},
		"/app/node_modules/.pnpm/@latchkey-auth+latchkey-linux-x64@1.0.0/node_modules/@latchkey-auth/latchkey-linux-x64/bin/latchkey": {
			"/app/node_modules/.pnpm/@latchkey-auth+latchkey-linux-x64@1.0.0/node_modules", "/app/node_modules",
		},
	} {
		if diff := cmp.Diff(want, modulesAround(path)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}
