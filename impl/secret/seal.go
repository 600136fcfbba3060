package secret

import (
	"crypto/rand"
	"errors"

	"golang.org/x/crypto/chacha20poly1305"
)

// ErrSealed reports that something was sealed under another secret key, for another purpose or
// name, or was changed since.
var ErrSealed = errors.New("sealed under another secret key")

// Seal encrypts a text under a key derived from the secret key for a purpose, so that the database
// alone can neither read nor change it. It opens under the same name alone.
func Seal(key Text, purpose, name string, plain []byte) ([]byte, error) {
	derived, err := Derive(key, purpose)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(derived)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return aead.Seal(nonce, nonce, plain, []byte(name)), nil
}

// Open decrypts what [Seal] returned. It fails with [ErrSealed].
func Open(key Text, purpose, name string, sealed []byte) ([]byte, error) {
	derived, err := Derive(key, purpose)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(derived)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, ErrSealed
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(name))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}
