package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// series are loads that are put on the releases in turn.
type series struct {
	what        string
	connections []int
	settings    []string
	// prepare returns the requests for a server.
	prepare func(*process) (shots, error)
	// hashes measures in each round argon2id alone, on as many processors as there are connections.
	hashes bool
}

func (b *bench) measure(ctx context.Context, t *table, s series) error {
	return b.withServers(ctx, s.settings, func(servers []*process) error {
		requests := map[*process]shots{}
		for _, p := range servers {
			var err error
			if requests[p], err = s.prepare(p); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
		for _, connections := range s.connections {
			what := fmt.Sprintf("%s, %d connections", s.what, connections)
			for range b.rounds {
				for _, p := range servers {
					o, err := b.load(ctx, p, requests[p], connections, 0)
					if err != nil {
						return err
					}
					t.add(p.name, what+": rate", perSecond, o.rate)
					t.add(p.name, what+": p50", duration, float64(o.p50))
					t.add(p.name, what+": p99", duration, float64(o.p99))
					t.add(p.name, what+": server's CPU for each", duration, float64(o.cpu))
				}
				slices.Reverse(servers) // the first of a round is a little slower
				if !s.hashes {
					continue
				}
				rate, err := hashRate(ctx, min(connections, runtime.GOMAXPROCS(0)), b.duration)
				if err != nil {
					return err
				}
				t.add(alone, what+": rate", perSecond, rate)
			}
		}
		return nil
	})
}

func (b *bench) measureMe(ctx context.Context, t *table) error {
	return b.measure(ctx, t, series{
		what: "/me", connections: []int{16, 64},
		prepare: func(p *process) (shots, error) {
			ada, err := register(p, "ada")
			return always(meShot(p, ada.Access)), err
		},
	})
}

func (b *bench) measureLogin(ctx context.Context, t *table) error {
	return b.measure(ctx, t, series{
		what: "login", connections: []int{1, 8}, hashes: true,
		prepare: func(p *process) (shots, error) {
			_, err := register(p, "ada")
			return always(loginShot(p, "ada")), err
		},
	})
}

// hashRate returns how many hashes a second the workers make with the default parameters.
func hashRate(ctx context.Context, workers int, d time.Duration) (float64, error) {
	hasher, err := newHasher(password.DefaultParams, workers)
	if err != nil {
		return 0, err
	}
	var (
		made    atomic.Int64
		started = time.Now()
		g       errgroup.Group
	)
	for range workers {
		g.Go(func() (err error) {
			for ; time.Since(started) < d && err == nil; made.Add(1) {
				err = hasher.VerifyUnknown(ctx, "", secret.New(passphrase))
			}
			return err
		})
	}
	err = g.Wait()
	return float64(made.Load()) / time.Since(started).Seconds(), err
}

// measureRefresh measures refreshes: each connection refreshes a session of its own.
func (b *bench) measureRefresh(ctx context.Context, t *table) error {
	return b.measure(ctx, t, series{
		what: "refresh", connections: []int{16},
		prepare: func(p *process) (shots, error) {
			_, err := register(p, "ada")
			return func(body []byte) shot {
				token, err := tokensOf(body)
				if err != nil { // before the first request, and after one that failed
					token, _ = login(p, "ada") // without a token, the refresh fails too, and is counted
				}
				return post(p, loginPath, "grant_type=refresh_token&refresh_token="+token.Refresh, http.StatusOK)
			}, err
		},
	})
}

// The flood: logins without a pause, together with a steady rate of the cheapest request.
const (
	floodLogins = 16
	floodMes    = 500
)

func (b *bench) measureFlood(ctx context.Context, t *table) error {
	return b.withServers(ctx, nil, func(servers []*process) error {
		for range b.rounds {
			for _, p := range servers {
				// A user that logs in without a pause loses the session that was used least
				// recently.
				eve, err := register(p, "eve")
				if err != nil {
					return err
				}
				if _, err := register(p, "ada"); err != nil {
					return err
				}
				var (
					g          errgroup.Group
					logins, me outcome
				)
				g.Go(func() (err error) {
					logins, err = b.load(ctx, p, always(loginShot(p, "ada")), floodLogins, 0)
					return err
				})
				me, err = b.load(ctx, p, always(meShot(p, eve.Access)), 32, floodMes)
				if err := errors.Join(err, g.Wait()); err != nil {
					return err
				}
				what := fmt.Sprintf("flood (%d logins at once): ", floodLogins)
				t.add(p.name, what+"logins", perSecond, logins.rate)
				t.add(p.name, what+fmt.Sprintf("/me at %d/s: p50", floodMes), duration, float64(me.p50))
				t.add(p.name, what+fmt.Sprintf("/me at %d/s: p99", floodMes), duration, float64(me.p99))
				t.add(p.name, what+"most memory", mebibytes, p.memory("VmHWM"))
			}
		}
		return nil
	})
}

// measureStart measures the time from a start to the first 200, and the memory then.
func (b *bench) measureStart(ctx context.Context, t *table) error {
	start := func(r release, what string, settings ...string) error {
		p, err := b.startServer(ctx, r, settings...)
		if err != nil {
			return err
		}
		t.add(r.name, "start to the first 200, "+what, duration, float64(p.took))
		if r.postgres != nil {
			t.add(r.name, "memory when idle", mebibytes, p.memory("VmRSS"))
		}
		return p.stop()
	}
	for i := range b.rounds {
		for _, r := range b.releases {
			own := release{name: r.name, binary: r.binary}
			data := "LATCHKEY_DATA_DIR=" + filepath.Join(b.dir, fmt.Sprintf("%s-%d", r.name, i))
			// With -only start, the first start applies the migrations. The median of three leaves
			// it out.
			err := errors.Join(
				start(r, "database running"),
				start(own, "own database, first start", data),
				start(own, "own database, later", data),
			)
			if err != nil {
				return err
			}
		}
	}
	return nil
}
