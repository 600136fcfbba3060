package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	// fewUsers is what the large database is compared with.
	fewUsers = 1000
	// insertUsers makes users numbered from $1 to $2, whose password nobody knows.
	insertUsers = `INSERT INTO users (id, email, email_key, username, username_key, password_hash, created_at, updated_at)
		SELECT ('019a0000-' || lpad(to_hex(n >> 12), 4, '0') || '-7' || lpad(to_hex(n & 4095), 3, '0') || '-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
			'user' || n || '@example.org', 'user' || n || '@example.org', 'user' || n, 'user' || n,
			'$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHApjArZZWb2GRPPc', now(), now()
		FROM generate_series($1::int, $2::int) n`
	// insertSessions makes one for each of them.
	insertSessions = `INSERT INTO sessions (id, user_id, rotated_at, expires_at, ends_at, budget_at, user_agent, address, created_at)
		SELECT gen_random_uuid(), id, now(), now() + interval '30 days', now() + interval '90 days', now(), 'Mozilla/5.0', '203.0.113.7', now()
		FROM users u WHERE email LIKE '%@example.org' AND NOT EXISTS (SELECT FROM sessions s WHERE s.user_id = u.id)`
	insertLimits = `INSERT INTO rate_limits SELECT sha256(int4send(n)), now() + interval '1 hour' FROM generate_series(1, $1::int) n ON CONFLICT DO NOTHING`
)

// measureUsers: whether a million users, and as many keys in the table of limits, cost more than a thousand.
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
	ada, err := register(p, "ada")
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, b.database.URL())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.Background()) }()

	measured := []struct {
		what  string
		shot  shot
		at    *process
		conns int
		rates [2]float64
	}{
		{what: fmt.Sprintf("/me, 16 connections, %d users", b.users), shot: b.me(p, ada), at: p, conns: 16},
		{what: fmt.Sprintf("login, 8 connections, %d users", b.users), shot: b.login(p, "ada"), at: p, conns: 8},
		{what: fmt.Sprintf("login with limits, 8 connections, %d keys in their table", b.users), shot: b.login(limited, "ada"), at: limited, conns: 8},
	}
	for i, users := range []int{fewUsers, b.users} {
		if err := fill(ctx, conn, 1+i*fewUsers, users); err != nil {
			return err
		}
		for m := range measured {
			var all []loaded
			for range b.rounds {
				l, err := b.load(ctx, measured[m].at, measured[m].shot, measured[m].conns)
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

// fill makes the users numbered from one to another, and keys of limits up to as many.
func fill(ctx context.Context, conn *pgx.Conn, from, to int) error {
	if _, err := conn.Exec(ctx, insertUsers, from, to); err != nil {
		return fmt.Errorf("make %d users: %w", to, err)
	}
	if _, err := conn.Exec(ctx, insertSessions); err != nil {
		return fmt.Errorf("make a session for each: %w", err)
	}
	if _, err := conn.Exec(ctx, insertLimits, to); err != nil {
		return fmt.Errorf("make %d keys: %w", to, err)
	}
	for _, sql := range []string{"VACUUM (ANALYZE) users", "VACUUM (ANALYZE) sessions", "VACUUM (ANALYZE) rate_limits", "CHECKPOINT"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
