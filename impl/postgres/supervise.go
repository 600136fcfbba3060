package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	superuser    = "latchkey"
	databaseName = "latchkey"
	port         = "5432" // part of the socket's name; nothing listens on TCP

	invalidCatalogName = "3D000"

	// logLimit is the size in bytes above which a start renames the log.
	logLimit = 8 << 20

	// orphanWait bounds how long the first start waits until a killed server's shared memory is
	// free.
	orphanWait = 20 * time.Second

	// startWait bounds how long a start waits until the server accepts connections. It is longer
	// than a recovery after a crash.
	startWait = 10 * time.Minute
	// startReport is the interval between log lines about a start that takes long.
	startReport = 5 * time.Second
)

// databaseURL returns the URL of a database on a socket. PostgreSQL doesn't log errors of a
// client's session, because their text may contain what the client sent, and the client gets them
// anyway. It logs errors of its own processes.
func databaseURL(socket, database string) string {
	query := url.Values{"host": {socket}, "port": {port}, "sslmode": {"disable"}, "log_min_messages": {"log"}}
	// libpq reads a plus sign in a URL as a plus sign, but Encode writes a space as one.
	encoded := strings.ReplaceAll(query.Encode(), "+", "%20")
	return fmt.Sprintf("postgres://%s@/%s?%s", superuser, database, encoded)
}

// parameters returns the server's settings for its command line. There neither postgresql.conf nor
// ALTER SYSTEM can override them. No setting weakens durability.
func (s *Server) parameters(socket string) []string {
	values := map[string]string{
		"listen_addresses":        "",
		"port":                    port,
		"unix_socket_directories": socket,
		"unix_socket_permissions": "0700",
		"cluster_name":            "latchkey-" + s.folder.hash(), // a list of processes shows it
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"jit":                     "off", // every query is short
		"logging_collector":       "off",
		"log_destination":         "stderr",
		"log_line_prefix":         "%m [%p] ",
		"log_checkpoints":         "off",
		"log_statement":           "none",
		// No value of a parameter may get into the log, with a statement or with the detail of an
		// error.
		"log_error_verbosity":               "terse",
		"log_min_error_statement":           "panic",
		"log_min_duration_statement":        "-1",
		"log_parameter_max_length":          "0",
		"log_parameter_max_length_on_error": "0",
	}
	maps.Copy(values, s.options.Parameters)
	args := []string{"-D", s.folder.cluster()}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		args = append(args, "-c", name+"="+values[name])
	}
	return args
}

// supervise runs the server until stopping ends. When forced ends, it stops the server at once. It
// keeps its thread to itself, because Linux signals a child when the thread that started the child
// ends.
func (s *Server) supervise(stopping, forced context.Context, socket string) {
	runtime.LockOSThread()
	defer close(s.done)
	const shortest, longest = 100 * time.Millisecond, 5 * time.Second
	backoff, giveUp := shortest, time.Now().Add(orphanWait)
	for {
		started := time.Now()
		err := s.serve(stopping, forced, socket)
		if stopping.Err() != nil {
			return
		}
		if !s.ready.Load() && (!isBlocked(err) || time.Now().After(giveUp)) {
			s.failed <- err
			return
		}
		if time.Since(started) > time.Minute {
			backoff = shortest
		}
		s.options.Logger.Error("PostgreSQL ended unexpectedly; starting it again", "error", err, "in", backoff)
		if pause(stopping, backoff) != nil {
			return
		}
		backoff = min(2*backoff, longest)
	}
}

// serve runs the server once. It returns how the server ended, with the last lines of its log.
func (s *Server) serve(stopping, forced context.Context, socket string) error {
	path := s.folder.path("postgres.log")
	log, err := s.folder.openLog(path)
	if err != nil {
		return err
	}
	defer log.Close()
	begin, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	cmd := s.folder.account.command(forced, filepath.Join(s.install.bin, "postgres"), s.parameters(socket)...)
	cmd.Stdout, cmd.Stderr = log, log
	// SIGQUIT requests the immediate shutdown.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) }
	cmd.WaitDelay = 10 * time.Second
	endWithParent(cmd.SysProcAttr, syscall.SIGINT)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	defer guard(cmd.Process.Pid)()
	// SIGINT requests the fast shutdown.
	defer context.AfterFunc(stopping, func() { _ = cmd.Process.Signal(syscall.SIGINT) })()
	_ = cmd.Wait() // its result is in ProcessState
	return fmt.Errorf("PostgreSQL ended with %s; the end of %s:\n%s", cmd.ProcessState, path, tail(log, begin))
}

// isBlocked reports whether the server ended because a killed server's processes still run. They
// end soon.
func isBlocked(err error) bool {
	return strings.Contains(err.Error(), "is still in use") || strings.Contains(err.Error(), "already exists")
}

// tail returns the last lines of a log, of those after the position begin.
func tail(log *os.File, begin int64) string {
	text := make([]byte, 4096)
	end, _ := log.Seek(0, io.SeekEnd)
	n, _ := log.ReadAt(text, max(begin, end-int64(len(text)))) // what can't be read is left out
	lines := strings.Split(strings.TrimSpace(string(text[:n])), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

// await returns when the server accepts connections and its database exists.
func (s *Server) await(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startWait, fmt.Errorf("it took more than %s", startWait))
	defer cancel()
	report := time.Now().Add(startReport)
	for {
		err := execute(ctx, s.url, "")
		if pgErr := (*pgconn.PgError)(nil); errors.As(err, &pgErr) && pgErr.Code == invalidCatalogName {
			err = execute(ctx, databaseURL(socket, "postgres"), "CREATE DATABASE "+databaseName)
		}
		if err == nil {
			s.ready.Store(true)
			return nil
		}
		if time.Now().After(report) {
			s.options.Progress("PostgreSQL is still starting")
			s.options.Logger.Warn("the embedded PostgreSQL is still starting",
				"error", err, "log", s.folder.path("postgres.log"))
			report = time.Now().Add(startReport)
		}
		select {
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL did not accept connections in time: %w", errors.Join(context.Cause(ctx), err))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// execute runs a statement in a session of its own. An empty statement only shows that the server
// accepts connections. A server that is frozen would never reply.
func execute(ctx context.Context, databaseURL, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	conn, err := pgconn.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql).ReadAll()
	return err
}
