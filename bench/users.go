package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/secret"
	"github.com/valyala/fasthttp"
)

const (
	// fewUsers is what the large database is compared with.
	fewUsers = 1000
	// usersSessions is how many sessions, of users drawn at random, /api/users/me/ is asked with, where there are many users.
	usersSessions = 4096
	// insertUsers makes users numbered from $1 to $2 with two hashes of the same password: $3 for even numbers, $4 for odd ones.
	insertUsers = `INSERT INTO users (id, email, email_key, username, username_key, password_hash, created_at, updated_at)
		SELECT ('019a0000-' || lpad(to_hex(n >> 12), 4, '0') || '-7' || lpad(to_hex(n & 4095), 3, '0') || '-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
			'user' || n || '@example.com', 'user' || n || '@example.com', 'user' || n, 'user' || n,
			CASE WHEN n % 2 = 0 THEN $3 ELSE $4 END, now(), now()
		FROM generate_series($1::int, $2::int) n ON CONFLICT DO NOTHING`
	// insertSessions makes one for each user that has none.
	insertSessions = `INSERT INTO sessions (id, user_id, rotated_at, expires_at, ends_at, budget_at, user_agent, address, created_at)
		SELECT gen_random_uuid(), id, now(), now() + interval '30 days', now() + interval '90 days', now(), 'Mozilla/5.0', '203.0.113.7', now()
		FROM users u WHERE NOT EXISTS (SELECT FROM sessions s WHERE s.user_id = u.id)`
	insertLimits = `INSERT INTO rate_limits SELECT sha256(int4send(n)), now() + interval '1 hour' FROM generate_series(1, $1::int) n ON CONFLICT DO NOTHING`
)

// cheapParams are for hashes that cost next to nothing. Users with an even number have such a one.
var cheapParams = password.Params{MemoryKiB: 64, Passes: 1, Lanes: 1}

// cheapHashes are a server's settings that make new hashes cost as much; then it leaves such a one as it is.
var cheapHashes = []string{"LATCHKEY_PASSWORD_HASH_MEMORY_KIB=64", "LATCHKEY_PASSWORD_HASH_PASSES=1"}

func userName(n int) string { return fmt.Sprintf("user%d", n) }

// cheapUser is one of so many users, with a cheap hash, and dearUser one whose hash has the default parameters.
func cheapUser(users int) string { return userName(2 + 2*rand.IntN(users/2)) }
func dearUser(users int) string  { return userName(1 + 2*rand.IntN(users/2)) }

// measureUsers: whether a million users, and as many keys in the table of limits, cost more than a thousand. Each request is that of a user
// drawn at random, so that the rows of all of them are looked for.
func (b *bench) measureUsers(ctx context.Context, t *table) error {
	p, _, err := b.startServer(ctx, b.settings()...)
	if err != nil {
		return err
	}
	defer func() { _ = p.stop() }()
	limited, _, err := b.startServer(ctx, b.settings("LATCHKEY_RATE_LIMITS=on")...)
	if err != nil {
		return err
	}
	defer func() { _ = limited.stop() }()

	sessions := min(usersSessions, b.users/4)
	measured := []struct {
		what  string
		at    *process
		conns int
		rates [2]float64
	}{
		{what: fmt.Sprintf("/me, 16 connections, %d sessions of %d users", sessions, b.users), at: p, conns: 16},
		{what: fmt.Sprintf("login, 8 connections, any of %d users", b.users), at: p, conns: 8},
		{what: fmt.Sprintf("login with limits, 8 connections, %d keys in their table", b.users), at: limited, conns: 8},
	}
	for i, users := range []int{fewUsers, b.users} {
		if err := b.fill(ctx, users); err != nil {
			return err
		}
		access, err := b.logIn(ctx, users, sessions)
		if err != nil {
			return err
		}
		shots := []shot{b.meOfAny(p, access), b.loginOfAny(p, users), b.loginOfAny(limited, users)}
		for m := range measured {
			var all []loaded
			for range b.rounds {
				l, err := b.load(ctx, measured[m].at, shots[m], measured[m].conns)
				if err != nil {
					return err
				}
				all = append(all, l)
			}
			measured[m].rates[i] = median(all, rateOf)
		}
	}
	for _, m := range measured {
		t.add(m.what, fmt.Sprintf("%.0f/s", m.rates[1]), fmt.Sprintf("%s of the %.0f/s with %d", percent(m.rates[1], m.rates[0]), m.rates[0], fewUsers))
	}
	return nil
}

