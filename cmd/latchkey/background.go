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
)

// sweepEvery is how often budgets are forgotten that are whole again. The table never grows beyond what a window's attempts make.
const sweepEvery = time.Minute

// inBackground starts what runs beside the API, and answers what ends it.
func (r *root) inBackground(ctx context.Context, s settings, service *auth.Service, limiter *auth.Limiter, logger *slog.Logger) (stop func() error, err error) {
	stopMetrics := func() error { return nil }
	if s.MetricsAddr != "" {
		if stopMetrics, err = serveMetrics(ctx, s.MetricsAddr, newMetrics(service.Stats), logger); err != nil {
			return nil, fmt.Errorf("LATCHKEY_METRICS_ADDR: %w", err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	if limiter != nil {
		running.Go(func() { sweep(ctx, limiter, logger) })
	}
	return func() error {
		cancel()
		running.Wait()
		return stopMetrics()
	}, nil
}

// sweep lets the limiter forget, until ctx ends. Instances do it at moments of their own; that two do it at once does no harm.
func sweep(ctx context.Context, limiter *auth.Limiter, logger *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepEvery/2 + rand.N(sweepEvery)):
		}
		if _, err := limiter.Sweep(ctx); err != nil && !errors.Is(err, context.Canceled) {
			logger.Warn("rate limits were not swept", "error", err)
		}
	}
}
