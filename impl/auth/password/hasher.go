// Package password hashes passwords, checks them, and decides which ones a user may choose.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/unicode/norm"

	"github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// Hasher makes and verifies password hashes: argon2id, and bcrypt for those that came from
// elsewhere. All of them go through a queue, whose workers bound the memory. It is safe for
// concurrent use.
type Hasher struct {
	params Params
	queue  *hashqueue.Queue
	// dummy is a hash that no password has, verified in place of an unknown user's.
	dummy phc
}

// NewHasher returns a [Hasher] for new hashes with these parameters. It fails if argon2id doesn't
// derive what it has to: then no password would be checked as it was set.
func NewHasher(params Params, queue *hashqueue.Queue) (*Hasher, error) {
	if err := params.Validate(); err != nil {
		return nil, err
	}
	if queue == nil {
		return nil, errors.New("password: no queue")
	}
	if err := argon2id.SelfTest(); err != nil {
		return nil, err
	}
	h := &Hasher{params: params, queue: queue}
	h.dummy = phc{params: params, salt: make([]byte, saltBytes), key: make([]byte, keyBytes)}
	rand.Read(h.dummy.salt)
	rand.Read(h.dummy.key)
	return h, nil
}

// Queue returns the queue that the hashes go through.
func (h *Hasher) Queue() *hashqueue.Queue { return h.queue }

// Verdict is whether a password fits a stored hash, and whether that hash is of another kind than
// new ones.
type Verdict struct{ Match, Outdated bool }

// maxBcryptCost bounds what a stored hash may cost: 2^14 rounds are about a second.
const maxBcryptCost = 14

// maxBcryptBytes is what bcrypt reads of a password. A longer password never matches a bcrypt hash,
// because the rest would be ignored.
const maxBcryptBytes = 72

// bcryptWork is the work of one of bcrypt's 2^cost rounds in the measure of [Params.work]: 57 µs
// are to 0.49 µs, as measured on one machine. On another the ratio differs by a factor below two,
// and so does what is left of the difference.
const bcryptWork = 116

// ErrStoredHash reports that a stored hash can't be read, or asks for more than the bounds of
// [Params] allow.
var ErrStoredHash = errors.New("a stored password hash can't be read")

// Hash makes a hash in the PHC string format. It waits for a slot, at most as long as ctx.
func (h *Hasher) Hash(ctx context.Context, network string, password secret.Text) (string, error) {
	made := phc{params: h.params, salt: make([]byte, saltBytes)}
	rand.Read(made.salt)
	text, ok := normalisePassword(password)
	if !ok {
		return "", errors.New("a password that the policy refuses can't be hashed")
	}
	if err := h.queue.Do(
		ctx,
		hashqueue.Registration,
		network,
		func(m *argon2id.Memory) { made.key = derive(m, text, made.params, made.salt, keyBytes) },
	); err != nil {
		return "", err
	}
	return made.String(), nil
}

// Verify compares a password with a stored hash, in constant time. A stored hash that can't be
// read, or asks for more than the bounds allow, is an error, an ErrStoredHash: it is the server's
// fault, not the client's. It waits for a slot, at most as long as ctx.
func (h *Hasher) Verify(ctx context.Context, network, stored string, password secret.Text) (Verdict, error) {
	text, valid := normalisePassword(password)
	if isBcrypt(stored) {
		return h.verifyBcrypt(ctx, network, stored, text, valid)
	}
	hash, err := parsePHC(stored)
	if err != nil {
		return Verdict{}, fmt.Errorf("%w: %w", ErrStoredHash, err)
	}
	verdict := Verdict{Outdated: hash.params != h.params || len(hash.salt) != saltBytes || len(hash.key) != keyBytes}
	err = h.queue.Do(ctx, hashqueue.Login, network, func(m *argon2id.Memory) {
		key := derive(m, text, hash.params, hash.salt, uint32(len(hash.key)))
		verdict.Match = subtle.ConstantTimeCompare(key, hash.key) == 1 && valid
		if !verdict.Match {
			h.burn(m, text, hash.params.work())
		}
	})
	if err != nil {
		return Verdict{}, err
	}
	return verdict, nil
}

