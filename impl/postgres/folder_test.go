package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAsPlainUser runs the lifecycle tests again as a user that isn't root, if we are root.
// Otherwise they already run as one.
func TestAsPlainUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return
	}
	// Only root can enter the folder of the test binary.
	dir := filepath.Dir(dataFolder(t))
	program := filepath.Join(dir, "postgres.test")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("cp", self, program).Run(); err != nil {
		t.Fatal(err)
	}
	temp := filepath.Join(dir, "tmp")
	if err := errors.Join(os.Mkdir(temp, 0o700), os.Chown(temp, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.v", "-test.run",
		"^(TestFirstAndLaterStart|TestSecondStartIsRefused|TestKilledParent|TestKilledPostmasterIsRestarted|"+
			"TestStalePID|TestOrphanIsStopped|TestUnreachable)$")
	cmd.Dir, cmd.Env = dir, []string{"TMPDIR=" + temp, "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	output, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(output), "--- PASS") != 7 {
		t.Errorf("as a plain user: %v\n%s", err, output)
	}
}

// snapshot returns a hash of every file below a folder.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		files[path] = fmt.Sprintf("%x", sha256.Sum256(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestOtherMajorIsRefused(t *testing.T) {
	t.Parallel()
	options := testOptions(t, usedFolder(t))
	f := openTestFolder(t, options.DataDir)
	if err := os.WriteFile(filepath.Join(f.cluster(), "PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, options.DataDir)
	_, err := Start(testContext(t), options)
	if !errors.Is(err, ErrOtherMajor) || !strings.Contains(err.Error(), "PostgreSQL 9") {
		t.Errorf("Start: %v; want ErrOtherMajor with the version", err)
	}
	if diff := cmp.Diff(before, snapshot(t, options.DataDir)); diff != "" {
		t.Errorf("the folder has changed:\n%s", diff)
	}
}

func TestHalfMadeCluster(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	f := openTestFolder(t, dir)
	for _, path := range []string{f.path(newCluster + "1/PG_VERSION"), filepath.Join(f.cluster(), "base/1/112")} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("15\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	mustStart(t, testOptions(t, dir))
	if left, err := filepath.Glob(f.path(newCluster + "*")); err != nil || len(left) > 0 {
		t.Errorf("the remains of a crash are still there: %v, %v", left, err)
	}
	if kept, err := filepath.Glob(f.path("postgres.incomplete-*/base/1/112")); err != nil || len(kept) != 1 {
		t.Errorf("what stood in the cluster's place isn't put aside: %v, %v", kept, err)
	}
}

func TestClusterWithoutVersionIsNotReplaced(t *testing.T) {
	t.Parallel()
	options := testOptions(t, usedFolder(t))
	f := openTestFolder(t, options.DataDir)
	if err := os.Remove(filepath.Join(f.cluster(), "PG_VERSION")); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, options.DataDir)
	if s, err := Start(testContext(t), options); err == nil {
		mustStop(t, s)
		t.Error("Start made a new database in place of a damaged one")
	}
	if diff := cmp.Diff(before, snapshot(t, options.DataDir)); diff != "" {
		t.Errorf("the folder has changed:\n%s", diff)
	}
}

// A cluster on another disk, which isn't mounted, is not replaced by an empty one.
func TestLinkToNowhereIsNotReplaced(t *testing.T) {
	t.Parallel()
	options := testOptions(t, dataFolder(t))
	f := openTestFolder(t, options.DataDir)
	if err := os.Symlink("/nowhere/postgres", f.cluster()); err != nil {
		t.Fatal(err)
	}
	if s, err := Start(testContext(t), options); err == nil {
		mustStop(t, s)
		t.Error("Start made a new database in place of one that isn't there")
	} else if !errors.Is(err, ErrDataFolder) {
		t.Errorf("got %v, want ErrDataFolder", err)
	}
	if target, err := os.Readlink(f.cluster()); target != "/nowhere/postgres" {
		t.Errorf("the link has gone: %v", err)
	}
}

func TestStalePID(t *testing.T) {
	t.Parallel()
	options := testOptions(t, usedFolder(t))
	f := openTestFolder(t, options.DataDir)
	// A process of PostgreSQL's own user: PostgreSQL would take it for a server.
	other := f.account.command(context.Background(), "sleep", "600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := other.Process.Kill(); err != nil {
			t.Errorf("the process in the stale file was killed: %v", err)
		}
		_ = other.Wait()
	}()
	const record = "%d\n%s\n1700000000\n5432\n%s\n\n  1 1\nready\n"
	for name, text := range map[string]string{
		"alive": fmt.Sprintf(record, other.Process.Pid, f.cluster(), f.path("socket")),
		"dead":  "4194300\n",
		"empty": "",
	} {
		path := filepath.Join(f.cluster(), "postmaster.pid")
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), f.own(path)); err != nil {
			t.Fatal(err)
		}
		s, err := Start(testContext(t), options)
		if err != nil {
			t.Errorf("a pid file that is %s: %v", name, err)
			continue
		}
		mustStop(t, s)
	}
}

