package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
	"github.com/latchkey-auth/latchkey/impl/secret"
	"github.com/latchkey-auth/latchkey/schema"
)

// Each script runs the real binary, save for what stands behind `here`: that is [run] in this
// process, with the same settings. In addition to testscript's own commands there are:
//
//	database            name an empty database of its own in LATCHKEY_DATABASE_URL, and a key in LATCHKEY_SECRET_KEY
//	outdate             take the database's schema back to none
//	advance beside      make the database's schema newer than the binary, which it allows beside it
//	advance beyond      make the schema newer still, so that it doesn't allow the binary
//	refused N CMD ...   latchkey CMD ... ends with status N and one line on stderr
//	here [N] CMD ...    latchkey CMD ..., or refused N CMD ..., without a process, input and working folder of its own
//	start S [FLAG ...]  latchkey serve in the background; $S becomes its URL
//	terminate S         SIGTERM, which must end it with status 0; S.out and S.err then hold what it printed
//	crash S             SIGKILL, likewise
//	register, login     URL EMAIL [USERNAME] PASSWORD STATUS; $TOKEN becomes the token
//	for-ten login ...   the same ten times
//	me, get             URL STATUS: with $TOKEN; without
//	get-from            ORIGIN URL STATUS: as a page of the origin sends it
//
// The last five put the response's body where `stdout` looks. A script must end each server that it
// starts. A server that still runs at the end shows that the script didn't run to its end:
// testscript's command stop ends a script early, and passes it.
func TestScript(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := &script{t: t, servers: map[string]*process{}}
			testscript.Run(t, testscript.Params{
				Files:       []string{file},
				WorkdirRoot: openFolder(t),
				Setup:       s.setup,
				Cmds:        s.commands(),
			})
		})
	}
}

// script is a running script.
type script struct {
	t       *testing.T
	servers map[string]*process
}

func (s *script) setup(env *testscript.Env) error {
	for _, entry := range testEnviron() {
		name, value, _ := strings.Cut(entry, "=")
		env.Setenv(name, value)
	}
	env.Setenv("LATCHKEY_DATA_DIR", filepath.Join(env.WorkDir, "data"))
	env.Defer(func() {
		for name, p := range s.servers {
			if p.running() && !s.t.Failed() {
				s.t.Errorf("the script's end left the server %s running", name)
			}
			p.end(s.t)
		}
	})
	return nil
}

func (s *script) commands() map[string]func(*testscript.TestScript, bool, []string) {
	commands := map[string]func(*testscript.TestScript, []string){
		"database": s.database, "outdate": s.outdate, "advance": s.advance, "refused": s.refused, "here": s.here,
		"start": s.start, "terminate": s.terminate, "crash": s.crash,
		"register": s.register, "login": s.login, "for-ten": s.tenTimes, "me": s.me, "get": s.get,
		"get-from": s.getFrom,
	}
	withoutNot := map[string]func(*testscript.TestScript, bool, []string){}
	for name, f := range commands {
		withoutNot[name] = func(ts *testscript.TestScript, not bool, args []string) {
			if not {
				ts.Fatalf("! has no meaning before %s", name)
			}
			f(ts, args)
		}
	}
	return withoutNot
}

func (s *script) database(ts *testscript.TestScript, _ []string) {
	ts.Setenv("LATCHKEY_DATABASE_URL", postgrestest.NewEmpty(s.t))
	ts.Setenv("LATCHKEY_SECRET_KEY", testKey)
}