// meOfAny asks with one of the access tokens at random.
func (b *bench) meOfAny(p *process, access []string) shot {
	s := b.me(p, account{})
	s.vary = func(req *fasthttp.Request) { req.Header.Set("Authorization", "Bearer "+access[rand.IntN(len(access))]) }
	return s
}

// loginOfAny logs in one of so many users at random.
func (b *bench) loginOfAny(p *process, users int) shot {
	s := b.login(p, userName(1))
	s.vary = func(req *fasthttp.Request) { req.SetBodyString(loginForm(dearUser(users), passphrase)) }
	return s
}

// fill makes the users numbered up to one, a session for each, and as many keys of limits, where there are none yet.
func (b *bench) fill(ctx context.Context, users int) (err error) {
	conn, err := pgx.Connect(ctx, b.database.URL())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.Background())) }()
	cheap, err := hashOf(ctx, cheapParams)
	if err != nil {
		return err
	}
	dear, err := hashOf(ctx, password.DefaultParams)
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, insertUsers, 1, users, cheap, dear); err != nil {
		return fmt.Errorf("make %d users: %w", users, err)
	}
	if _, err := conn.Exec(ctx, insertSessions); err != nil {
		return fmt.Errorf("make a session for each: %w", err)
	}
	if _, err := conn.Exec(ctx, insertLimits, users); err != nil {
		return fmt.Errorf("make %d keys: %w", users, err)
	}
	for _, sql := range []string{"VACUUM (ANALYZE) users", "VACUUM (ANALYZE) sessions", "VACUUM (ANALYZE) rate_limits", "CHECKPOINT"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

func hashOf(ctx context.Context, params password.Params) (string, error) {
	hasher, err := newHasher(params)
	if err != nil {
		return "", err
	}
	return hasher.Hash(ctx, "", secret.New(passphrase))
}

// logIn answers the access tokens of so many sessions of users drawn at random, by a server of its own that lives no longer.
func (b *bench) logIn(ctx context.Context, users, sessions int) (access []string, err error) {
	p, _, err := b.startServer(ctx, b.settings(append([]string{"LATCHKEY_ACCESS_TOKEN_TTL=24h"}, cheapHashes...)...)...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	const workers = 8
	var (
		wg   sync.WaitGroup
		errs [workers]error
	)
	access = make([]string, sessions)
	for w := range workers {
		wg.Go(func() {
			c := &fasthttp.HostClient{Addr: p.addr, MaxConns: 1}
			defer c.CloseIdleConnections()
			for i := w; i < sessions && errs[w] == nil && ctx.Err() == nil; i += workers {
				var (
					req fasthttp.Request
					res fasthttp.Response
					l   latencies
					t   tokens
				)
				shot{addr: p.addr, method: http.MethodPost, path: loginPath, form: loginForm(cheapUser(users), passphrase)}.prepare(&req)
				l.fire(c, &req, &res, http.StatusOK, time.Now())
				if errs[w] = l.err; errs[w] == nil {
					t, errs[w] = tokensOf(res.Body())
					access[i] = t.Access
				}
			}
		})
	}
	wg.Wait()
	return access, errors.Join(append(errs[:], ctx.Err())...)
}

func newHasher(params password.Params) (*password.Hasher, error) {
	queue, err := hashqueue.New(1, hashqueue.DefaultWait)
	if err != nil {
		return nil, err
	}
	return password.NewHasher(params, queue)
}