func TestOrphanIsStopped(t *testing.T) {
	t.Parallel()
	options := testOptions(t, usedFolder(t))
	first := mustStart(t, options)
	mustStop(t, first)
	f := first.folder
	// A postmaster without a parent that watches it. On some systems the kernel doesn't end it with
	// its parent.
	program, parameters := filepath.Join(first.install.bin, "postgres"), first.parameters(f.path("socket"))
	orphan := f.account.command(context.Background(), program, parameters...)
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = orphan.Wait(); close(ended) }()
	t.Cleanup(func() { _ = orphan.Process.Kill(); <-ended })
	eventually(t, "the orphan answers", func() bool { return execute(t.Context(), first.URL(), "") == nil })
	s := mustStart(t, options)
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the orphan still runs")
	}
	mustQuery(t, s.URL(), "SELECT 'it lives'")
}

func TestDeepDataFolder(t *testing.T) {
	t.Parallel()
	for _, name := range []string{strings.Repeat("deep/", 25), "comma,quote\""} {
		dir := filepath.Join(dataFolder(t), name)
		s := mustStart(t, testOptions(t, dir))
		mustQuery(t, s.URL(), "SELECT 'it lives'")
		socket, err := s.folder.socketFolder()
		if err != nil || strings.HasPrefix(socket, dir) {
			t.Errorf("socket in %s, %v", socket, err)
		}
		mustStop(t, s)
		if err := os.Remove(socket); err != nil {
			t.Error(err)
		}
	}
}

func TestSocketFolderOfAnotherIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(dataFolder(t))
	f := openTestFolder(t, filepath.Join(dir, "data"))
	mine := filepath.Join(dir, "mine")
	if err := errors.Join(os.Mkdir(mine, 0o700), f.own(mine), os.Symlink(mine, filepath.Join(dir, "link")),
		os.WriteFile(filepath.Join(dir, "file"), nil, 0o600), os.Mkdir(filepath.Join(dir, "open"), 0o755),
		f.own(filepath.Join(dir, "open"))); err != nil {
		t.Fatal(err)
	}
	stranger := f
	stranger.account.uid += 7
	for _, test := range []struct {
		f    folder
		name string
		ok   bool
	}{
		{f, "mine", true}, {f, "new", true}, {f, "link", false}, {f, "file", false}, {f, "open", false},
		{stranger, "mine", false},
	} {
		if err := test.f.private(filepath.Join(dir, test.name)); (err == nil) != test.ok {
			t.Errorf("private(%s) as uid %d: %v; want ok %v", test.name, test.f.account.uid, err, test.ok)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := f.safeTemp(dir); err == nil {
		t.Error("a folder for temporary files in which everybody may rename was used")
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	above := filepath.Dir(dir)
	mode := fs.FileMode(0o700) // if we are root, PostgreSQL's user can't enter
	if os.Geteuid() != 0 {
		mode = 0o500
	}
	if err := os.Chmod(above, mode); err != nil {
		t.Fatal(err)
	}
	_, err := Start(testContext(t), testOptions(t, dir))
	if !errors.Is(err, ErrDataFolder) || !strings.Contains(err.Error(), above) {
		t.Errorf("Start: %v; want ErrDataFolder with %s", err, above)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data folder was made all the same: %v", err)
	}
}

// TestHomeStaysClosed: a data folder that contains another program's files isn't opened for
// PostgreSQL's user.
func TestHomeStaysClosed(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "letter"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	f, err := openFolder(dir)
	if want := os.Geteuid() == 0; errors.Is(err, ErrDataFolder) != want {
		t.Errorf("openFolder: %v, %v; want ErrDataFolder %v", f, err, want)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("its mode is now %v, %v", info.Mode(), err)
	}
}

func TestLockOfDeadProcessIsFree(t *testing.T) {
	t.Parallel()
	f := openTestFolder(t, dataFolder(t))
	stale := fmt.Sprintf(`{"pid":%d,"role":"serve","socket":"/nowhere"}`+strings.Repeat(" ", 100), os.Getpid())
	if err := os.WriteFile(f.path(lockFile), []byte(stale), 0o600); err != nil {
		t.Fatal(err)
	}
	release, _, err := f.acquire(testContext(t), roleServe)
	if err != nil {
		t.Fatalf("acquire: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, _, err := f.acquire(ctx, roleServe); !errors.Is(err, ErrInUse) {
		t.Errorf("acquire of a held lock: %v; want ErrInUse", err)
	}
	if err := errors.Join(release(), release()); err != nil {
		t.Errorf("release: %v", err)
	}
	again, _, err := f.acquire(ctx, roleServe)
	if err != nil {
		t.Fatalf("acquire after release: %v", err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
}
