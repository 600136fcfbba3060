package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

const crashPassword = "correct-horse-battery"

// F-9: a user whose registration returned 201 exists after the server and its database were killed.
func TestCrashWhileRegistering(t *testing.T) {
	t.Parallel()
	dir := openFolder(t)
	environ := append(testEnviron(), "LATCHKEY_DATA_DIR="+dataFolderIn(t, dir), "LATCHKEY_RATE_LIMITS=off")
	var registered []string
	for round := range 3 {
		p, server := serve(t, dir, environ)
		registered = append(registered, registerUntilKilled(t, p, server, round)...)
	}
	p, server := serve(t, dir, environ)
	for _, email := range registered {
		if a, err := login(server, email, crashPassword); a.status != 200 || err != nil {
			t.Errorf("%s: login answered %d, %v; want 200", email, a.status, err)
		}
	}
	p.stop(t)
}

// registerUntilKilled registers users from several clients and kills the server meanwhile. It
// returns the emails of the users whose registration returned 201.
func registerUntilKilled(t *testing.T, p *process, server string, round int) []string {
	t.Helper()
	const clients, enough = 4, 24
	var (
		mu    sync.Mutex
		done  []string
		count atomic.Int64
		wg    sync.WaitGroup
	)
	for c := range clients {
		wg.Go(func() {
			for n := 0; ; n++ {
				name := fmt.Sprintf("user-%d-%d-%d", round, c, n)
				a, err := register(server, name+"@example.com", name, crashPassword)
				if err != nil {
					return // killed
				}
				if a.status != 201 {
					t.Errorf("registration answered %d: %s", a.status, a.body)
					return
				}
				mu.Lock()
				done = append(done, name+"@example.com")
				mu.Unlock()
				count.Add(1)
			}
		})
	}
	err := eventually("users are registered", func() bool { return count.Load() >= enough })
	p.kill()
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// A plain user runs all of it in a folder of its own. If the tests run as root, that user is
// nobody.
func TestPlainUser(t *testing.T) {
	t.Parallel()
	dir := openFolder(t)
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	environ := append(testEnviron(), "LATCHKEY_DATA_DIR="+data)
	asPlainUser := func(*exec.Cmd) {}
	if os.Geteuid() == 0 {
		program := filepath.Join(dir, "latchkey") // only root can enter the folder of the one in PATH
		inPath, err := exec.LookPath("latchkey")
		if err == nil {
			err = exec.Command("cp", inPath, program).Run()
		}
		if err := errors.Join(err, os.Chown(data, 65534, 65534)); err != nil {
			t.Fatal(err)
		}
		if bin := copiedPrograms(t); bin != "" {
			environ = append(environ, "LATCHKEY_POSTGRES_BIN="+bin)
		}
		asPlainUser = func(cmd *exec.Cmd) {
			cmd.Path = program
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
	}
	for _, want := range []int{201, 409} { // the second start finds the data of the first
		p, server := serve(t, dir, environ, asPlainUser)
		if a, err := register(server, "ada@example.com", "ada", crashPassword); a.status != want || err != nil {
			t.Errorf("registration answered %d, %v; want %d", a.status, err, want)
		}
		p.stop(t)
	}
}

// copiedPrograms returns the folder of the programs that the tests' own PostgreSQL runs, if they
// had to be copied. In that case another user can't run the originals either.
func copiedPrograms(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(postgrestest.NewEmpty(t))
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(filepath.Dir(u.Query().Get("host")), "postgres-bin", "*", "bin", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(found[0])
}

// forward forwards connections from one socket to another.
func forward(tb testing.TB, from, to string) {
	tb.Helper()
	ln, err := net.Listen("unix", from)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return // closed
			}
			go func() {
				defer func() { _ = client.Close() }()
				server, err := net.Dial("unix", to)
				if err != nil {
					return
				}
				defer func() { _ = server.Close() }()
				go func() {
					_, _ = io.Copy(server, client)
					_ = server.Close()
				}()
				_, _ = io.Copy(client, server)
			}()
		}
	}()
}
