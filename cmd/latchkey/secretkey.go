package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/latchkey-auth/latchkey/impl/secret"
)

// keyFile is the kept key's name in the data folder.
const keyFile = "secret_key"

// newKeySize is the size of a key that is made here, in random bytes.
const newKeySize = 48

var errNoSecretKey = usageError{errors.New("LATCHKEY_SECRET_KEY must be set when LATCHKEY_DATABASE_URL is, the same for " +
	"every server on that database; make one with: openssl rand -base64 48")}

// secretKey is the key that the settings give, or else the one in the data folder, which is made at the first start.
func secretKey(s settings) (secret.Text, error) {
	if !s.SecretKey.IsZero() {
		return s.SecretKey, nil
	}
	if !s.embedded() {
		return secret.Text{}, errNoSecretKey
	}
	path := filepath.Join(s.DataDir, keyFile)
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path); err != nil {
			return secret.Text{}, fmt.Errorf("keep a new secret key in the data folder: %w", err)
		}
		return readKey(path)
	}
	return key, err
}

func readKey(path string) (secret.Text, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return secret.Text{}, err
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return secret.Text{}, usageError{fmt.Errorf("the secret key %s is not a regular file", path)}
	case mode.Perm()&0o077 != 0:
		return secret.Text{}, usageError{fmt.Errorf("the secret key %s can be read by others (mode %04o): remove it if they may "+
			"have read it, so that another one is made, and chmod 600 it otherwise", path, mode.Perm())}
	}
	text, err := readSettingFile(path)
	if err != nil {
		return secret.Text{}, usageError{fmt.Errorf("the kept secret key: %w", err)}
	}
	if problem := checkSecretKey(secret.New(text)); problem != "" {
		return secret.Text{}, usageError{fmt.Errorf("the secret key %s %s", path, problem)}
	}
	return secret.New(text), nil
}

// makeKey keeps a new key at path. It is written beside it, whole and on the disk, and then linked, which fails when
// another process was first: then the key of that one counts.
func makeKey(path string) error {
	random := make([]byte, newKeySize)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), keyFile+".new-*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // the link stays
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(random) + "\n")
	if err := errors.Join(err, giveToOwner(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// giveToOwner gives a file that root has made to the data folder's owner, who may start the server the next time.
func giveToOwner(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s has no owner", strings.TrimSuffix(f.Name(), filepath.Base(f.Name())))
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}
