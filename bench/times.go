package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/secret"
	"github.com/valyala/fasthttp"
)

const (
	// resamples is how many samples the interval of a difference is made of.
	resamples = 1000
	// triesEach is how many wrong passwords one email gets: fewer than the limits allow.
	triesEach = 8
	// maxEffect is the largest difference of times that passes, of the time that a hash takes.
	maxEffect = 0.01
)

// errTimesTell says that the time of a refused log-in tells of an account.
var errTimesTell = errors.New("the time of a refused log-in tells of an account")

// The kinds of email that a log-in is refused for.
var refusals = [...]string{"unknown email", "known email", "deactivated account"}

// measureTimes asks whether the time of a refused log-in tells that an email has an account: an email without one, a wrong passphrase, and the right
// password of a deactivated account, in turns and each in many accounts, with hashes that cost as little as can be, so that what differs beside the hash is not lost in it.
// With limits each try comes from an address of its own, behind a proxy that says so, since they would end it.
func (b *bench) measureTimes(ctx context.Context, t *table) (err error) {
	var told error
	for _, limits := range []string{"off", "on"} {
		p, _, err := b.startServer(ctx, b.settings(append([]string{"LATCHKEY_RATE_LIMITS=" + limits, "LATCHKEY_TRUSTED_PROXIES=127.0.0.0/8"}, cheapHashes...)...)...)
		if err != nil {
			return err
		}
		times, err := b.refuse(ctx, p)
		if err := errors.Join(err, p.stop()); err != nil {
			return err
		}
		hash := hashTime()
		for kind := 1; kind < len(refusals); kind++ {
			difference, low, high := compare(times[kind], times[0])
			effect := difference / (float64(hash) / float64(time.Microsecond))
			t.add(fmt.Sprintf("time of a refused log-in, limits %s: %s − %s, %d tries each", limits, refusals[kind], refusals[0], len(times[0])),
				fmt.Sprintf("%+.1f µs (95 %%: %+.1f to %+.1f)", difference, low, high),
				fmt.Sprintf("%.2f %% of a default hash's %s", 100*effect, micros(hash)))
			if math.Abs(effect) > maxEffect {
				told = fmt.Errorf("%w: limits %s, %s: by %.1f %% of a hash", errTimesTell, limits, refusals[kind], 100*effect)
			}
		}
	}
	return told
}

// refuse has log-ins refused, each kind b.tries times, and answers how long each took.
func (b *bench) refuse(ctx context.Context, p *process) (times [len(refusals)][]time.Duration, err error) {
	accounts := (b.tries + triesEach - 1) / triesEach
	prefix := fmt.Sprintf("times%d", time.Now().UnixNano()) // what was charged before counts for others
	if err := b.makeRefused(ctx, prefix, accounts); err != nil {
		return times, err
	}
	c := &fasthttp.HostClient{Addr: p.addr, MaxConns: 1}
	defer c.CloseIdleConnections()
	var all [len(refusals)]latencies
	for i := 0; i < b.tries && ctx.Err() == nil; i++ {
		for _, kind := range rand.Perm(len(refusals)) {
			var (
				req fasthttp.Request
				res fasthttp.Response
			)
			secret := "a wrong password"
			if kind == 2 {
				secret = passphrase
			}
			form := loginForm(refusedName(prefix, kind, i%accounts), secret)
			shot{addr: p.addr, method: http.MethodPost, path: loginPath, form: form}.prepare(&req)
			req.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", rand.IntN(256), rand.IntN(256), rand.IntN(256)))
			all[kind].fire(c, &req, &res, http.StatusUnauthorized, time.Now())
		}
	}
	for kind, l := range all {
		if l.failed > 0 || len(l.all) == 0 {
			return times, fmt.Errorf("%s: %d log-ins were not refused as they should: %w", refusals[kind], l.failed, errors.Join(l.err, ctx.Err()))
		}
		times[kind] = l.all
	}
	return times, nil
}

// refusedName names all kinds' accounts with as many letters.
func refusedName(prefix string, kind, n int) string {
	return fmt.Sprintf("%s-%d-%06d", prefix, kind, n)
}

// makeRefused makes the accounts that exist: one in use and one deactivated for each number.
func (b *bench) makeRefused(ctx context.Context, prefix string, accounts int) (err error) {
	conn, err := pgx.Connect(ctx, b.database.URL())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.Background())) }()
	cheap, err := hashOf(ctx, cheapParams)
	if err != nil {
		return err
	}
	var rows [][]any
	for kind := 1; kind < len(refusals); kind++ {
		for n := range accounts {
			name := refusedName(prefix, kind, n)
			rows = append(rows, []any{name, email(name), cheap, kind == 1})
		}
	}
	batch := &pgx.Batch{}
	for _, row := range rows {
		batch.Queue(`INSERT INTO users (id, email, email_key, username, username_key, password_hash, is_active, created_at, updated_at)
			VALUES (gen_random_uuid(), $2, $2, $1, $1, $3, $4, now(), now())`, row...)
	}
	return conn.SendBatch(ctx, batch).Close()
}

// compare answers the difference of the medians in µs, and the interval that holds 95 % of those of resamples.
func compare(a, b []time.Duration) (difference, low, high float64) {
	middle := func(times []time.Duration) float64 {
		return float64(medianOf(times)) / float64(time.Microsecond)
	}
	resample := func(times []time.Duration) []time.Duration {
		again := make([]time.Duration, len(times))
		for i := range again {
			again[i] = times[rand.IntN(len(times))]
		}
		return again
	}
	all := make([]float64, resamples)
	for i := range all {
		all[i] = middle(resample(a)) - middle(resample(b))
	}
	slices.Sort(all)
	return middle(a) - middle(b), all[resamples/40], all[resamples-resamples/40]
}

// hashTime is what one hash with the default parameters takes.
func hashTime() time.Duration {
	hasher, err := newHasher(password.DefaultParams)
	if err != nil {
		panic(err)
	}
	var times []time.Duration
	for range 15 {
		started := time.Now()
		if err := hasher.VerifyUnknown(context.Background(), "", secret.New(passphrase)); err != nil {
			panic(err)
		}
		times = append(times, time.Since(started))
	}
	return medianOf(times)
}
