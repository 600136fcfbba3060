// Package postgres runs the embedded PostgreSQL. It finds the binaries, makes the cluster, starts
// the server as a child process, and stops it. The server listens only on a Unix socket that only
// its own user can enter. It is a default for one machine. Its users see only a URL.
//
// A data folder belongs to one process at a time, by a lock on a file in it:
//
//	postgres.lock       the lock, with its holder
//	postgres/           the cluster, mode 0700, owned by the user that PostgreSQL runs as
//	postgres.log        PostgreSQL's log; the previous one is postgres.log.1
//	postgres-bin/       copies of binaries that can't run in their place
//	socket/             the socket, if its path is short enough
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// Options are the place and the parameters of the embedded PostgreSQL.
type Options struct {
	// DataDir is the data folder. It is created if it is missing. Required.
	DataDir string
	// BinDir is the folder of postgres and initdb. If it is set, no other folder is tried. If it is
	// empty, they are searched for.
	BinDir string
	// Logger receives the server's events. Nil discards them.
	Logger *slog.Logger
	// Parameters are settings of the server, such as fsync for tests. They override the package's
	// own.
	Parameters map[string]string
	// Progress is called with a few words about each slow step of a start. It may be nil.
	Progress func(string)
}

// The errors that a setting can resolve. Their texts name no setting: the command adds it.
var (
	// ErrInUse is returned if another process uses this data folder.
	ErrInUse = errors.New("the data folder is in use")
	// ErrOtherMajor is returned if another major version of PostgreSQL than the installed one made
	// the data folder. The formats differ, so nothing is changed.
	ErrOtherMajor = errors.New("the data folder was made by another major version of PostgreSQL")
	// ErrNotFound is returned if there are no usable PostgreSQL binaries.
	ErrNotFound = errors.New("PostgreSQL was not found")
	// ErrDataFolder is returned if the data folder can't be made, or if the user that PostgreSQL
	// runs as can't enter it.
	ErrDataFolder = errors.New("the data folder can't be used")
	// ErrNoAccount is returned if there is no user that PostgreSQL can run as.
	ErrNoAccount = errors.New("PostgreSQL has no user to run as")
)

// Server is a running embedded PostgreSQL. After [Attach] it may belong to another process.
type Server struct {
	url     string
	folder  folder
	install install
	options Options
	release func() error  // releases the data folder; nil if another process runs the server
	stop    func()        // requests the fast shutdown
	force   func()        // requests the immediate shutdown
	done    chan struct{} // closed when the child and the supervisor have ended
	failed  chan error    // why the first start failed
	ready   atomic.Bool
}

// Start starts the server for this process, and returns when the server accepts connections. It
// restarts a server that dies. It fails with [ErrInUse] if another process serves the data folder.
// It waits up to half a minute for a command that uses the folder. The server ends with
// [Server.Stop], and also when this process is killed.
func Start(ctx context.Context, options Options) (*Server, error) {
	return take(ctx, options, roleServe)
}

// Attach is for a command that ends soon. If a process serves the data folder, Attach uses that
// server, and Stop does nothing. Otherwise Attach starts a server. Other servers and commands then
// wait for its end.
func Attach(ctx context.Context, options Options) (*Server, error) {
	return take(ctx, options, roleCommand)
}

func take(ctx context.Context, options Options, role string) (*Server, error) {
	if options.DataDir == "" {
		return nil, errors.New("postgres: no data folder")
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Progress == nil {
		options.Progress = func(string) {}
	}
	f, err := openFolder(options.DataDir)
	if err != nil {
		return nil, err
	}
	release, running, err := f.acquire(ctx, role)
	if err != nil {
		return nil, err
	}
	if release == nil {
		return &Server{url: running}, nil
	}
	s := &Server{folder: f, options: options, release: release, done: make(chan struct{}), failed: make(chan error, 1)}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, release())
	}
	return s, nil
}

// URL returns the URL of the database, for pgxpool.ParseConfig.
func (s *Server) URL() string { return s.url }

// Stop ends the server: it closes all connections and writes everything out. If ctx ends first, the
// server is stopped at once and recovers at its next start. Committed data is never lost. Stop may
// be called several times, also concurrently.
func (s *Server) Stop(ctx context.Context) error {
	if s.release == nil {
		return nil
	}
	s.stop()
	var err error
	select {
	case <-s.done:
	case <-ctx.Done():
		s.force()
		<-s.done
		err = fmt.Errorf("PostgreSQL was stopped before it had finished: %w", ctx.Err())
	}
	return errors.Join(err, s.release())
}

// start prepares the data folder, and starts the server there.
func (s *Server) start(ctx context.Context) error {
	f, options := s.folder, s.options
	major, err := f.clusterMajor()
	if err != nil {
		return err
	}
	if s.install, err = find(options.BinDir, f, major); err != nil {
		return err
	}
	if s.install.copied {
		options.Progress("preparing PostgreSQL's binaries")
		if s.install, err = f.materialise(s.install); err != nil {
			return err
		}
	}
	if major == 0 {
		options.Progress(fmt.Sprintf("making a database with PostgreSQL %s", s.install.version))
		err = f.initialise(ctx, s.install, options)
	} else {
		err = f.stopOrphan(ctx, options.Logger)
	}
	if err != nil {
		return err
	}
	socket, err := f.socketFolder()
	if err != nil {
		return err
	}
	options.Progress(fmt.Sprintf("starting PostgreSQL %s", s.install.version))
	s.url = databaseURL(socket, databaseName)
	var stopping, forced context.Context
	stopping, s.stop = context.WithCancel(context.Background())
	forced, s.force = context.WithCancel(context.Background())
	go s.supervise(stopping, forced, socket)
	if err := s.await(ctx, socket); err != nil {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = s.Stop(bounded) // err says why it didn't start
		return err
	}
	return nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
