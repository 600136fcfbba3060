package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestFirstAndLaterStart(t *testing.T) {
	t.Parallel()
	options := testOptions(t, dataFolder(t))
	options.Parameters = nil // as in production
	var progress []string
	options.Progress = func(s string) { progress = append(progress, s) }

	begin := time.Now()
	s := mustStart(t, options)
	t.Logf("first start: %v (%s)", time.Since(begin).Round(time.Millisecond), s.install.version)
	if len(progress) < 2 {
		t.Errorf("progress of a first start: %q; want the making and the start", progress)
	}
	mustQuery(t, s.URL(), "CREATE TABLE kept AS SELECT 'kept' AS word")
	for name, want := range map[string]string{
		"listen_addresses": "", "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on",
		"data_checksums": "on", "server_encoding": "UTF8", "TimeZone": "UTC", "log_error_verbosity": "terse",
	} {
		if got := mustQuery(t, s.URL(), "SHOW "+name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if got := mustQuery(t, s.URL(), "SELECT current_database() || ' ' || current_user"); got != "latchkey latchkey" {
		t.Errorf("database and user: %q", got)
	}
	checkOwners(t, s)
	mustStop(t, s)
	mustStop(t, s)

	begin = time.Now()
	s = mustStart(t, options)
	t.Logf("later start: %v", time.Since(begin).Round(time.Millisecond))
	if got := mustQuery(t, s.URL(), "SELECT word FROM kept"); got != "kept" {
		t.Errorf("after a restart: %q", got)
	}
}

// checkOwners checks the owners and modes of the files and of the process.
func checkOwners(t *testing.T, s *Server) {
	t.Helper()
	if uid := s.folder.account.uid; uid == 0 || os.Geteuid() != 0 && uid != uint32(os.Geteuid()) {
		t.Errorf("PostgreSQL's uid is %d, ours %d", s.folder.account.uid, os.Geteuid())
	}
	// PostgreSQL has its own process group, so an interrupt from the terminal doesn't reach it
	// before us.
	if group, err := syscall.Getpgid(s.folder.postmasterPID()); err != nil || group == syscall.Getpgrp() {
		t.Errorf("PostgreSQL is in our process group: %d, %v", group, err)
	}
	for path, want := range map[string]fs.FileMode{
		s.folder.cluster(): 0o700, s.folder.path("socket"): 0o700,
		s.folder.path(lockFile): 0o600, s.folder.path("postgres.log"): 0o600,
		fmt.Sprintf("/proc/%d", s.folder.postmasterPID()): 0o555,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
		}
		uid := info.Sys().(*syscall.Stat_t).Uid
		if wantUID := s.folder.account.uid; info.IsDir() && uid != wantUID {
			t.Errorf("%s belongs to uid %d, want %d", path, uid, wantUID)
		}
	}
}

func TestSecondStartIsRefused(t *testing.T) {
	t.Parallel()
	dir := usedFolder(t)
	first := mustStart(t, testOptions(t, dir))
	_, err := Start(testContext(t), testOptions(t, dir))
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("second Start: %v; want ErrInUse with the process's id", err)
	}
	mustQuery(t, first.URL(), "SELECT 'it lives'")
}

func TestKilledParent(t *testing.T) {
	t.Parallel()
	dir := usedFolder(t)
	parent, url := serveElsewhere(t, dir)
	mustQuery(t, url, "CREATE TABLE kept ()")
	f := openTestFolder(t, dir)
	if err := parent.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "PostgreSQL ends with its parent", func() bool {
		pid, _ := f.running()
		return pid == 0
	})
	s := mustStart(t, testOptions(t, dir))
	mustQuery(t, s.URL(), "SELECT * FROM kept")
}

func TestStartRightAfterKill(t *testing.T) {
	t.Parallel()
	dir := usedFolder(t)
	parent, _ := serveElsewhere(t, dir)
	if err := parent.Kill(); err != nil {
		t.Fatal(err)
	}
	// The killed process holds the lock until it is gone.
	var s *Server
	eventually(t, "the folder is free", func() bool {
		var err error
		s, err = Start(testContext(t), testOptions(t, dir))
		if err != nil && !errors.Is(err, ErrInUse) {
			t.Fatal(err)
		}
		return err == nil
	})
	defer mustStop(t, s)
	mustQuery(t, s.URL(), "SELECT 'it lives'")
}

func TestKilledWhileMakingTheCluster(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	f := openTestFolder(t, dir)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperVariable+"="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	half := f.path(newCluster + "*/base/1")
	eventually(t, "the cluster is half made", func() bool {
		found, err := filepath.Glob(half)
		return err == nil && len(found) > 0
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if _, err := os.Lstat(f.cluster()); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the cluster was there before it was whole: %v", err)
	}
	mustStart(t, testOptions(t, dir))
	if left, err := filepath.Glob(f.path(newCluster + "*")); err != nil || len(left) > 0 {
		t.Errorf("the remains of the kill are still there: %v, %v", left, err)
	}
}

func TestKilledPostmasterIsRestarted(t *testing.T) {
	t.Parallel()
	s := mustStart(t, testOptions(t, usedFolder(t)))
	mustQuery(t, s.URL(), "CREATE TABLE kept ()")
	for range 2 {
		before := s.folder.postmasterPID()
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the server is back", func() bool {
			_, err := query(t, s.URL(), "SELECT * FROM kept")
			return err == nil && s.folder.postmasterPID() != before
		})
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	dir := usedFolder(t)
	s := mustStart(t, testOptions(t, dir))
	postmaster := s.folder.postmasterPID()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { mustStop(t, s) })
	}
	all.Wait()
	if err := syscall.Kill(postmaster, 0); err != syscall.ESRCH {
		t.Errorf("after Stop the process %d: %v; want none", postmaster, err)
	}

	s = mustStart(t, testOptions(t, dir))
	mustQuery(t, s.URL(), "CREATE TABLE kept ()")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Stop(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Stop without time: %v; want the context's error", err)
	}
	s = mustStart(t, testOptions(t, dir))
	mustQuery(t, s.URL(), "SELECT * FROM kept")
}

