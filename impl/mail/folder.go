package mail

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
)

// Folder writes mails to files instead of sending them, and reads them again.
type Folder struct {
	dir    string
	logger *slog.Logger
}

// NewFolder returns a sender that writes `.eml` files to dir. It makes dir at the first mail. Only
// the user of the process may read the files, because they hold codes.
func NewFolder(dir string, logger *slog.Logger) *Folder { return &Folder{dir, logger} }

const (
	// fileTime is sorted as the times are.
	fileTime = "20060102T150405.000000Z"
	ending   = ".eml"
)

// Send writes a mail to its file. The name has the letter's time, kind and ID, so that a second
// attempt replaces the file of the first.
func (f *Folder) Send(_ context.Context, m *Message) (err error) {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	l := m.Letter
	stem := l.At.UTC().Format(fileTime) + "-" + string(l.Kind) + "-" + l.ID.String()
	if !writtenName.MatchString(stem) {
		return ErrUnknownKind
	}
	name := filepath.Join(f.dir, stem+ending)
	file, err := os.CreateTemp(f.dir, ".*"+ending+".part") // of mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	if _, err := m.WriteTo(file); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), name); err != nil {
		return err
	}
	f.logger.Info("wrote a mail", "kind", l.Kind, "file", name)
	return nil
}
