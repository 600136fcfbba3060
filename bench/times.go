package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/latchkey-auth/latchkey/impl/auth"
)

// resamples is how many samples the interval of a difference is made of.
const resamples = 1000

// measureTimes asks whether the time of a refused log-in tells that an email has an account: a wrong password for one that has and
// for one that has none, in turns, with hashes that cost as little as can be, so that what differs beside the hash is not lost in it.
func (b *bench) measureTimes(ctx context.Context, t *table) error {
	p, _, err := b.startServer(ctx, b.settings("LATCHKEY_PASSWORD_HASH_MEMORY_KIB=64", "LATCHKEY_PASSWORD_HASH_PASSES=1")...)
	if err != nil {
		return err
	}
	defer func() { _ = p.stop() }()
	if _, err := register(p, "grace"); err != nil {
		return err
	}
	kinds := [2]shot{}
	for i, name := range []string{"grace", "nobody"} {
		kinds[i] = shot{addr: p.addr, method: http.MethodPost, path: loginPath, form: loginForm(name, "a wrong password"), want: http.StatusUnauthorized}
	}
	var times [2]latencies
	c := &fasthttp.HostClient{Addr: p.addr, MaxConns: 1}
	defer c.CloseIdleConnections()
	for i := 0; i < b.tries && ctx.Err() == nil; i++ {
		first := rand.IntN(2)
		for _, k := range []int{first, 1 - first} {
			var (
				req fasthttp.Request
				res fasthttp.Response
			)
			kinds[k].prepare(&req)
			times[k].fire(c, &req, &res, kinds[k].want, time.Now())
		}
	}
	if times[0].failed+times[1].failed > 0 || len(times[0].all) == 0 {
		return fmt.Errorf("%d log-ins were not refused as they should: %w", times[0].failed+times[1].failed, times[0].err)
	}
	difference, low, high := compare(times[0].all, times[1].all)
	hash := hashTime()
	t.add(fmt.Sprintf("time of a refused log-in: known email − unknown, %d tries each", len(times[0].all)),
		fmt.Sprintf("%+.1f µs (95 %%: %+.1f to %+.1f)", difference, low, high),
		fmt.Sprintf("%.2f %% of a default hash's %s", 100*difference/float64(hash.Microseconds()), micros(hash)))
	return nil
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
	hasher, err := auth.NewHasher(auth.DefaultPasswordParams, 1)
	if err != nil {
		panic(err)
	}
	var times []time.Duration
	for range 15 {
		started := time.Now()
		if err := hasher.VerifyUnknown(context.Background(), auth.NewSecret(password)); err != nil {
			panic(err)
		}
		times = append(times, time.Since(started))
	}
	return medianOf(times)
}
