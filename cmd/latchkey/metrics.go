package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/latchkey-auth/latchkey/impl/auth"
)

// newMetrics returns a handler for the metrics of the service and the process, in Prometheus' text
// format.
func newMetrics(stats func() auth.Stats, linesLost func() uint64) http.Handler {
	set := metrics.NewSet()
	set.NewGauge("latchkey_log_lines_lost_total", func() float64 { return float64(linesLost()) })
	for name, figure := range map[string]func(auth.Stats) float64{
		`latchkey_logins_total{outcome="succeeded"}`: func(s auth.Stats) float64 { return float64(s.LoginsSucceeded) },
		`latchkey_logins_total{outcome="failed"}`:    func(s auth.Stats) float64 { return float64(s.LoginsFailed) },
		`latchkey_limited_total{budget="account"}`:   func(s auth.Stats) float64 { return float64(s.LimitedByAccount) },
		`latchkey_limited_total{budget="address"}`:   func(s auth.Stats) float64 { return float64(s.LimitedByAddress) },
		`latchkey_limited_total{budget="own"}`:       func(s auth.Stats) float64 { return float64(s.LimitedByOwn) },
		`latchkey_limited_total{budget="session"}`:   func(s auth.Stats) float64 { return float64(s.LimitedBySession) },
		`latchkey_refreshes_total`:                   func(s auth.Stats) float64 { return float64(s.Refreshed) },
		`latchkey_refresh_tokens_reused_total`:       func(s auth.Stats) float64 { return float64(s.RefreshesReused) },
		`latchkey_password_hashes_waiting`:           func(s auth.Stats) float64 { return float64(s.HashesWaiting) },
		`latchkey_password_hashes_running`:           func(s auth.Stats) float64 { return float64(s.HashesRunning) },
		`latchkey_password_hashes_refused_total`:     func(s auth.Stats) float64 { return float64(s.HashesRefused) },
	} {
		set.NewGauge(name, func() float64 { return figure(stats()) })
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		set.WritePrometheus(w)
		metrics.WriteProcessMetrics(w)
	})
	return mux
}

// serveMetrics serves /metrics on an address of its own until stop is called.
func serveMetrics(
	ctx context.Context, addr string, handler http.Handler, logger *slog.Logger,
) (stop func() error, err error) {
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
	}
	logger.Info("metrics", "at", "http://"+ln.Addr().String()+"/metrics")
	served := make(chan struct{})
	go func() {
		defer close(served)
		// It returns ErrServerClosed, or an error if the listener fails. The service continues
		// without metrics.
		_ = server.Serve(ln)
	}()
	return func() error {
		err := server.Close()
		<-served
		return err
	}, nil
}
