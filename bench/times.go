package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/valyala/fasthttp"
)

const (
	// triesEach is the number of wrong passwords for one email, fewer than the limits allow.
	triesEach = 8
	// maxEffect is the largest difference that passes, as a share of the time of a hash.
	maxEffect = 0.01
	// firstRefused is the number of the first user that logins are refused for.
	firstRefused = 10_000_000
)

var errTimesReveal = errors.New("the time of a refused login reveals an account")

// refusals are the kinds of refused logins: a wrong password for an email that no account has, for
// one that an account has, and the right password of a deactivated account.
var refusals = [...]string{"unknown email", "known email", "deactivated account"}

// measureTimes compares the times of the kinds of refused logins. The stored hashes and those of
// the server are as cheap as possible, so that a difference beside the hash is not lost in its
// noise. With limits on, each try comes from an address of its own, or the limits would end the
// series.
func (b *bench) measureTimes(ctx context.Context, t *table) error {
	rate, err := hashRate(ctx, 1, b.duration)
	if err != nil {
		return err
	}
	hash := 1e9 / rate
	var revealing error
	for i, limits := range []string{"off", "on"} {
		settings := append([]string{"LATCHKEY_RATE_LIMITS=" + limits, "LATCHKEY_TRUSTED_PROXIES=127.0.0.0/8"}, cheapHashes...)
		err := b.withServers(ctx, settings, func(servers []*process) error {
			for _, p := range servers {
				times, err := b.refuse(ctx, p, firstRefused*(1+i))
				if err != nil {
					return fmt.Errorf("%s: %w", p.name, err)
				}
				for kind := 1; kind < len(refusals); kind++ {
					gap := float64(quantile(times[kind], 0.5) - quantile(times[0], 0.5))
					what := fmt.Sprintf("refused login, limits %s: %s − %s", limits, refusals[kind], refusals[0])
					t.add(p.name, what, difference, gap)
					if p.name != tree {
						continue
					}
					t.row(what, difference).note = fmt.Sprintf("%.2f %% of a hash's %s", 100*gap/hash, duration.format(hash))
					if math.Abs(gap) > maxEffect*hash {
						revealing = fmt.Errorf("%w: %s is %s", errTimesReveal, what, difference.format(gap))
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return revealing
}

// refuse tries each kind of refused login b.tries times, in a random order, and returns the times.
func (b *bench) refuse(ctx context.Context, p *process, first int) (times [len(refusals)][]time.Duration, err error) {
	accounts := (b.tries + triesEach - 1) / triesEach
	user := func(kind, n int) string { return userName(first + kind*accounts + n%accounts) }
	hash, err := hashOf(cheapParams)
	if err != nil {
		return times, err
	}
	err = p.connected(ctx, func(conn *pgx.Conn) error {
		_, known := conn.Exec(ctx, insertUsers, first+accounts, first+2*accounts-1, hash, hash, true)
		_, deactivated := conn.Exec(ctx, insertUsers, first+2*accounts, first+3*accounts-1, hash, hash, false)
		return errors.Join(known, deactivated)
	})
	if err != nil {
		return times, err
	}
	c := &fasthttp.HostClient{Addr: p.addr, MaxConns: 1}
	defer c.CloseIdleConnections()
	for i := 0; i < b.tries && ctx.Err() == nil; i++ {
		for _, kind := range rand.Perm(len(refusals)) {
			secret := "a wrong password"
			if kind == 2 {
				secret = passphrase
			}
			var (
				req fasthttp.Request
				res fasthttp.Response
			)
			post(p, loginPath, loginForm(user(kind, i), secret), http.StatusUnauthorized).set(&req)
			req.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", rand.IntN(256), rand.IntN(256), rand.IntN(256)))
			started := time.Now()
			if err := fire(c, &req, &res, http.StatusUnauthorized); err != nil {
				return times, fmt.Errorf("%s: %w", refusals[kind], err)
			}
			times[kind] = append(times[kind], time.Since(started))
		}
	}
	return times, ctx.Err()
}
