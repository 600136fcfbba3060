// Package postgres runs the embedded PostgreSQL: it finds the binaries, makes the cluster, starts the server as a
// child on a Unix socket that only its user can enter, and stops it. It is a default for one machine;
// what uses it sees only a URL.
//
// A data folder belongs to one process at a time, by a lock on a file in it:
//
//	postgres.lock       the lock, and who holds it
//	postgres/           the cluster, mode 0700, owned by the user that PostgreSQL runs as
//	postgres.log        PostgreSQL's log; the one before it is postgres.log.1
//	postgres-bin/       binaries that can't be run where they lie
//	socket/             the socket, where its path is short enough
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Options says where the embedded PostgreSQL lives and what it runs.
type Options struct {
	// DataDir is the data folder; it is made when it is missing. Required.
	DataDir string
	// BinDir names the folder that holds postgres and initdb (LATCHKEY_POSTGRES_BIN). When it is set nothing
	// else is tried; when it is empty they are looked for.
	BinDir string
	// Logger receives what happens to the server. Nil discards it.
	Logger *slog.Logger
	// Parameters are settings of the server, such as fsync for tests. They win over the package's own.
	Parameters map[string]string
	// Progress is told, in a few words, what takes time at a start. Nil is fine.
	Progress func(string)
}

var (
	// ErrInUse says that another process serves this data folder.
	ErrInUse = errors.New("the data folder is in use")
	// ErrOtherMajor says that the data folder was made by another major version of PostgreSQL than the one
	// that was found; its format differs, so nothing is touched.
	ErrOtherMajor = errors.New("the data folder was made by another major version of PostgreSQL")
	// ErrNotFound says that there are no usable PostgreSQL binaries.
	ErrNotFound = errors.New("PostgreSQL was not found")
	// ErrUnreachable says that the user that PostgreSQL runs as can't enter the data folder.
	ErrUnreachable = errors.New("the data folder is out of reach for PostgreSQL")
)

// Server is an embedded PostgreSQL that runs, its own or, after [Attach], another process's.
type Server struct {
	url      string
	folder   folder
	install  install
	options  Options
	lock     *folderLock // nil when another process runs the server
	stopping chan struct{}
	forced   chan struct{}
	done     chan struct{} // closed when the child has ended and the supervisor with it
	failed   chan error    // why the first start came to nothing
	ready    atomic.Bool
	stopOnce sync.Once
	quitOnce sync.Once
}

// Start starts the server for this process, restarts it when it dies, and returns when it answers. A data
// folder that another process serves is [ErrInUse]; one that a command holds is waited for, up to half a
// minute. The server ends with [Server.Stop], and also when this process is killed.
func Start(ctx context.Context, options Options) (*Server, error) {
	f, options, err := open(options)
	if err != nil {
		return nil, err
	}
	lock, err := f.acquire(ctx, roleServe)
	if err != nil {
		return nil, err
	}
	return start(ctx, f, lock, options)
}

// Attach is for a command that ends soon. When a process serves the data folder it uses that server, and Stop
// does nothing; otherwise it starts one, which a server or command that comes meanwhile waits for.
func Attach(ctx context.Context, options Options) (*Server, error) {
	f, options, err := open(options)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(holderWait)
	for {
		lock, holder, err := f.tryLock(roleCommand)
		if err != nil {
			return nil, err
		}
		if lock != nil {
			return start(ctx, f, lock, options)
		}
		why := error(nil)
		if holder.Role == roleServe && holder.Socket != "" {
			if why = ping(ctx, databaseURL(holder.Socket, databaseName)); why == nil {
				return &Server{url: databaseURL(holder.Socket, databaseName)}, nil
			}
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(f.inUse(holder), why)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// URL names the database for pgxpool.ParseConfig.
func (s *Server) URL() string { return s.url }

// Stop ends the server: connections are cut and everything is written out. When ctx ends first, the server is
// stopped at once and recovers at its next start; nothing that was committed is lost either way. Stop may be
// called again, and at the same time.
func (s *Server) Stop(ctx context.Context) error {
	if s.lock == nil {
		return nil
	}
	s.stopOnce.Do(func() { close(s.stopping) })
	var err error
	select {
	case <-s.done:
	case <-ctx.Done():
		s.quitOnce.Do(func() { close(s.forced) })
		<-s.done
		err = fmt.Errorf("PostgreSQL was stopped before it had finished: %w", ctx.Err())
	}
	return errors.Join(err, s.lock.release())
}

// start takes over the lock: it is released when the start fails and by Stop.
func start(ctx context.Context, f folder, lock *folderLock, options Options) (s *Server, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.release())
		}
	}()
	major, err := f.clusterMajor()
	if err != nil {
		return nil, err
	}
	in, err := find(options.BinDir, f, major)
	if err != nil {
		return nil, err
	}
	if in.copied {
		options.Progress("preparing PostgreSQL's binaries")
		if in, err = f.materialise(in); err != nil {
			return nil, err
		}
	}
	if major == 0 {
		options.Progress(fmt.Sprintf("making a database with PostgreSQL %s", in.version))
		if err := f.initialise(ctx, in, options); err != nil {
			return nil, err
		}
	} else if err := f.stopOrphans(ctx, options.Logger); err != nil {
		return nil, err
	}
	socket, err := f.socketFolder()
	if err != nil {
		return nil, err
	}
	if err := lock.record(socket); err != nil {
		return nil, err
	}
	options.Progress(fmt.Sprintf("starting PostgreSQL %s", in.version))
	s = &Server{
		url: databaseURL(socket, databaseName), folder: f, install: in, options: options, lock: lock,
		stopping: make(chan struct{}), forced: make(chan struct{}), done: make(chan struct{}), failed: make(chan error, 1),
	}
	go s.supervise(socket)
	if err := s.await(ctx, socket); err != nil {
		s.stopOnce.Do(func() { close(s.stopping) })
		select {
		case <-s.done:
		case <-time.After(10 * time.Second):
			s.quitOnce.Do(func() { close(s.forced) })
			<-s.done
		}
		return nil, err
	}
	return s, nil
}

// open fills in what may be left out and prepares the data folder.
func open(options Options) (folder, Options, error) {
	if options.DataDir == "" {
		return folder{}, options, errors.New("postgres: no data folder")
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Progress == nil {
		options.Progress = func(string) {}
	}
	f, err := openFolder(options.DataDir)
	return f, options, err
}

// pause waits for d, or for ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
