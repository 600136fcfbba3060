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
	"github.com/latchkey-auth/latchkey/impl/auth/keyring"
	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/auth/session"
	"github.com/latchkey-auth/latchkey/impl/postgres"
	"github.com/latchkey-auth/latchkey/impl/wire"
	"github.com/latchkey-auth/latchkey/schema"
)

const (
	// drainTimeout is what requests in flight have from the signal to their end.
	drainTimeout = 10 * time.Second
	// readyTimeout bounds a readiness check, so that a database that has gone silent is told of in time.
	readyTimeout = 3 * time.Second
	// gcPercent lets the heap, a few MB, grow to three times of what lives in it before it is collected: each request costs
	// a tenth less than with Go's 100. The memory of hashes is not on the heap. GOGC wins over it.
	gcPercent = 200
)

func (r *root) serveCommand() *cobra.Command {
	var logFormat string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the service",
		Long: "Run the service. Without a database in LATCHKEY_DATABASE_URL it runs a PostgreSQL of its own in the data\n" +
			"folder. It brings the schema up to date, and then prints one line that tells the address, the docs page and\n" +
			"where the data is; with the log format json that line is a record of the log instead.\n" +
			"SIGTERM or an interrupt makes it not ready, and ends it after LATCHKEY_DRAIN_DELAY once the requests in flight are\n" +
			"answered, at most 10 s later; a second one ends it at once.",
		Args: cobra.NoArgs,
		RunE: r.begin(func(cmd *cobra.Command, _ []string) error {
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
			return r.serve(cmd.Context(), s)
		}),
	}
	cmd.Flags().StringVar(&logFormat, "log-format", "text", "text or json; wins over LATCHKEY_LOG_FORMAT")
	return cmd
}

// serve runs the service until ctx ends. It refuses what would fail anyway before it starts anything: the port first. From
// then on it answers, though until it can serve only that it is starting.
func (r *root) serve(ctx context.Context, s settings) (err error) {
	if s.SecretKey.IsZero() && !s.embedded() {
		return errNoSecretKey
	}
	// A log or a console whose reader has gone is no reason to end: each write then fails by itself.
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
		return fmt.Errorf("LATCHKEY_ADDR: %w", err)
	}
	handler, err := newHandler(s, logger)
	if err != nil {
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
	service, b, err := openService(ctx, s, db, logger)
	if err != nil {
		return unlessInterrupted(ctx, err)
	}
	b.linesLost = lines.lost.Load
	// With more processors than hashing has workers, no hash keeps a request's goroutine from running: the kernel shares
	// out the cores, in slices shorter than a hash. In a login flood the median of /me is 1.6 ms instead of 33 ms.
	runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0))
	stop, err := r.inBackground(ctx, s, b)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if err := handler.Begin(service, func(ctx context.Context) error { return ready(ctx, db, b.keys) }); err != nil {
		return err
	}
	if err := announce(r.out, logger, s, ln.Addr(), db.place); err != nil {
		logger.Warn("nobody reads where the server listens", "error", err)
	}
	// What only the start needed, such as the contract as a document, is given back: some 3 MiB.
	debug.FreeOSMemory()
	return server.until(ctx, s.DrainDelay, logger)
}

// openService opens what is behind the API, and what runs beside it.
func openService(ctx context.Context, s settings, db *database, logger *slog.Logger) (*auth.Service, background, error) {
	key, err := secretKey(s)
	if err != nil {
		return nil, background{}, err
	}
	config := serviceConfig(s, db)
	config.Secret, config.Previous, config.Limits = key, s.SecretKeyPrevious, s.RateLimits != "off"
	parts, err := wire.New(ctx, config)
	if err != nil {
		return nil, background{}, explainKeys(err)
	}
	if s.RateLimits == "off" {
		logger.Warn("LATCHKEY_RATE_LIMITS is off: passwords can be guessed without end")
	}
	return parts.Auth, background{service: parts.Auth, limiter: parts.Limiter, keys: parts.Keys, logger: logger}, nil
}