// VerifyUnknown takes as long as [Hasher.Verify] of a hash with the present parameters, for a user
// that doesn't exist.
func (h *Hasher) VerifyUnknown(ctx context.Context, network string, password secret.Text) error {
	text, _ := normalisePassword(password)
	return h.queue.Do(ctx, hashqueue.Login, network, func(m *argon2id.Memory) {
		key := derive(m, text, h.dummy.params, h.dummy.salt, keyBytes)
		_ = subtle.ConstantTimeCompare(key, h.dummy.key)
	})
}

// Unusable returns a hash that no password has, for a user whose password was taken away. Releases up
// to 0.6 can't read a user without one.
func (h *Hasher) Unusable() string {
	return phc{params: h.params, salt: []byte(unusableSalt), key: h.dummy.key}.String()
}

// unusableSalt marks the hashes that [Hasher.Unusable] returns. No other hash has this salt, because
// salts are random.
const unusableSalt = "without password"

// IsUsable reports whether a stored hash can be read and may be of a password.
func IsUsable(stored string) bool {
	hash, err := parsePHC(stored)
	return isBcrypt(stored) || err == nil && string(hash.salt) != unusableSalt
}

// verifyBcrypt verifies a hash that was made elsewhere.
//
// Accepted weakness: until its user logs in once, when the hash is renewed, a bcrypt hash that is
// dearer than the present parameters (of cost 9 and more, by default) takes longer, so that a
// stranger who measures can tell that the email has an account. Equal times for all would make
// every login as slow as the slowest hash in the database.
func (h *Hasher) verifyBcrypt(ctx context.Context, network, stored, text string, valid bool) (Verdict, error) {
	cost, err := bcrypt.Cost([]byte(stored))
	if err != nil || cost > maxBcryptCost {
		return Verdict{}, fmt.Errorf("%w: bcrypt of cost %d", ErrStoredHash, cost)
	}
	fits := len(text) <= maxBcryptBytes
	var match bool
	queued := h.queue.Do(ctx, hashqueue.Login, network, func(m *argon2id.Memory) {
		err = bcrypt.CompareHashAndPassword([]byte(stored), []byte(text[:min(len(text), maxBcryptBytes)]))
		if match = err == nil && fits && valid; !match {
			h.burn(m, text, bcryptWork<<cost)
		}
	})
	switch {
	case queued != nil:
		return Verdict{}, queued
	case err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
		return Verdict{}, fmt.Errorf("%w: %w", ErrStoredHash, err)
	}
	return Verdict{Match: match, Outdated: true}, nil
}

func isBcrypt(stored string) bool {
	for _, prefix := range []string{"$2a$", "$2b$", "$2y$"} {
		if strings.HasPrefix(stored, prefix) {
			return true
		}
	}
	return false
}

// burn takes the time by which a hash with cheaper parameters was quicker than one with the present
// ones, so that a wrong password for a user whose hash awaits renewal is not answered sooner than
// one for nobody.
//
// Accepted weakness: a hash with dearer parameters than the present ones takes longer, until its
// user logs in once.
func (h *Hasher) burn(m *argon2id.Memory, text string, spent uint64) {
	if rest := h.rest(spent); rest.Validate() == nil {
		derive(m, text, rest, h.dummy.salt, keyBytes)
	}
}

// rest are the parameters whose work and the spent one add up to a present hash's, but for less
// than a pass over 1 KiB; without memory where nothing is left.
func (h *Hasher) rest(spent uint64) Params {
	rest := Params{Passes: h.params.Passes, Lanes: h.params.Lanes}
	if spent < h.params.work() {
		rest.MemoryKiB = uint32((h.params.work() - spent) / uint64(rest.Passes))
	}
	return rest
}

func derive(m *argon2id.Memory, text string, p Params, salt []byte, size uint32) []byte {
	return argon2id.Key(m, []byte(text), salt, p.Passes, p.MemoryKiB, p.Lanes, size)
}

// maxPasswordBytes bounds a password in NFC, in bytes of UTF-8.
const maxPasswordBytes = 1024

// normalisePassword brings a password into the form that is hashed, on both sides: Unicode's NFC,
// and nothing else. It returns false for what no user can have; the text may be worked on all the
// same, and is bounded.
func normalisePassword(password secret.Text) (string, bool) {
	text := password.Reveal()
	if len(text) > 4*maxPasswordBytes {
		return text[:maxPasswordBytes], false
	}
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return text, false
	}
	text = norm.NFC.String(text)
	return text, len(text) <= maxPasswordBytes
}
