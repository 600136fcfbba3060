package secret

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"

	"golang.org/x/crypto/chacha20poly1305"
)

// ErrSealed reports that something was sealed under another secret key, for another purpose or
// name, or was changed since.
var ErrSealed = errors.New("sealed under another secret key")

// aead returns the cipher under a key that is derived from the secret key for a purpose.
func aead(key Text, purpose string) (cipher.AEAD, error) {
	derived, err := Derive(key, purpose)
	if err != nil {
		return nil, err
	}
	return chacha20poly1305.NewX(derived)
}

// Seal encrypts a text under a key that is derived from the secret key for a purpose, so that the
// database alone can neither read nor change the text. [Open] needs the same name.
func Seal(key Text, purpose, name string, plain []byte) ([]byte, error) {
	aead, err := aead(key, purpose)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, plain, []byte(name)), nil
}

// Open decrypts what [Seal] returned. It fails with [ErrSealed].
func Open(key Text, purpose, name string, sealed []byte) ([]byte, error) {
	aead, err := aead(key, purpose)
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
