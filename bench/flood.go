package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth/password"
)

// The mixed flood: log-ins in a closed loop, and beside it a steady trickle of the cheapest request.
const (
	floodLogins = 16
	floodRate   = 500
)

func (b *bench) measureFlood(ctx context.Context, t *table) error {
	p, _, err := b.startServer(ctx, b.settings()...)
	if err != nil {
		return err
	}
	defer func() { _ = p.stop() }()
	idle, own := p.memory("VmRSS"), p.memory("RssAnon")
	// Who logs in without a pause loses the session that was used least recently.
	eve, err := register(p, "eve")
	if err != nil {
		return err
	}
	if _, err := register(p, "ada"); err != nil {
		return err
	}
	var (
		alone, logins []loaded
		mes           []outcome
	)
	for range b.rounds {
		l, err := b.load(ctx, p, b.login(p, "ada"), floodLogins)
		if err != nil {
			return err
		}
		alone = append(alone, l)
		done := make(chan error, 1)
		go func() {
			l, err := b.load(ctx, p, b.login(p, "ada"), floodLogins)
			logins = append(logins, l)
			done <- err
		}()
		o, err := openLoop(ctx, b.me(p, eve), 32, floodRate, b.duration)
		if err := errors.Join(err, <-done); err != nil {
			return err
		}
		b.count(o)
		mes = append(mes, o)
	}
	t.add(fmt.Sprintf("flood (%d log-ins at once): /me at %d/s, p50, p99, max", floodLogins, floodRate),
		micros(median(mes, func(o outcome) time.Duration { return o.p50 }))+", "+
			micros(median(mes, func(o outcome) time.Duration { return o.p99 }))+", "+
			micros(median(mes, func(o outcome) time.Duration { return o.max })),
		fmt.Sprintf("%d of them failed", median(mes, func(o outcome) int { return o.failed })))
	with, without := median(logins, rateOf), median(alone, rateOf)
	t.add("flood: log-ins", fmt.Sprintf("%.1f/s", with), fmt.Sprintf("%s of the %.1f/s without /me beside them", percent(with, without), without))
	hashing := float64(runtime.NumCPU()) * float64(password.DefaultParams.MemoryKiB) / 1024
	t.add("memory: idle", fmt.Sprintf("%.0f MiB", idle), fmt.Sprintf("%.0f MiB of its own; the rest are the binary's pages, which the system can drop", own))
	t.add("memory: most during the flood", fmt.Sprintf("%.0f MiB", p.memory("VmHWM")),
		fmt.Sprintf("%.0f MiB beyond the hashes' %.0f MiB", p.memory("VmHWM")-hashing, hashing))
	return nil
}

// floodUsers is how many accounts take part in the long flood, whose limits are on.
const floodUsers = 1000

// measureSteady: whether the memory stays as it is in a flood that goes on. The limits are on, as for everyone: all passwords are right.
func (b *bench) measureSteady(ctx context.Context, t *table) error {
	p, _, err := b.startServer(ctx, b.settings("LATCHKEY_RATE_LIMITS=on")...)
	if err != nil {
		return err
	}
	defer func() { _ = p.stop() }()
	if err := b.fill(ctx, floodUsers); err != nil {
		return err
	}
	// Who logs in without a pause loses the session that was used least recently.
	eve, err := register(p, "eve")
	if err != nil {
		return err
	}
	if _, err := register(p, "ada"); err != nil {
		return err
	}
	longer := *b
	longer.duration = b.steady
	type answer struct {
		l   loaded
		err error
	}
	logins, me := make(chan answer, 1), make(chan answer, 1)
	go func() {
		l, err := longer.load(ctx, p, longer.loginOfAny(p, floodUsers), floodLogins)
		logins <- answer{l, err}
	}()
	go func() {
		o, err := openLoop(ctx, b.me(p, eve), 32, floodRate, longer.duration)
		b.count(o)
		me <- answer{loaded{outcome: o}, err}
	}()
	resident := p.sample(ctx, longer.duration)
	l, m := <-logins, <-me
	if err := errors.Join(l.err, m.err); err != nil {
		return err
	}
	early := len(resident)/6 - 1
	most, least := resident[early], resident[early]
	for _, mib := range resident[early:] {
		most, least = max(most, mib), min(least, mib)
	}
	t.add(fmt.Sprintf("memory: flood of %s with limits, after a sixth of it and at its end", b.steady),
		fmt.Sprintf("%.0f MiB, %.0f MiB", resident[early], resident[len(resident)-1]), fmt.Sprintf("between %.0f and %.0f MiB in all of that time", least, most))
	t.add(fmt.Sprintf("flood of %s with limits: log-ins; /me p50, p99, max", b.steady),
		fmt.Sprintf("%.1f/s; %s, %s, %s", l.l.rate, micros(m.l.p50), micros(m.l.p99), micros(m.l.max)), fmt.Sprintf("%d and %d failed", l.l.failed, m.l.failed))
	return nil
}

// sample answers the resident memory in MiB, sixty times in a duration.
func (p *process) sample(ctx context.Context, d time.Duration) (mib []float64) {
	const times = 60
	tick := time.NewTicker(d / times)
	defer tick.Stop()
	for range times {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		mib = append(mib, p.memory("VmRSS"))
	}
	return mib
}
