package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/auth/session"
	"github.com/latchkey-auth/latchkey/impl/devmail"
	"github.com/latchkey-auth/latchkey/impl/postgres"
	"github.com/latchkey-auth/latchkey/impl/wire"
)

const (
	// drainTimeout bounds how long requests in flight may still run after the drain delay.
	drainTimeout = 10 * time.Second
	// gcPercent lets the heap grow to three times its live size before a collection. The live size
	// is a few MB. Each request costs a tenth less than with Go's default of 100. The memory of
	// password hashes isn't on the heap. The variable GOGC overrides it.
	gcPercent = 200
)

func (r *root) serveCommand() *cobra.Command {
	var logFormat string
	var dev bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the service",
		Long: "Run the service. If LATCHKEY_DATABASE_URL isn't set, it runs a PostgreSQL of its own in the data folder.\n" +
			"It brings the schema up to date. Then it prints one line with the address, the docs page and the place of the\n" +
			"data. With the log format json that line is a record of the log instead.\n" +
			"After SIGTERM or an interrupt /readyz returns 503, and requests are served for LATCHKEY_DRAIN_DELAY. Then the\n" +
			"server accepts no more requests. It exits once the requests in flight are complete, at most 10 s later.\n" +
			"A second signal ends it at once.\n" +
			"With --dev, browsers on this machine can read the mails and their codes at /dev/mails/.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := loadSettings(r.environ)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("log-format") {
				if problem := oneOf(logFormat, "text", "json"); problem != "" {
					return usageError{errors.New("--log-format " + problem)}
				}
				s.LogFormat = logFormat
			}
			return r.serve(cmd.Context(), s, dev)
		},
	}
	cmd.Flags().BoolVar(&dev, "dev", false, "for development: show the mails in the data folder at /dev/mails/")
	cmd.Flags().StringVar(&logFormat, "log-format", "", "text or json; replaces LATCHKEY_LOG_FORMAT")
	return cmd
}

// serve runs the service until ctx ends. It opens the port first, so that a port in use is reported
// before anything starts. Until the service is ready, requests get a response that it is starting.
func (r *root) serve(ctx context.Context, s settings, dev bool) (err error) {
	if s.SecretKey.IsZero() && !s.embedded() {
		return errNoSecretKey
	}
	// If the reader of the log or the console is gone, the server keeps running. Only the write
	// fails.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	lines := newLogWriter(r.err, func(lost uint64) []byte { return lostLine(s.LogFormat, lost) })
	defer lines.close()
	logger := newLogger(lines, s.LogFormat, s.logLevel())
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", s.Addr)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w; stop the program that listens there, or set another address", err)
		}
		return fmt.Errorf("LATCHKEY_ADDR: %w", err)
	}
	showMails, devErr := devMails(s, dev, ln.Addr(), logger)
	requests := newRequestMetrics()
	handler, err := newHandler(s, logger, showMails, requests)
	mails, mailErr := mailConfig(s, logger)
	if err := errors.Join(devErr, err, mailErr); err != nil {
		return errors.Join(err, ln.Close())
	}
	server := startServer(handler, ln)
	defer server.close()

	db, err := openDatabase(ctx, s, postgres.Start, s.DatabaseWait, r.console, logger)
	if err != nil {
		return unlessInterrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, db.close()) }()
	if _, err := db.migrate(ctx, logger); err != nil {
		return unlessInterrupted(ctx, err)
	}
	parts, err := openService(ctx, s, db, mails, logger)
	if err != nil {
		return unlessInterrupted(ctx, err)
	}
	// Hashing has as many workers as there were processors. With twice as many, a hash never keeps
	// a request's goroutine from running. The kernel shares the cores in slices shorter than a
	// hash. In a login flood the median of /me is 1.6 ms instead of 33 ms.
	runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0))
	stop, err := inBackground(ctx, s, background{parts, requests, s.EventsRetention, logger, lines.lost.Load})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if err := handler.Begin(parts.Auth, parts.Ready); err != nil {
		return err
	}
	if err := announce(r.out, logger, s, dev, ln.Addr(), db.place); err != nil {
		logger.Warn("failed to print the start line", "error", err)
	}
	// Some 3 MiB that only the start needed, such as the parsed contract, go back to the system.
	debug.FreeOSMemory()
	return server.until(ctx, s.DrainDelay, logger)
}

// openService builds the service with the secret key, which it makes at the first start.
func openService(
	ctx context.Context, s settings, db *database, mails *wire.Mail, logger *slog.Logger,
) (*wire.Parts, error) {
	key, err := secretKey(s)
	if err != nil {
		return nil, err
	}
	config := serviceConfig(s, db)
	config.Secret, config.Previous, config.Limits = key, s.SecretKeyPrevious, s.RateLimits != "off"
	config.Mail = mails
	if !config.Limits {
		logger.Warn("LATCHKEY_RATE_LIMITS is off: passwords can be guessed without limit")
	}
	warnOfUnsent(s, logger)
	parts, err := wire.New(ctx, config)
	return parts, explainKeys(err)
}

