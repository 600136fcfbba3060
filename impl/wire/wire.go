// Package wire puts the service together for `serve`, for the other commands and for the tests, so
// that the tests run the real service.
package wire

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/auth/cursor"
	"github.com/latchkey-auth/latchkey/impl/auth/keyring"
	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
	"github.com/latchkey-auth/latchkey/impl/auth/session"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/auth/token"
	"github.com/latchkey-auth/latchkey/impl/mail"
	"github.com/latchkey-auth/latchkey/impl/secret"
	"github.com/latchkey-auth/latchkey/schema"
)

// Config is what the service is made of. Only DatabaseNow, Previous, Registration,
// RequireVerifiedEmail and TokenClaims are optional.
type Config struct {
	Pool *pgxpool.Pool
	// Unbounded lets statements take as long as their context. Otherwise each has 5 s, see
	// [store.Bounded].
	Unbounded bool
	// Secret is the secret key. Previous is the one before it was changed.
	Secret, Previous secret.Text
	// Algorithm signs the access tokens.
	Algorithm        string
	Issuer, Audience string
	AccessTokenTTL   time.Duration
	KeyLead          time.Duration
	Hash             password.Params
	// HashWorkers is how many passwords are hashed at once, and HashWait how long one waits for
	// that at most.
	HashWorkers       int
	HashWait          time.Duration
	PasswordMinLength int
	// Registration is who may register; empty for open.
	Registration auth.RegistrationMode
	// RequireVerifiedEmail has logins of users whose email isn't verified ask for a code.
	RequireVerifiedEmail bool
	// TokenClaims are the members of app_metadata that access tokens have.
	TokenClaims     []string
	Sessions        session.Times
	SessionsPerUser int
	// Enqueue gets every letter too, in tests.
	Enqueue auth.Enqueue
	// Limits bounds how often passwords are guessed.
	Limits bool
	Now    func() time.Time
	// Mail is nil where no mail is sent.
	Mail *Mail
	// DatabaseNow replaces the database's clock in tests.
	DatabaseNow func() time.Time
}

// Parts is the service, and the parts of it that others use.
type Parts struct {
	pool *pgxpool.Pool
	Auth *auth.Service
	Keys *keyring.Ring
	// Limiter is nil without limits.
	Limiter *ratelimit.Limiter
	Queue   *hashqueue.Queue
	// Mail is nil without [Config.Mail]. Whoever serves starts and stops it.
	Mail *mail.Queue
}

// New puts together what `serve` needs.
func New(ctx context.Context, c Config) (*Parts, error) {
	if c.Pool == nil || c.Now == nil {
		return nil, errors.New("wire: a pool and a clock are needed")
	}
	keys, err := keyring.Open(ctx, keyring.Options{
		Options:   c.stored(c.Pool),
		Algorithm: c.Algorithm,
		TokenTTL:  c.AccessTokenTTL,
		Lead:      c.KeyLead,
	})
	if err != nil {
		return nil, err
	}
	var limiter *ratelimit.Limiter
	if c.Limits {
		key, err := ratelimit.OpenKey(ctx, c.Pool, c.Secret, c.Previous, c.Now())
		if err != nil {
			return nil, err
		}
		if limiter, err = ratelimit.New(c.stored(c.database()), key); err != nil {
			return nil, err
		}
	}
	return c.build(keys, limiter)
}

// readyTimeout bounds a readiness check, so that the check also fails if the database doesn't
// respond.
const readyTimeout = 3 * time.Second

// Ready is the readiness check of [impl.Options]. It returns nil if the database has the schema of
// this binary, or a newer one that allows it, and a key signs.
func (p *Parts) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	err := schema.Current(ctx, p.pool)
	switch {
	case errors.Is(err, schema.ErrOutdated):
		return impl.ErrSchemaOutdated
	case errors.Is(err, schema.ErrNewer):
		return impl.ErrSchemaTooNew
	case errors.Is(err, schema.ErrReadOnly):
		p.pool.Reset() // another host may be the primary now
		return impl.ErrReadOnly
	case err == nil && p.Keys.Ready() != nil:
		return impl.ErrKeysUnavailable
	}
	return err
}

