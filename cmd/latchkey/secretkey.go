package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/latchkey-auth/latchkey/impl/postgres"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// keyFile is the name of the kept key in the data folder.
const keyFile = "secret_key"

// newKeySize is the number of random bytes in a key that is made here.
const newKeySize = 48

var errNoSecretKey = usageError{errors.New("LATCHKEY_SECRET_KEY must be set if LATCHKEY_DATABASE_URL is set. " +
	"Every server on that database needs the same key. Make one with: openssl rand -base64 48")}

// secretKey returns the key in the settings, or the key in the data folder. It makes that key at
// the first start.
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
		return secret.Text{}, usageError{fmt.Errorf("the secret key %s can be read by others (mode %04o). "+
			"If they may have read it, remove it, and a new one is made; otherwise chmod 600 it", path, mode.Perm())}
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

// makeKey writes a new key to path. It writes a temporary file, syncs it, and then links it to
// path. If another process was first, the link fails and the key of that process stays.
func makeKey(path string) error {
	random := make([]byte, newKeySize)
	rand.Read(random)
	f, err := os.CreateTemp(filepath.Dir(path), keyFile+".new-*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // the link stays
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(random) + "\n")
	if err := errors.Join(err, postgres.GiveToOwner(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return postgres.SyncFolder(filepath.Dir(path))
}