// lostLine returns the log line that reports how many lines were lost.
func lostLine(format string, lost uint64) []byte {
	var b bytes.Buffer
	logger := newLogger(&b, format, slog.LevelInfo)
	logger.Warn("log lines were lost because nobody read the log", "lines", lost)
	return b.Bytes()
}

// unlessInterrupted returns nil instead of err if ctx has ended: the user asked the start to stop.
func unlessInterrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// newHandler returns the API's handler, which is still without its service.
func newHandler(
	s settings, logger *slog.Logger, dev func(http.ResponseWriter, *http.Request) error, requests *requestMetrics,
) (*impl.Server, error) {
	var observe func(string, int, time.Duration)
	if s.MetricsAddr != "" {
		observe = requests.observe
	}
	networks, problem := proxies(s.TrustedProxies)
	if problem != "" {
		return nil, usageError{errors.New("LATCHKEY_TRUSTED_PROXIES " + problem)}
	}
	return impl.New(impl.Options{
		Logger:    logger,
		Now:       time.Now,
		Origins:   s.CORSOrigins,
		Proxies:   networks,
		PublicURL: s.PublicURL,
		Dev:       dev,
		Timeouts:  impl.Timeouts{Idle: s.IdleTimeout},
		Observe:   observe,

		SessionCookies: s.SessionCookies == "on",
		OriginRefused:  func(origin string) { warnOfOrigin(origin, logger) },
	})
}

// serviceConfig returns the service's part of the settings, without the secret key.
func serviceConfig(s settings, db *database) wire.Config {
	claims, _ := tokenClaims(s.TokenClaims) // it was checked
	return wire.Config{
		Pool:              db.pool,
		Algorithm:         s.JWTAlgorithm,
		Issuer:            s.JWTIssuer,
		Audience:          s.JWTAudience,
		TokenClaims:       claims,
		AccessTokenTTL:    s.AccessTokenTTL,
		KeyLead:           s.KeyLead,
		Hash:              passwordParams(s),
		HashWorkers:       runtime.GOMAXPROCS(0), // more workers would use memory and make each hash slower
		HashWait:          hashqueue.DefaultWait,
		PasswordMinLength: s.PasswordMinLength,
		Sessions:          session.Times{Idle: s.RefreshTokenTTL, Lifetime: s.SessionTTL, ReuseWindow: s.RefreshReuseWindow},
		SessionsPerUser:   s.SessionsPerUser,
		Now:               time.Now,

		Registration:         auth.RegistrationMode(s.Registration),
		RequireVerifiedEmail: s.VerifiedEmail == "on",
	}
}

func passwordParams(s settings) password.Params {
	return password.Params{MemoryKiB: s.PasswordHashMemory, Passes: s.PasswordHashPasses, Lanes: s.PasswordHashLanes}
}

// announce prints the start line on stdout. With the log format json it is a record of the log
// instead, so that all output is JSON.
func announce(out io.Writer, logger *slog.Logger, s settings, dev bool, addr net.Addr, place string) error {
	url := "http://" + addr.String()
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		url = fmt.Sprintf("http://localhost:%d", tcp.Port)
	}
	if s.LogFormat == "json" {
		logger.Info("listening", "version", version, "url", url, "docs", url+"/docs", "data", place)
		return nil
	}
	mails := ""
	if dev {
		mails = " · mails " + url + devmail.Path
	}
	_, err := fmt.Fprintf(out, "Latchkey %s listens on %s · docs %s/docs%s · data %s\n", version, url, url, mails, place)
	return err
}

// running is a running HTTP server.
type running struct {
	handler *impl.Server
	server  *http.Server
	served  chan error
}

func startServer(handler *impl.Server, ln net.Listener) *running {
	r := &running{handler, handler.HTTPServer(), make(chan error, 1)}
	go func() { r.served <- r.server.Serve(ln) }()
	return r
}

// close stops the server at once, if it still runs.
func (r *running) close() { _ = r.server.Close() }

// until serves requests until ctx ends, and returns when no request is left. When ctx ends the
// server stops being ready. After the delay it accepts no more connections. Requests in flight then
// have [drainTimeout] to end.
func (r *running) until(ctx context.Context, delay time.Duration, logger *slog.Logger) error {
	select {
	case err := <-r.served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	logger.Info("shutting down", "delay", delay)
	r.handler.Drain()
	select {
	case err := <-r.served:
		return fmt.Errorf("serve: %w", err)
	case <-time.After(delay):
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := r.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		logger.Warn("requests in flight were aborted", "after", drainTimeout)
		err = r.server.Close()
	}
	if serveErr := <-r.served; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}