func (s *script) outdate(ts *testscript.TestScript, _ []string) {
	execute(ts, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
}

// advance records versions of a later binary: the first allows this binary beside it, the second
// doesn't.
func (s *script) advance(ts *testscript.TestScript, args []string) {
	switch args[0] {
	case "beside":
		execute(
			ts,
			fmt.Sprintf("INSERT INTO latchkey_schema_version (version_id, is_applied, oldest_beside) VALUES (1000000, true, %d)",
				schema.Latest()),
		)
	case "beyond":
		execute(
			ts,
			fmt.Sprintf("INSERT INTO latchkey_schema_version (version_id, is_applied, oldest_beside) VALUES (1000001, true, %d)",
				schema.Latest()+1),
		)
	}
}

func execute(ts *testscript.TestScript, sql string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, ts.Getenv("LATCHKEY_DATABASE_URL"))
	ts.Check(err)
	defer func() { ts.Check(conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, sql)
	ts.Check(err)
}

func (s *script) refused(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec("latchkey", args[1:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
	checkRefusal(ts, ts.ReadFile("stderr"))
}

func (s *script) here(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[0])
	if err == nil {
		args = args[1:]
	}
	var stderr strings.Builder
	err = run(s.t.Context(), args, environ(ts), strings.NewReader(""), ts.Stdout(), io.MultiWriter(&stderr, ts.Stderr()))
	if err != nil {
		text := "latchkey: " + oneLine(err.Error()) + "\n"
		_, writeErr := io.WriteString(ts.Stderr(), text)
		ts.Check(writeErr)
		checkRefusal(ts, stderr.String()+text)
	}
	if got := exitStatus(err); got != want {
		ts.Fatalf("exit status %d, want %d: %v", got, want, err)
	}
}

// checkRefusal fails unless what a command printed on stderr is one line.
func checkRefusal(ts *testscript.TestScript, text string) {
	if !strings.HasPrefix(text, "latchkey: ") || strings.Count(text, "\n") != 1 || strings.Contains(text, "goroutine") {
		ts.Fatalf("the error isn't one line: %q", text)
	}
}

// environ returns the part of the script's environment that a server gets.
func environ(ts *testscript.TestScript) []string {
	names := []string{"PATH", "GORACE", "GOCOVERDIR"}
	for _, k := range known() {
		names = append(names, k.name, k.name+"_FILE")
	}
	var list []string
	for _, name := range names {
		if value := ts.Getenv(name); value != "" {
			list = append(list, name+"="+value)
		}
	}
	return list
}

func (s *script) start(ts *testscript.TestScript, args []string) {
	p, err := launch(ts.MkAbs("."), environ(ts), append([]string{"serve"}, args[1:]...))
	ts.Check(err)
	s.servers[args[0]] = p
	url, err := p.awaitURL()
	ts.Check(err)
	ts.Setenv(args[0], url)
}

func (s *script) terminate(ts *testscript.TestScript, args []string) {
	if status := s.end(ts, args[0], syscall.SIGTERM); status != 0 {
		ts.Fatalf("exit status %d, want 0: %s", status, s.servers[args[0]].stderr)
	}
}

func (s *script) crash(ts *testscript.TestScript, args []string) { s.end(ts, args[0], syscall.SIGKILL) }

func (s *script) end(ts *testscript.TestScript, name string, by syscall.Signal) (status int) {
	p := s.servers[name]
	if p == nil {
		ts.Fatalf("there is no server %s", name)
	}
	ts.Check(p.signal(by))
	status, err := p.wait()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(name+".out"), []byte(p.stdout.String()), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(name+".err"), []byte(p.stderr.String()), 0o600))
	return status
}

func (s *script) register(ts *testscript.TestScript, args []string) {
	a, err := register(args[0], args[1], args[2], args[3])
	tell(ts, a, err, args[4])
}

func (s *script) login(ts *testscript.TestScript, args []string) {
	a, err := login(args[0], args[1], args[2])
	tell(ts, a, err, args[3])
}

func (s *script) tenTimes(ts *testscript.TestScript, args []string) {
	for range 10 {
		s.login(ts, args[1:])
	}
}

func (s *script) me(ts *testscript.TestScript, args []string) {
	a, err := me(args[0], ts.Getenv("TOKEN"))
	tell(ts, a, err, args[1])
}

func (s *script) get(ts *testscript.TestScript, args []string) {
	a, err := get(args[0])
	tell(ts, a, err, args[1])
}

func (s *script) getFrom(ts *testscript.TestScript, args []string) {
	r, err := http.NewRequest(http.MethodGet, args[1], nil)
	ts.Check(err)
	r.Header.Set("Origin", args[0])
	a, err := send(r)
	tell(ts, a, err, args[2])
}

func tell(ts *testscript.TestScript, a answer, err error, status string) {
	ts.Check(err)
	_, err = ts.Stdout().Write([]byte(a.body))
	ts.Check(err)
	if strconv.Itoa(a.status) != status {
		ts.Fatalf("status %d, want %s: %s", a.status, status, a.body)
	}
	if token := a.token(); token != "" {
		ts.Setenv("TOKEN", token)
	}
}

// A key is made only once, even if several processes make it at the same time. No temporary file
// stays.
func TestSecretKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	s := settings{DataDir: t.TempDir()}
	keys := make(chan string)
	const racers = 16
	for range racers {
		go func() {
			key, err := secretKey(s)
			if err != nil {
				t.Error(err)
			}
			keys <- key.Reveal()
		}()
	}
	first := <-keys
	for range racers - 1 {
		if key := <-keys; key != first {
			t.Error("two processes have two keys")
		}
	}
	if problem := checkSecretKey(secret.New(first)); problem != "" {
		t.Errorf("the key %s", problem)
	}
	left := 0
	err := filepath.WalkDir(s.DataDir, func(string, fs.DirEntry, error) error { left++; return nil })
	if err != nil || left != 2 { // the folder and the key
		t.Errorf("%d entries in the data folder, want the key alone (%v)", left-1, err)
	}
}
