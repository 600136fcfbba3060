package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// The roles of a process that holds a data folder. A server keeps the folder. A command gives it
// back soon.
const (
	roleServe   = "serve"
	roleCommand = "command"
)

const (
	// holderWait bounds the wait for a command that holds the folder.
	holderWait = 30 * time.Second
	// recordGrace is how long a process that has just taken the lock may take to record who it is.
	recordGrace = 200 * time.Millisecond
)

// holder is the lock file's record of the process that holds the lock. It is valid only while the
// lock is held.
type holder struct {
	PID  int    `json:"pid"`
	Role string `json:"role"`
}

// acquire takes the lock, and returns the function that releases it. It waits for a command that
// holds it. If a server holds the lock, acquire fails for another server. For a command it returns
// the URL of that server instead, once the server accepts connections.
func (f folder) acquire(ctx context.Context, role string) (release func() error, running string, err error) {
	begin := time.Now()
	for {
		release, other, err := f.tryLock(role)
		if release != nil || err != nil {
			return release, "", err
		}
		limit, why := holderWait, error(nil)
		switch {
		case other.Role == roleServe && role == roleServe:
			limit = recordGrace
		case other.Role == roleServe:
			if _, socket := f.running(); socket != "" {
				running = databaseURL(socket, databaseName)
				if why = execute(ctx, running, ""); why == nil {
					return nil, running, nil
				}
			}
		}
		if time.Since(begin) > limit {
			who := "another process"
			if other.PID != 0 {
				who = fmt.Sprintf("process %d (%s)", other.PID, other.Role)
			}
			return nil, "", errors.Join(fmt.Errorf("%w: %s is held by %s", ErrInUse, f.root, who), why)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return nil, "", err
		}
	}
}

// tryLock takes the exclusive lock on the data folder, or returns the process that holds it. That
// is the zero holder while the file has no record. The kernel releases the lock when the process
// dies, so it never becomes stale. PostgreSQL doesn't inherit it, because Go opens files with
// O_CLOEXEC. The file stays, because two processes could lock a file that is removed and created
// again.
func (f folder) tryLock(role string) (release func() error, other holder, err error) {
	file, err := os.OpenFile(f.path(lockFile), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, holder{}, fmt.Errorf("%w: %w", ErrDataFolder, err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		_ = json.NewDecoder(file).Decode(&other) // the holder may be about to write it
		return nil, other, file.Close()
	}
	if err == nil {
		err = GiveToOwner(file)
	}
	if err == nil {
		err = errors.Join(file.Truncate(0), json.NewEncoder(file).Encode(holder{PID: os.Getpid(), Role: role}))
	}
	if err != nil {
		return nil, holder{}, errors.Join(fmt.Errorf("lock the data folder: %w", err), file.Close())
	}
	return sync.OnceValue(file.Close), holder{}, nil
}
