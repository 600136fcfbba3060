package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	PID    int    `json:"pid"`
	Role   string `json:"role"`
	Socket string `json:"socket,omitempty"`
}

// folderLock is the exclusive lock on a data folder. The kernel releases it when the process dies,
// so it never becomes stale. PostgreSQL doesn't inherit it, because Go opens files with O_CLOEXEC.
type folderLock struct {
	file   *os.File
	holder holder
	once   sync.Once
	err    error
}

// acquire takes the lock. It waits for a command that holds it. If a server holds the lock, acquire
// fails for another server. For a command it returns no lock but the URL of that server, once the
// server accepts connections.
func (f folder) acquire(ctx context.Context, role string) (lock *folderLock, running string, err error) {
	begin := time.Now()
	for {
		lock, holder, err := f.tryLock(role)
		if lock != nil || err != nil {
			return lock, "", err
		}
		limit, why := holderWait, error(nil)
		switch {
		case holder.Role == roleServe && role == roleServe:
			limit = recordGrace
		case holder.Role == roleServe && holder.Socket != "":
			running = databaseURL(holder.Socket, databaseName)
			if why = execute(ctx, running, ""); why == nil {
				return nil, running, nil
			}
		}
		if time.Since(begin) > limit {
			return nil, "", errors.Join(f.inUse(holder), why)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return nil, "", err
		}
	}
}

func (f folder) inUse(h holder) error {
	who := "another process"
	if h.PID != 0 {
		who = fmt.Sprintf("process %d (%s)", h.PID, h.Role)
	}
	return fmt.Errorf("%w: %s is held by %s", ErrInUse, f.root, who)
}

// tryLock takes the lock, or returns the process that holds it. That is the zero holder while the
// file has no valid record.
func (f folder) tryLock(role string) (*folderLock, holder, error) {
	file, err := os.OpenFile(f.path(lockFile), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, holder{}, fmt.Errorf("%w: %w", ErrDataFolder, err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		lock := &folderLock{file: file, holder: holder{PID: os.Getpid(), Role: role}}
		if err := errors.Join(GiveToOwner(file), lock.record("")); err != nil {
			return nil, holder{}, errors.Join(err, lock.release())
		}
		return lock, holder{}, nil
	}
	defer file.Close()
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, holder{}, fmt.Errorf("lock the data folder: %w", err)
	}
	var h holder
	text, err := io.ReadAll(io.LimitReader(file, 4096))
	if err != nil {
		return nil, holder{}, fmt.Errorf("lock the data folder: %w", err)
	}
	if json.Unmarshal(text, &h) != nil {
		return nil, holder{}, nil
	}
	return nil, h, nil
}

// record writes which process holds the lock and, once it is known, the socket of its server.
func (l *folderLock) record(socket string) error {
	l.holder.Socket = socket
	text, err := json.Marshal(l.holder)
	if err != nil {
		return err
	}
	// Between the two steps a reader sees an invalid record, and reads again.
	if _, err := l.file.WriteAt(text, 0); err != nil {
		return fmt.Errorf("write the lock file: %w", err)
	}
	return l.file.Truncate(int64(len(text)))
}

// release releases the lock. The file stays, because two processes could lock a file that is
// removed and created again.
func (l *folderLock) release() error {
	l.once.Do(func() { l.err = errors.Join(l.file.Truncate(0), l.file.Close()) })
	return l.err
}
