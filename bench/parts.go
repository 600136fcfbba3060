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
	b.count(o)
	return loaded{o, time.Duration(float64(p.cpu()-before) / (o.rate * b.duration.Seconds()))}, ctx.Err()
}

// count adds up what failed in all loads, and tells of it at once: a rate that leaves it out says less than it seems to.
func (b *bench) count(o outcome) {
	b.failed.Add(int64(o.failed))
	if o.failed > 0 {
		fmt.Fprintf(os.Stderr, "bench: %d requests failed, one of them with %v\n", o.failed, o.err)
	}
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
	statement, err := b.statement(ctx)
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
			mine, bare        []loaded
			statements, plain []float64
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
			for _, s := range []struct {
				text string
				into *[]float64
			}{{statement, &statements}, {plainStatement, &plain}} {
				rate, err := b.pgbench(ctx, s.text, ada, connections)
				if err != nil && !errors.Is(err, errNoPgbench) {
					return err
				}
				*s.into = append(*s.into, rate)
			}
		}
		name := fmt.Sprintf("/me, %d connections", connections)
		rate, limit := median(mine, rateOf), medianOf(statements)
		t.add(name+": rate", fmt.Sprintf("%.0f/s", rate), fmt.Sprintf("%s of pgbench's %.0f/s with the server's statement; %s of its %.0f/s with a plain join; bare echo %.0f/s",
			percent(rate, limit), limit, percent(rate, medianOf(plain)), medianOf(plain), median(bare, rateOf)))
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
			mine     []loaded
			own, lib []float64
		)
		bound := func() {
			workers := min(connections, runtime.GOMAXPROCS(0))
			own = append(own, hashes(workers, b.duration/2, ownArgon2id))
			lib = append(lib, hashes(workers, b.duration/2, libraryArgon2id))
		}
		for range b.rounds {
			bound()
			l, err := b.load(ctx, p, b.login(p, "ada"), connections)
			if err != nil {
				return err
			}
			mine = append(mine, l)
			bound()
		}
		rate, limit, library := median(mine, rateOf), medianOf(own), medianOf(lib)
		t.add(fmt.Sprintf("login, %d connections: rate", connections), fmt.Sprintf("%.1f/s", rate),
			fmt.Sprintf("%s of the %.1f/s of the server's argon2id alone; %s of the %.1f/s of x/crypto's", percent(rate, limit), limit, percent(rate, library), library))
		t.add(fmt.Sprintf("login, %d connections: p50, p99", connections), micros(median(mine, p50Of))+", "+micros(median(mine, p99Of)), "")
	}
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
