package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth"
)

// loaded is what a load came to, with the server's processor time for each answer.
type loaded struct {
	outcome
	cpu time.Duration
}

func (b *bench) load(ctx context.Context, p *process, s shot, connections int) (loaded, error) {
	before := p.cpu()
	o, err := closedLoop(ctx, s, connections, b.duration)
	if err != nil {
		return loaded{}, err
	}
	return loaded{o, time.Duration(float64(p.cpu()-before) / (o.rate * b.duration.Seconds()))}, ctx.Err()
}

func rateOf(l loaded) float64      { return l.rate }
func p50Of(l loaded) time.Duration { return l.p50 }
func p99Of(l loaded) time.Duration { return l.p99 }
func cpuOf(l loaded) time.Duration { return l.cpu }

// measureMe: /api/users/me/ beside pgbench and a bare echo answer.
func (b *bench) measureMe(ctx context.Context, t *table) error {
	p, _, err := b.startServer(ctx, b.settings()...)
	if err != nil {
		return err
	}
	defer func() { _ = p.stop() }()
	ada, err := register(p, "ada")
	if err != nil {
		return err
	}
	echo, err := b.startEcho(ctx, ada.me)
	if err != nil {
		return err
	}
	defer func() { _ = echo.stop() }()
	for _, connections := range []int{1, 16, 64} {
		var (
			mine, bare []loaded
			statements []float64
		)
		for range b.rounds {
			l, err := b.load(ctx, p, b.me(p, ada), connections)
			if err != nil {
				return err
			}
			mine = append(mine, l)
			if l, err = b.load(ctx, echo, shot{addr: echo.addr, method: "GET", path: mePath, want: 200}, connections); err != nil {
				return err
			}
			bare = append(bare, l)
			rate, err := b.pgbench(ctx, ada, connections)
			if err != nil && !errors.Is(err, errNoPgbench) {
				return err
			}
			statements = append(statements, rate)
		}
		name := fmt.Sprintf("/me, %d connections", connections)
		rate, limit := median(mine, rateOf), medianOf(statements)
		t.add(name+": rate", fmt.Sprintf("%.0f/s", rate), fmt.Sprintf("%s of pgbench's %.0f/s; bare echo %.0f/s", percent(rate, limit), limit, median(bare, rateOf)))
		t.add(name+": p50, p99", micros(median(mine, p50Of))+", "+micros(median(mine, p99Of)), "bare echo "+micros(median(bare, p50Of))+", "+micros(median(bare, p99Of)))
		cpu, bareCPU := median(mine, cpuOf), median(bare, cpuOf)
		t.add(name+": server's CPU for each", micros(cpu), fmt.Sprintf("%.1f times bare echo's %s", float64(cpu)/float64(max(1, bareCPU)), micros(bareCPU)))
	}
	return nil
}

func (b *bench) startEcho(ctx context.Context, body string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p, _, err := b.begin(ctx, exec.Command(self, echoCommand, addr, body), addr, "/")
	return p, err
}

// measureLogin: log-ins beside argon2id alone, on all processors.
func (b *bench) measureLogin(ctx context.Context, t *table) error {
	p, _, err := b.startServer(ctx, b.settings()...)
	if err != nil {
		return err
	}
	defer func() { _ = p.stop() }()
	if _, err := register(p, "ada"); err != nil {
		return err
	}
	for _, connections := range []int{1, 8} {
		var (
			mine []loaded
			raw  []float64
		)
		for range b.rounds {
			raw = append(raw, argon2id(min(connections, runtime.GOMAXPROCS(0)), b.duration/2))
			l, err := b.load(ctx, p, b.login(p, "ada"), connections)
			if err != nil {
				return err
			}
			mine = append(mine, l)
			raw = append(raw, argon2id(min(connections, runtime.GOMAXPROCS(0)), b.duration/2))
		}
		rate, limit := median(mine, rateOf), medianOf(raw)
		t.add(fmt.Sprintf("login, %d connections: rate", connections), fmt.Sprintf("%.1f/s", rate),
			fmt.Sprintf("%s of the %.1f/s of x/crypto's argon2id alone", percent(rate, limit), limit))
		t.add(fmt.Sprintf("login, %d connections: p50, p99", connections), micros(median(mine, p50Of))+", "+micros(median(mine, p99Of)), "")
	}
	return nil
}

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
	ada, err := register(p, "ada")
	if err != nil {
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
		o, err := openLoop(ctx, b.me(p, ada), 32, floodRate, b.duration)
		if err := errors.Join(err, <-done); err != nil {
			return err
		}
		mes = append(mes, o)
	}
	t.add(fmt.Sprintf("flood (%d log-ins at once): /me at %d/s, p50, p99, max", floodLogins, floodRate),
		micros(median(mes, func(o outcome) time.Duration { return o.p50 }))+", "+
			micros(median(mes, func(o outcome) time.Duration { return o.p99 }))+", "+
			micros(median(mes, func(o outcome) time.Duration { return o.max })),
		fmt.Sprintf("%d of them failed", median(mes, func(o outcome) int { return o.failed })))
	with, without := median(logins, rateOf), median(alone, rateOf)
	t.add("flood: log-ins", fmt.Sprintf("%.1f/s", with), fmt.Sprintf("%s of the %.1f/s without /me beside them", percent(with, without), without))
	hashing := float64(runtime.NumCPU()) * float64(auth.DefaultPasswordParams.MemoryKiB) / 1024
	t.add("memory: idle", fmt.Sprintf("%.0f MiB", idle), fmt.Sprintf("%.0f MiB of its own; the rest are the binary's pages, which the system can drop", own))
	t.add("memory: most during the flood", fmt.Sprintf("%.0f MiB", p.memory("VmHWM")),
		fmt.Sprintf("%.0f MiB beyond the hashes' %.0f MiB", p.memory("VmHWM")-hashing, hashing))
	return nil
}

// measureStart: from the start of the process to its first 200, and what it takes.
func (b *bench) measureStart(ctx context.Context, t *table) error {
	var running, cold, warm []time.Duration
	started := func(into *[]time.Duration, settings ...string) error {
		p, took, err := b.startServer(ctx, settings...)
		if err != nil {
			return err
		}
		*into = append(*into, took)
		return p.stop()
	}
	var once []time.Duration
	if err := started(&once, b.settings()...); err != nil { // applies the migrations
		return err
	}
	for i := range max(3, b.rounds) {
		data := "LATCHKEY_DATA_DIR=" + filepath.Join(b.dir, fmt.Sprintf("own-%d", i))
		for range 3 {
			if err := started(&running, b.settings()...); err != nil {
				return err
			}
		}
		if err := errors.Join(started(&cold, data), started(&warm, data)); err != nil {
			return err
		}
	}
	t.add("start to the first 200, database running", micros(medianOf(running)), "")
	t.add("start to the first 200, own database, first start", micros(medianOf(cold)), "")
	t.add("start to the first 200, own database, later", micros(medianOf(warm)), "")
	info, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	t.add("binary", fmt.Sprintf("%.1f MB", float64(info.Size())/1e6), "")
	return nil
}
