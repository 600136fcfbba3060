// Package password hashes passwords, checks them, and decides which ones a user may choose.
package password

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// Hasher makes password hashes by argon2id, and verifies these and the ones of other systems. All
// of them go through a queue, which bounds the memory. It is safe for concurrent use.
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
	h.dummy = phc{kind: argon2id.Argon2id, params: params, salt: make([]byte, saltBytes), key: make([]byte, keyBytes)}
	rand.Read(h.dummy.salt)
	rand.Read(h.dummy.key)
	return h, nil
}

// Queue returns the queue that the hashes go through.
func (h *Hasher) Queue() *hashqueue.Queue { return h.queue }

// Verdict reports whether a password fits a stored hash, and whether the hash differs in kind from
// new ones.
type Verdict struct{ Match, Outdated bool }

// Hash makes a hash in the PHC string format. It waits for a slot, at most as long as ctx.
func (h *Hasher) Hash(ctx context.Context, network string, password secret.Text) (string, error) {
	made := phc{kind: argon2id.Argon2id, params: h.params, salt: make([]byte, saltBytes)}
	rand.Read(made.salt)
	text, ok := normalisePassword(password)
	if !ok {
		return "", errors.New("a password that the policy refuses can't be hashed")
	}
	if err := h.queue.Do(
		ctx,
		hashqueue.Registration,
		network,
		h.params.Bytes(),
		func(m *argon2id.Memory) { made.key = made.derive(m, text, keyBytes) },
	); err != nil {
		return "", err
	}
	return made.String(), nil
}

// Verify compares a password with a stored hash, in constant time. A stored hash that can't be
// read, or that exceeds the bounds, is an error, an ErrStoredHash: it is the server's fault, not
// the client's. Verify waits for a slot, at most until ctx ends.
//
// Accepted weakness: a hash that is more expensive than the present parameters takes longer, until
// its user logs in once and the hash is renewed. Until then its time reveals that the email has an
// account. By default this applies to bcrypt with a cost of 9 and more, and to most of PBKDF2 and
// scrypt. Equal times for all would make every login as slow as the slowest hash in the database.
func (h *Hasher) Verify(ctx context.Context, network, stored string, password secret.Text) (Verdict, error) {
	hash, err := read(stored)
	if err != nil {
		return Verdict{}, err
	}
	match, err := h.compare(ctx, network, hash, password)
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{Match: match, Outdated: !h.isPresent(hash)}, nil
}

// compare compares each spelling of a password with a hash. A spelling that doesn't match takes as
// long as with a present hash.
func (h *Hasher) compare(ctx context.Context, network string, hash storedHash, p secret.Text) (match bool, err error) {
	texts, valid := spellings(p)
	size := max(hash.bytes(), h.rest(hash.work()).Bytes()) // one after the other
	err = h.queue.Do(ctx, hashqueue.Login, network, size, func(m *argon2id.Memory) {
		for _, text := range texts {
			if match = hash.matches(m, text) && valid; match {
				return
			}
			h.burn(m, text, hash.work())
		}
	})
	return match, err
}

// isPresent reports whether a hash is as new ones are.
func (h *Hasher) isPresent(hash storedHash) bool {
	own, ok := hash.(phc)
	return ok && own.kind == argon2id.Argon2id && own.params == h.params &&
		len(own.salt) == saltBytes && len(own.key) == keyBytes
}

// VerifyUnknown takes as long as [Hasher.Verify] of a hash with the present parameters, for a user
// that doesn't exist.
func (h *Hasher) VerifyUnknown(ctx context.Context, network string, password secret.Text) error {
	_, err := h.compare(ctx, network, h.dummy, password)
	return err
}

// Unusable returns a hash that no password has, for a user whose password was taken away. Releases
// up to 0.6 can't read a user without one.
func (h *Hasher) Unusable() string {
	return phc{kind: argon2id.Argon2id, params: h.params, salt: []byte(unusableSalt), key: h.dummy.key}.String()
}

// unusableSalt marks the hashes that [Hasher.Unusable] returns. No other hash has this salt,
// because salts are random.
const unusableSalt = "without password"

// IsUsable reports whether a stored hash can be read and may be of a password.
func IsUsable(stored string) bool {
	hash, err := read(stored)
	own, ok := hash.(phc)
	return err == nil && !(ok && string(own.salt) == unusableSalt)
}

// burn takes the time by which a hash with cheaper parameters was quicker than one with the present
// ones, so that a wrong password for a user whose hash awaits renewal is not answered sooner than
// one for nobody.
//
// Accepted weakness: a hash with dearer parameters than the present ones takes longer, until its
// user logs in once.
func (h *Hasher) burn(m *argon2id.Memory, text string, spent uint64) {
	if rest := h.rest(spent); rest.Validate() == nil {
		phc{kind: argon2id.Argon2id, params: rest, salt: h.dummy.salt}.derive(m, text, keyBytes)
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

// spellings returns the texts that a stored hash may be made of: the password in the form that this
// service hashes, and as typed if that differs, because other systems hash the typed text. It
// returns false, with one text, for a password that no user can have.
func spellings(password secret.Text) ([]string, bool) {
	text, valid := normalisePassword(password)
	if typed := password.Reveal(); valid && typed != text {
		return []string{text, typed}, true
	}
	return []string{text}, valid
}