// lostLine is the line that says how many lines of the log nobody has read.
func lostLine(format string, lost uint64) []byte {
	var b bytes.Buffer
	newLogger(&b, format, slog.LevelInfo).Warn("lines of the log were lost: its reader had gone, or did not read", "lines", lost)
	return b.Bytes()
}

// unlessInterrupted drops the error of a start that was told to stop: that is what was asked for.
func unlessInterrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// newHandler makes the API's handler, which waits for its service.
func newHandler(s settings, logger *slog.Logger) (*impl.Server, error) {
	networks, problem := proxies(s.TrustedProxies)
	if problem != "" {
		return nil, usageError{errors.New("LATCHKEY_TRUSTED_PROXIES " + problem)}
	}
	return impl.NewStarting(impl.Options{
		Logger:    logger,
		Now:       time.Now,
		Origins:   s.CORSOrigins,
		Proxies:   networks,
		PublicURL: s.PublicURL,
		Timeouts:  impl.Timeouts{Idle: s.IdleTimeout},
	})
}

// serviceConfig returns what the settings say of the service, without the secret key.
func serviceConfig(s settings, db *database) wire.Config {
	return wire.Config{
		Pool:              db.pool,
		Algorithm:         s.JWTAlgorithm,
		Issuer:            s.JWTIssuer,
		Audience:          s.JWTAudience,
		AccessTokenTTL:    s.AccessTokenTTL,
		KeyLead:           s.KeyLead,
		Hash:              passwordParams(s),
		HashWorkers:       runtime.GOMAXPROCS(0), // more would only take memory and make each hash slower
		HashWait:          hashqueue.DefaultWait,
		PasswordMinLength: s.PasswordMinLength,
		Sessions:          session.Times{Idle: s.RefreshTokenTTL, Lifetime: s.SessionTTL, ReuseWindow: s.RefreshReuseWindow},
		SessionsPerUser:   s.SessionsPerUser,
		Now:               time.Now,
	}
}

func passwordParams(s settings) password.Params {
	return password.Params{MemoryKiB: s.PasswordHashMemory, Passes: s.PasswordHashPasses, Lanes: s.PasswordHashLanes}
}

// ready turns what the schema and the keys say into what the server answers.
func ready(ctx context.Context, db *database, keys *keyring.Ring) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	err := schema.Current(ctx, db.pool)
	switch {
	case errors.Is(err, schema.ErrOutdated):
		return impl.ErrSchemaOutdated
	case errors.Is(err, schema.ErrNewer):
		return impl.ErrSchemaTooNew
	case errors.Is(err, schema.ErrReadOnly):
		db.pool.Reset() // another host may have become the one that takes writes
		return impl.ErrReadOnly
	case err == nil && keys.Ready() != nil:
		return impl.ErrKeysUnavailable
	}
	return err
}

// announce tells the one line of the start: for a person on stdout, or, so that every line of a JSON log is JSON, there.
func announce(out io.Writer, logger *slog.Logger, s settings, addr net.Addr, place string) error {
	url := "http://" + addr.String()
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		url = fmt.Sprintf("http://localhost:%d", tcp.Port)
	}
	if s.LogFormat == "json" {
		logger.Info("listening", "version", version, "url", url, "docs", url+"/docs", "data", place)
		return nil
	}
	_, err := fmt.Fprintf(out, "Latchkey %s listens on %s · docs %s/docs · data %s\n", version, url, url, place)
	return err
}

// running is a server that serves.
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

// close ends the server at once, if it still serves.
func (r *running) close() { _ = r.server.Close() }

// until serves until ctx ends, and returns when no request is served any more. From the end of ctx on the server isn't
// ready; after the delay it takes no more connections, and requests in flight have [drainTimeout] to end.
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
		logger.Warn("requests were cut off", "after", drainTimeout)
		err = r.server.Close()
	}
	if serveErr := <-r.served; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}
