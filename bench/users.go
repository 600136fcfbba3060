package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

const (
	// fewUsers is the size of the database that the large one is compared with.
	fewUsers = 1000
	// usersSessions is the number of sessions, of random users, that /api/users/me/ is asked with.
	usersSessions = 4096
	// insertUsers makes the users numbered from $1 to $2, with hashes of the same password: $3 for
	// even numbers, and $4 for odd ones. Their ids are UUIDv7. Their emails are verified, because
	// the first login by code of another user takes its password away.
	insertUsers = `INSERT INTO users
			(id, email, email_key, username, username_key, password_hash, is_active, email_verified, created_at, updated_at)
		SELECT ('019a0000-' || lpad(to_hex(n >> 12), 4, '0') || '-7' || lpad(to_hex(n & 4095), 3, '0') ||
			'-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
			'user' || n || '@example.com', 'user' || n || '@example.com', 'user' || n, 'user' || n,
			CASE WHEN n % 2 = 0 THEN $3 ELSE $4 END, $5, true, now(), now()
		FROM generate_series($1::int, $2::int) n ON CONFLICT DO NOTHING`
	// insertSessions makes a session for each user that has none.
	insertSessions = `INSERT INTO sessions
			(id, user_id, rotated_at, expires_at, ends_at, budget_at, user_agent, address, created_at)
		SELECT gen_random_uuid(), id, now(), now() + interval '30 days', now() + interval '90 days', now(),
			'Mozilla/5.0', '203.0.113.7', now()
		FROM users u WHERE NOT EXISTS (SELECT FROM sessions s WHERE s.user_id = u.id)`
	insertLimits = `INSERT INTO rate_limits SELECT sha256(int4send(n)), now() + interval '1 hour'
		FROM generate_series(1, $1::int) n ON CONFLICT DO NOTHING`
)

func userName(n int) string { return fmt.Sprintf("user%d", n) }

// cheapParams are for hashes that cost next to nothing. Users with an even number have one.
var cheapParams = password.Params{MemoryKiB: 64, Passes: 1, Lanes: 1}

// cheapHashes are the settings of a server that makes such hashes, and leaves stored ones as they
// are.
var cheapHashes = []string{"LATCHKEY_PASSWORD_HASH_MEMORY_KIB=64", "LATCHKEY_PASSWORD_HASH_PASSES=1"}

func newHasher(params password.Params, workers int) (*password.Hasher, error) {
	queue, err := hashqueue.New(workers, params.Bytes(), hashqueue.DefaultWait)
	if err != nil {
		return nil, err
	}
	return password.NewHasher(params, queue)
}

func hashOf(params password.Params) (string, error) {
	hasher, err := newHasher(params, 1)
	if err != nil {
		return "", err
	}
	return hasher.Hash(context.Background(), "", secret.New(passphrase))
}

// measureUsers compares many users, and as many keys in the table of limits, with few. Each request
// is that of a random user, so that the rows of all users are read.
func (b *bench) measureUsers(ctx context.Context, t *table) error {
	for _, users := range []int{fewUsers, b.users} {
		of := fmt.Sprintf(", any of %d users", users)
		anyMe := func(p *process) (shots, error) { return meOfAny(ctx, p, users) }
		anyLogin := func(p *process) (shots, error) {
			return func([]byte) shot { return loginShot(p, userName(1+2*rand.IntN(users/2))) }, fill(ctx, p, users)
		}
		for _, s := range []series{
			{what: "/me" + of, connections: []int{16},
				settings: append([]string{"LATCHKEY_ACCESS_TOKEN_TTL=24h"}, cheapHashes...), prepare: anyMe},
			{what: "login" + of, connections: []int{8},
				prepare: anyLogin},
			{what: "login with limits" + of, connections: []int{8},
				settings: []string{"LATCHKEY_RATE_LIMITS=on"}, prepare: anyLogin},
		} {
			if err := b.measure(ctx, t, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// meOfAny logs in random users whose hashes are cheap, and asks with the token of any of them.
func meOfAny(ctx context.Context, p *process, users int) (shots, error) {
	if err := fill(ctx, p, users); err != nil {
		return nil, err
	}
	access := make([]string, min(usersSessions, users/4))
	var g errgroup.Group
	g.SetLimit(8)
	for i := range access {
		g.Go(func() error {
			token, err := login(p, userName(2+2*rand.IntN(users/2)))
			access[i] = token.Access
			return errors.Join(err, ctx.Err())
		})
	}
	return func([]byte) shot { return meShot(p, access[rand.IntN(len(access))]) }, g.Wait()
}

// fill makes the users up to a number, a session for each, and as many keys of limits, unless they
// exist.
func fill(ctx context.Context, p *process, users int) error {
	return p.connected(ctx, func(conn *pgx.Conn) error {
		var filled bool
		err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM users WHERE username_key = $1)", userName(users)).Scan(&filled)
		if err != nil || filled {
			return err
		}
		cheap, cheapErr := hashOf(cheapParams)
		dear, dearErr := hashOf(password.DefaultParams)
		if err := errors.Join(cheapErr, dearErr); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		batch.Queue(insertUsers, 1, users, cheap, dear, true)
		batch.Queue(insertSessions)
		batch.Queue(insertLimits, users)
		if err := conn.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
		_, vacuumed := conn.Exec(ctx, "VACUUM (ANALYZE) users, sessions, rate_limits")
		_, written := conn.Exec(ctx, "CHECKPOINT")
		return errors.Join(vacuumed, written)
	})
}
