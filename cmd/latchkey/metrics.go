package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-auth/latchkey/impl/auth"
)

// newMetrics returns a handler for the metrics of the service and the process, in Prometheus' text
// format.
func newMetrics(b background) http.Handler {
	set := metrics.NewSet()
	set.NewGauge(fmt.Sprintf("latchkey_build_info{version=%q}", version), func() float64 { return 1 })
	set.NewGauge("latchkey_log_lines_lost_total", func() float64 { return float64(b.linesLost()) })
	for name, figure := range serviceFigures {
		set.NewGauge(name, func() float64 { return figure(b.Auth.Stats()) })
	}
	for name, figure := range poolFigures {
		set.NewGauge(name, func() float64 { return figure(b.PoolStat()) })
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		set.WritePrometheus(w)
		b.requests.set.WritePrometheus(w)
		writeMails(r.Context(), w, b.Auth.Mails)
		metrics.WriteProcessMetrics(w)
	})
	return mux
}

// serviceFigures are the metrics of the service, by their names.
var serviceFigures = map[string]func(auth.Stats) float64{
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
	`latchkey_password_hashes_memory_bytes`:      func(s auth.Stats) float64 { return float64(s.HashBytes) },
	`latchkey_password_hashes_refused_total`:     func(s auth.Stats) float64 { return float64(s.HashesRefused) },
}

// poolFigures are the metrics of the connections to the database, by their names.
var poolFigures = map[string]func(*pgxpool.Stat) float64{
	`latchkey_database_connections{state="used"}`: func(s *pgxpool.Stat) float64 { return float64(s.AcquiredConns()) },
	`latchkey_database_connections{state="idle"}`: func(s *pgxpool.Stat) float64 { return float64(s.IdleConns()) },
	`latchkey_database_connections_max`:           func(s *pgxpool.Stat) float64 { return float64(s.MaxConns()) },
	`latchkey_database_waits_total`:               func(s *pgxpool.Stat) float64 { return float64(s.EmptyAcquireCount()) },
	`latchkey_database_wait_seconds_total`: func(s *pgxpool.Stat) float64 {
		return s.EmptyAcquireWaitTime().Seconds()
	},
}

// mailsTimeout bounds the question for the mails, so that the other metrics are served while the
// database doesn't respond.
const mailsTimeout = 2 * time.Second

// writeMails writes the metrics of the queue of mails, or none if the database doesn't respond.
func writeMails(ctx context.Context, w io.Writer, count func(context.Context) (auth.Mails, error)) {
	ctx, cancel := context.WithTimeout(ctx, mailsTimeout)
	defer cancel()
	mails, err := count(ctx)
	if err != nil {
		return
	}
	for state, n := range map[string]int64{
		"waiting": mails.Waiting, "retrying": mails.Retrying, "given_up": mails.GivenUp,
	} {
		metrics.WriteGaugeFloat64(w, fmt.Sprintf("latchkey_mails{state=%q}", state), float64(n))
	}
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
