package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/keyring"
	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
)

// sweepEvery is how often is forgotten what counts no more: budgets that are whole again, sessions that have ended, keys. No table
// grows beyond what a window's attempts and a lifetime's log-ins make.
const sweepEvery = time.Minute

// background is what the work beside the API is done on.
type background struct {
	service *auth.Service
	limiter *ratelimit.Limiter // nil without limits
	keys    *keyring.Ring
	logger  *slog.Logger
	// linesLost counts the lines of the log that nobody has read.
	linesLost func() uint64
}

// inBackground starts what runs beside the API, and answers what ends it.
func (r *root) inBackground(ctx context.Context, s settings, b background) (stop func() error, err error) {
	stopMetrics := func() error { return nil }
	if s.MetricsAddr != "" {
		if stopMetrics, err = serveMetrics(ctx, s.MetricsAddr, newMetrics(b.service.Stats, b.linesLost), b.logger); err != nil {
			return nil, fmt.Errorf("LATCHKEY_METRICS_ADDR: %w", err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { b.repeat(ctx, sweepEvery, "sweep", b.sweep) })
	running.Go(func() {
		b.repeat(ctx, keyring.FollowInterval, "follow the signing keys", func(ctx context.Context) error { return b.followKeys(ctx, s.KeyRotation) })
	})
	return func() error {
		cancel()
		running.Wait()
		return stopMetrics()
	}, nil
}

// repeat does something at about an interval, until ctx ends. Instances do it at moments of their own. What fails is told when it begins to
// fail, and when it no longer does.
func (b background) repeat(ctx context.Context, interval time.Duration, what string, do func(context.Context) error) {
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval/2 + rand.N(interval/2)):
		}
		err := do(ctx)
		switch {
		case errors.Is(err, context.Canceled):
		case err != nil && !failing:
			b.logger.Warn("failed to "+what, "error", err)
		case err == nil && failing:
			b.logger.Info("succeeded again to " + what)
		}
		failing = err != nil
	}
}

func (b background) sweep(ctx context.Context) error {
	var errs []error
	if b.limiter != nil {
		_, err := b.limiter.Sweep(ctx)
		errs = append(errs, err)
	}
	_, err := b.service.SweepSessions(ctx)
	return errors.Join(append(errs, err, b.keys.Sweep(ctx))...)
}

// followKeys looks for what others have done to the keys, and makes a new one when the present one is old enough.
func (b background) followKeys(ctx context.Context, rotation time.Duration) error {
	if err := b.keys.Follow(ctx); err != nil || rotation == 0 {
		return err
	}
	rotated, err := b.keys.Rotate(ctx, rotation)
	if rotated && err == nil {
		b.logger.Info("made a new signing key", "signs_in", b.keys.Lead())
	}
	return err
}
