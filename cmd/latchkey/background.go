package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth/keyring"
	"github.com/latchkey-auth/latchkey/impl/wire"
)

// sweepEvery is the interval between purges of refilled budgets, ended sessions, expired challenges
// and expired keys. The purges bound every table: by the attempts in one window, or by the logins
// in one session lifetime.
const sweepEvery = time.Minute

// followKeysEvery is the interval at which changes of the keys are loaded. Tests shorten it.
var followKeysEvery = keyring.FollowInterval

// background is what the tasks beside the API work on.
type background struct {
	*wire.Parts
	requests *requestMetrics
	// eventsRetention is how long events are kept.
	eventsRetention time.Duration
	logger          *slog.Logger
	// linesLost returns the number of log lines that were never written.
	linesLost func() uint64
}

// inBackground starts the tasks that run beside the API, and returns a function that stops them.
func inBackground(ctx context.Context, s settings, b background) (stop func() error, err error) {
	stopMetrics := func() error { return nil }
	if s.MetricsAddr != "" {
		handler := newMetrics(b)
		if stopMetrics, err = serveMetrics(ctx, s.MetricsAddr, handler, b.logger); err != nil {
			return nil, fmt.Errorf("LATCHKEY_METRICS_ADDR: %w", err)
		}
	}
	if err := b.Mail.Start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("send mails: %w", err), stopMetrics())
	}
	mailing := context.WithoutCancel(ctx)
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { b.repeat(ctx, sweepEvery, "sweep", b.sweep) })
	running.Go(func() {
		b.repeat(
			ctx,
			followKeysEvery,
			"follow the signing keys",
			func(ctx context.Context) error { return b.followKeys(ctx, s.KeyRotation) },
		)
	})
	return func() error {
		cancel()
		running.Wait()
		b.Auth.Wait()
		// The last requests have ended. What they have enqueued is sent now, or by another
		// instance, or at the next start.
		bounded, cancel := context.WithTimeout(mailing, drainTimeout)
		defer cancel()
		return errors.Join(b.Mail.Stop(bounded), stopMetrics())
	}, nil
}

// repeat calls do at about the given interval, until ctx ends. The interval is random, so that
// instances don't act in step. repeat logs the first failure of a series, and the success that ends
// the series.
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
	if b.Limiter != nil {
		_, err := b.Limiter.Sweep(ctx)
		errs = append(errs, err)
	}
	_, err := b.Auth.SweepSessions(ctx)
	_, eventErr := b.Auth.SweepEvents(ctx, b.eventsRetention)
	_, challengeErr := b.Auth.SweepChallenges(ctx)
	return errors.Join(append(errs, err, eventErr, challengeErr, b.Keys.Sweep(ctx))...)
}

// followKeys loads key changes made by other instances. It makes a new signing key if the current
// one is older than rotation.
func (b background) followKeys(ctx context.Context, rotation time.Duration) error {
	if err := b.Keys.Follow(ctx); err != nil || rotation == 0 {
		return err
	}
	rotated, err := b.Keys.Rotate(ctx, rotation)
	if rotated && err == nil {
		b.logger.Info("made a new signing key", "signs_in", b.Keys.Lead())
	}
	return err
}