func TestStartIsCancelled(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	options := testOptions(t, dir)
	for _, at := range []string{"making", "starting"} {
		ctx, cancel := context.WithCancel(t.Context())
		options.Progress = func(s string) {
			if strings.HasPrefix(s, at) {
				cancel()
			}
		}
		if _, err := Start(ctx, options); !errors.Is(err, context.Canceled) {
			t.Errorf("Start, cancelled while %s: %v", at, err)
		}
		cancel()
	}
	options.Progress = nil
	mustStart(t, options)
}

func TestFailedStartTellsWhy(t *testing.T) {
	t.Parallel()
	options := testOptions(t, usedFolder(t))
	options.Parameters = map[string]string{"fsync": "off", "work_mem": "nonsense"}
	_, err := Start(testContext(t), options)
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "work_mem"`) {
		t.Errorf("Start: %v; want the end of PostgreSQL's log", err)
	}
	// The folder is free again.
	mustStart(t, testOptions(t, options.DataDir))
}

func TestAttach(t *testing.T) {
	t.Parallel()
	dir := usedFolder(t)
	alone, err := Attach(testContext(t), testOptions(t, dir))
	if err != nil {
		t.Fatalf("Attach to an unused folder: %v", err)
	}
	mustQuery(t, alone.URL(), "CREATE TABLE kept ()")

	// A server waits for a command that uses the folder. So does a second command.
	started, attached := make(chan *Server), make(chan *Server)
	go func() {
		s, err := Attach(context.WithoutCancel(t.Context()), testOptions(t, dir))
		if err != nil {
			t.Errorf("second Attach: %v", err)
		} else {
			mustStop(t, s)
		}
		attached <- s
	}()
	go func() {
		s, err := Start(context.WithoutCancel(t.Context()), testOptions(t, dir))
		if err != nil {
			t.Errorf("Start while a command has the folder: %v", err)
		}
		started <- s
	}()
	select {
	case <-started:
		t.Error("Start didn't wait for the command")
	case <-attached:
		t.Error("Attach didn't wait for the command")
	case <-time.After(300 * time.Millisecond):
	}
	mustStop(t, alone)
	s := <-started
	<-attached
	if s == nil {
		return
	}
	defer mustStop(t, s)

	beside, err := Attach(testContext(t), testOptions(t, dir))
	if err != nil {
		t.Fatalf("Attach beside a server: %v", err)
	}
	mustQuery(t, beside.URL(), "SELECT * FROM kept")
	mustStop(t, beside)
	mustQuery(t, s.URL(), "SELECT 'Stop of the attached one left it alone'")
}

func TestLogHoldsNoValues(t *testing.T) {
	t.Parallel()
	s := mustStart(t, testOptions(t, usedFolder(t)))
	for _, sql := range []string{
		"CREATE TABLE people (email text UNIQUE CHECK (email <> 'a-secret-refused'))",
		"INSERT INTO people VALUES ('a-secret-email')",
	} {
		mustQuery(t, s.URL(), sql)
	}
	for _, sql := range []string{
		"INSERT INTO people VALUES ('a-secret-email')",
		"INSERT INTO people VALUES ('a-secret-refused')",
		"SELECT 'a-secret-uuid'::uuid",
		"SELECT a-secret-column",
	} {
		if _, err := query(t, s.URL(), sql); err == nil {
			t.Errorf("%s: no error", sql)
		}
	}
	mustStop(t, s)
	log, err := os.ReadFile(s.folder.path("postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "database system is shut down") {
		t.Errorf("the log isn't the server's:\n%s", log)
	}
	if strings.Contains(string(log), "secret") {
		t.Errorf("the log holds what a client sent:\n%s", log)
	}
}

func TestLogIsPutAside(t *testing.T) {
	t.Parallel()
	f := openTestFolder(t, dataFolder(t))
	path := f.path("postgres.log")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, logLimit+1); err != nil {
		t.Fatal(err)
	}
	log, err := f.openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	old, errOld := os.Stat(path + ".1")
	now, errNow := log.Stat()
	if err := errors.Join(errOld, errNow); err != nil || old.Size() != logLimit+1 || now.Size() != 0 {
		t.Errorf("sizes after: %v, %v, %v", old, now, err)
	}
}

func TestChildSeesNoSettings(t *testing.T) {
	t.Setenv("LATCHKEY_SECRET_KEY", "a-secret")
	t.Setenv("PGPORT", "1")
	for _, variable := range (account{}).command(t.Context(), "true").Env {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "LATCHKEY") || strings.HasPrefix(name, "PG") {
			t.Errorf("a child gets %s", name)
		}
	}
}

func TestURLSurvivesOddFolders(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(dataFolder(t), "a b%20+?&='#é")
	s := mustStart(t, testOptions(t, dir))
	if got := mustQuery(t, s.URL(), "SHOW data_directory"); got != filepath.Join(dir, "postgres") {
		t.Errorf("data_directory = %q", got)
	}
	if u, err := url.Parse(s.URL()); err != nil || u.Query().Get("host") != filepath.Join(dir, "socket") {
		t.Errorf("URL %s: %v", s.URL(), err)
	}
}
