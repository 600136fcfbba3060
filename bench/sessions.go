package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"
)

// measureRefresh: refreshes, each connection those of a session of its own.
func (b *bench) measureRefresh(ctx context.Context, t *table) error {
	p, _, err := b.startServer(ctx, b.settings()...)
	if err != nil {
		return err
	}
	defer func() { _ = p.stop() }()
	for _, connections := range []int{1, 16} {
		var all []loaded
		for range b.rounds {
			s := shot{addr: p.addr, method: http.MethodPost, path: loginPath, want: http.StatusOK, next: nextRefresh}
			for range connections {
				a, err := register(p, "ada")
				if err != nil {
					return err
				}
				s.forms = append(s.forms, refreshForm(a.refresh))
			}
			l, err := b.load(ctx, p, s, connections)
			if err != nil {
				return err
			}
			all = append(all, l)
		}
		name := fmt.Sprintf("refresh, %d connections", connections)
		t.add(name+": rate", fmt.Sprintf("%.0f/s", median(all, rateOf)), fmt.Sprintf("server's CPU for each %s", micros(median(all, cpuOf))))
		t.add(name+": p50, p99", micros(median(all, p50Of))+", "+micros(median(all, p99Of)), "")
	}
	return nil
}

func nextRefresh(answer []byte) string {
	token, err := tokensOf(answer)
	if err != nil {
		return "" // what was refused is counted as failed
	}
	return refreshForm(token.Refresh)
}

// measureBefore: /api/users/me/ beside another release's binary, in turns, each on a database of its own.
func (b *bench) measureBefore(ctx context.Context, t *table) error {
	if b.before == "" {
		return nil
	}
	now, _, err := b.startServer(ctx, b.settings()...)
	if err != nil {
		return err
	}
	defer func() { _ = now.stop() }()
	url, err := b.anotherDatabase(ctx)
	if err != nil {
		return err
	}
	other := *b
	other.binary = b.before
	before, _, err := other.startServer(ctx, b.settings("LATCHKEY_DATABASE_URL="+url)...)
	if err != nil {
		return err
	}
	defer func() { _ = before.stop() }()
	ada, err := register(now, "ada")
	if err != nil {
		return err
	}
	former, err := register(before, "ada")
	if err != nil {
		return err
	}
	for _, connections := range []int{1, 16, 64} {
		var mine, theirs []loaded
		for range b.rounds {
			l, err := b.load(ctx, now, b.me(now, ada), connections)
			if err != nil {
				return err
			}
			mine = append(mine, l)
			if l, err = b.load(ctx, before, b.me(before, former), connections); err != nil {
				return err
			}
			theirs = append(theirs, l)
		}
		rate, limit := median(mine, rateOf), median(theirs, rateOf)
		t.add(fmt.Sprintf("/me, %d connections, beside another release", connections), fmt.Sprintf("%.0f/s, CPU %s", rate, micros(median(mine, cpuOf))),
			fmt.Sprintf("%s of its %.0f/s, CPU %s", percent(rate, limit), limit, micros(median(theirs, cpuOf))))
	}
	return nil
}

// anotherDatabase makes an empty one beside the one that everything else is measured on.
func (b *bench) anotherDatabase(ctx context.Context) (url string, err error) {
	conn, err := pgx.Connect(ctx, b.database.URL())
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close(context.Background())) }()
	if _, err := conn.Exec(ctx, "CREATE DATABASE before"); err != nil {
		return "", err
	}
	return strings.Replace(b.database.URL(), "/"+conn.Config().Database+"?", "/before?", 1), nil
}