// PoolStat returns what the connections to the database do at this moment.
func (p *Parts) PoolStat() *pgxpool.Stat { return p.pool.Stat() }

// NewForOperator puts together what the commands need that change users. They issue and check no
// token, and so work where the servers' secret key isn't at hand, with keys that end with them. No
// statement is bounded but by its context.
func NewForOperator(c Config) (*auth.Service, error) {
	keys, err := keyring.NewMemory("HS256", []byte(rand.Text()+rand.Text()), c.Now)
	if err != nil {
		return nil, err
	}
	outbox, err := mail.NewOutbox(c.Pool)
	if err != nil {
		return nil, err
	}
	c.Enqueue = enqueue(outbox) // a server sends the mails, with its secret key
	c.Secret, c.Previous, c.Unbounded = secret.New(rand.Text()+rand.Text()), secret.Text{}, true
	parts, err := c.build(keys, nil)
	if err != nil {
		return nil, err
	}
	return parts.Auth, nil
}

func (c Config) database() store.DB {
	if c.Unbounded {
		return c.Pool
	}
	return store.Bounded(c.Pool)
}

// hasher returns what hashes passwords, and the queue that bounds how many at once.
func (c Config) hasher() (*password.Hasher, *hashqueue.Queue, error) {
	queue, err := hashqueue.New(c.HashWorkers, c.Hash.Bytes(), c.HashWait)
	if err != nil {
		return nil, nil, err
	}
	hasher, err := password.NewHasher(c.Hash, queue)
	return hasher, queue, err
}

// stored returns the options of what keeps something in a database.
func (c Config) stored(on store.DB) store.Options {
	return store.Options{DB: on, Secret: c.Secret, Previous: c.Previous, Now: c.Now, DatabaseNow: c.DatabaseNow}
}

func (c Config) build(keys *keyring.Ring, limiter *ratelimit.Limiter) (*Parts, error) {
	hasher, queue, err := c.hasher()
	if err != nil {
		return nil, err
	}
	policy, err := password.NewPolicy(c.PasswordMinLength)
	if err != nil {
		return nil, err
	}
	tokens, err := token.New(
		token.Options{Keys: keys, Issuer: c.Issuer, Audience: c.Audience, TTL: c.AccessTokenTTL, Now: c.Now},
	)
	if err != nil {
		return nil, err
	}
	stored := c.stored(c.database())
	sessions, err := session.New(session.Options{Options: stored, Times: c.Sessions, PerUser: c.SessionsPerUser})
	if err != nil {
		return nil, err
	}
	challenges, err := challenge.New(stored)
	if err != nil {
		return nil, err
	}
	cursors, err := cursor.New(c.Secret, c.Previous)
	if err != nil {
		return nil, err
	}
	roles, err := impl.Roles()
	if err != nil {
		return nil, err
	}
	var mails *mail.Queue
	service, err := auth.New(auth.Options{
		DB:         stored.DB,
		Hasher:     hasher,
		Tokens:     tokens,
		Keys:       keys,
		Sessions:   sessions,
		Challenges: challenges,
		Cursors:    cursors,
		Enqueue:    c.enqueueIn(&mails),
		Limiter:    limiter,
		Policy:     policy,
		Roles:      roles,

		TokenClaims: c.TokenClaims,
		Now:         c.Now,

		Registration:         c.Registration,
		RequireVerifiedEmail: c.RequireVerifiedEmail,
	})
	if err != nil {
		return nil, err
	}
	if mails, err = c.mailQueue(service, limiter); err != nil {
		return nil, err
	}
	return &Parts{pool: c.Pool, Auth: service, Keys: keys, Limiter: limiter, Queue: queue, Mail: mails}, nil
}
