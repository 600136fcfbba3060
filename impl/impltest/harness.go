package impltest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/keyring"
	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
	"github.com/latchkey-auth/latchkey/impl/auth/session"
	"github.com/latchkey-auth/latchkey/impl/auth/token"
	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
	"github.com/latchkey-auth/latchkey/impl/secret"
	"github.com/latchkey-auth/latchkey/impl/wire"
)

// SecretKey is the default secret key of a harness.
const SecretKey = "hV3kq8Zr1wXtN6yPbC0mJ4sLgE9dFuA7oT5iRvQ2KxWnYzHj"

// Options change the defaults of [New].
type Options struct {
	Timeouts impl.Timeouts
	Hash     password.Params
	Tokens   token.Options // its zero fields are filled in
	// Algorithm is ES256 where it is empty.
	Algorithm string
	// Secret defaults to [SecretKey]. Previous defaults to none.
	Secret, Previous string
	// Sessions default to those of the binary.
	Sessions session.Times
	// Origins are the origins whose pages may call the API.
	Origins []string
	// OriginRefused is called once an hour for each other origin.
	OriginRefused func(origin string)
	// Registration is who may register, empty for open. RequireVerified demands verified emails.
	Registration    auth.RegistrationMode
	RequireVerified bool
	// TokenClaims are the members of app_metadata that access tokens have.
	TokenClaims []string
	// Limits turns the rate limits on.
	Limits bool
	// Skew is how far this instance's clock is ahead.
	Skew time.Duration
	// Proxies are the networks of the proxies in front.
	Proxies []netip.Prefix
	// PublicURL is where clients find the service.
	PublicURL string
	// SessionCookies lets clients have the refresh token in a cookie.
	SessionCookies bool
	// Ready replaces the readiness check.
	Ready func(context.Context) error
	// Dev serves what is below /dev/.
	Dev func(http.ResponseWriter, *http.Request) error
	// Mails is a folder that the mails are written to, by way of the queue in the database. They go
	// to the [Mailbox] alone where it is empty.
	Mails string
	// Patient is for tests that load the harness more than a slow machine can bear. A wait for a
	// connection, a worker or a response then takes up to a minute, because waiting isn't what such
	// a test checks. It also enables [Harness.OccupyWorkers]. It overrides Timeouts.
	Patient bool
	// LogJSON selects a JSON log instead of a text log.
	LogJSON bool
}

// Harness is a server on a database of its own. Tests send it requests over real HTTP.
type Harness struct {
	URL    string
	Addr   string
	Server *impl.Server
	Auth   *auth.Service
	Keys   *keyring.Ring
	// Limiter is nil without limits.
	Limiter *ratelimit.Limiter
	Pool    *pgxpool.Pool
	Clock   *Clock
	Log     *Log
	// Mailbox has the mails of all instances on the same database.
	Mailbox *Mailbox
	client  *http.Client

	options Options
	queue   *hashqueue.Queue
	gone    atomic.Int64
}

// SessionTimes are the default of [Options.Sessions].
var SessionTimes = session.Times{Idle: 720 * time.Hour, Lifetime: 2160 * time.Hour, ReuseWindow: 10 * time.Second}

// New starts a server for one test. Its hashes are cheap, and the test sets its clock.
func New(tb testing.TB, options ...Options) *Harness {
	tb.Helper()
	var o Options
	if len(options) > 0 {
		o = options[0]
	}
	h := &Harness{Clock: NewClock(), Log: &Log{}, Mailbox: &Mailbox{}, options: o}
	h.Pool = NewPool(tb)
	h.build(tb, o)
	h.listen(tb)
	return h
}

// NewPool opens a new database for one test.
func NewPool(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	config, err := pgxpool.ParseConfig(postgrestest.New(tb))
	must(tb, err)
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap())
		return nil
	}
	pool, err := pgxpool.NewWithConfig(tb.Context(), config)
	must(tb, err)
	tb.Cleanup(pool.Close)
	return pool
}

// Beside starts another instance of the same service, with the same clock and on the same database.
func (h *Harness) Beside(tb testing.TB) *Harness {
	tb.Helper()
	return h.start(tb, h.Pool, h.options)
}

// With is [Harness.Beside] with other options.
func (h *Harness) With(tb testing.TB, o Options) *Harness {
	tb.Helper()
	return h.start(tb, h.Pool, o)
}

// On is [Harness.Beside] with connections of its own.
func (h *Harness) On(tb testing.TB, pool *pgxpool.Pool) *Harness {
	tb.Helper()
	return h.start(tb, pool, h.options)
}

func (h *Harness) start(tb testing.TB, pool *pgxpool.Pool, o Options) *Harness {
	tb.Helper()
	other := &Harness{Clock: h.Clock, Log: &Log{}, Mailbox: h.Mailbox, Pool: pool, options: o}
	other.build(tb, o)
	other.listen(tb)
	return other
}

func (h *Harness) build(tb testing.TB, o Options) {
	tb.Helper()
	wait := hashqueue.DefaultWait
	if o.Patient {
		wait = patience
		o.patient()
	}
	now := func() time.Time { return h.Clock.Now().Add(o.Skew) }
	var handler slog.Handler = slog.NewTextHandler(h.Log, nil)
	if o.LogJSON {
		handler = slog.NewJSONHandler(h.Log, nil)
	}
	logger := slog.New(handler)
	tokens := tokenOptions(o.Tokens)
	parts, err := wire.New(tb.Context(), wire.Config{
		Pool:              h.Pool,
		Unbounded:         o.Patient, // only a request's own bound is left
		Secret:            secret.New(cmp.Or(o.Secret, SecretKey)),
		Previous:          secret.New(o.Previous),
		Algorithm:         cmp.Or(o.Algorithm, "ES256"),
		Issuer:            tokens.Issuer,
		Audience:          tokens.Audience,
		AccessTokenTTL:    tokens.TTL,
		KeyLead:           keyring.MinLead,
		Hash:              cmp.Or(o.Hash, password.Params{MemoryKiB: 64, Passes: 1, Lanes: 1}),
		HashWorkers:       hashSlots,
		HashWait:          wait,
		PasswordMinLength: 8,
		Sessions:          cmp.Or(o.Sessions, SessionTimes),
		SessionsPerUser:   100,
		Enqueue:           h.Mailbox.enqueue,
		Limits:            o.Limits,
		Now:               now,
		DatabaseNow:       h.Clock.Now,
		Registration:      o.Registration, RequireVerifiedEmail: o.RequireVerified, TokenClaims: o.TokenClaims,
		Mail: o.mail(tb, logger),
	})
	must(tb, err)
	if parts.Mail != nil {
		must(tb, parts.Mail.Start(tb.Context()))
		tb.Cleanup(func() { must(tb, parts.Mail.Stop(context.Background())) })
	}
	h.Auth, h.Keys, h.Limiter, h.queue = parts.Auth, parts.Keys, parts.Limiter, parts.Queue
	if o.Ready == nil {
		o.Ready = parts.Ready
	}
	h.Server, err = impl.New(impl.Options{
		Logger: logger, Now: now, Timeouts: o.Timeouts,
		Origins: o.Origins, OriginRefused: o.OriginRefused, Proxies: o.Proxies, PublicURL: o.PublicURL,
		SessionCookies: o.SessionCookies, Dev: o.Dev,
	})
	must(tb, err)
	must(tb, h.Server.Begin(h.Auth, o.Ready))
}

func tokenOptions(o token.Options) token.Options {
	o.Issuer = cmp.Or(o.Issuer, "latchkey")
	o.Audience = cmp.Or(o.Audience, "latchkey:auth")
	o.TTL = cmp.Or(o.TTL, 15*time.Minute)
	return o
}

func (h *Harness) listen(tb testing.TB) {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(tb, err)
	server := h.Server.HTTPServer()
	if h.options.Patient {
		server.Handler = h.watch(server.Handler)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			tb.Errorf("serve: %v", err)
		}
	}()
	h.Addr, h.URL = ln.Addr().String(), "http://"+ln.Addr().String()
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	h.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		must(tb, server.Close())
		<-done
	})
}

// Answer is a response that was checked against the contract.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON returns the body's member at a dotted path, such as token.access_token, or nil.
func (a Answer) JSON(path string) any {
	var value any
	if json.Unmarshal(a.Body, &value) != nil {
		return nil
	}
	for name := range strings.SplitSeq(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[name]
	}
	return value
}

// Text is [Answer.JSON] for a string.
func (a Answer) Text(path string) string {
	s, _ := a.JSON(path).(string)
	return s
}

// Do sends a request and checks the response against the contract.
func (h *Harness) Do(tb testing.TB, r *http.Request) Answer {
	tb.Helper()
	a, err := h.Try(tb, r)
	if err != nil {
		tb.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	return a
}

// Try is [Harness.Do] for goroutines, which must not end the test.
func (h *Harness) Try(tb testing.TB, r *http.Request) (Answer, error) {
	res, err := h.client.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	a, err := ReadAnswer(r.Method, r.URL.EscapedPath(), res)
	if err != nil {
		return a, err
	}
	Record(tb, r.Method, r.URL.EscapedPath(), a)
	if a.Status < http.StatusMultipleChoices {
		err = judgeRequest(r)
	}
	return a, err
}

// ReadAnswer reads a response of any server and checks it against the contract.
func ReadAnswer(method, path string, res *http.Response) (Answer, error) {
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Status: res.StatusCode, Header: res.Header, Body: body}
	if a.Status >= http.StatusBadRequest {
		remember(placeOf(method, path), body)
	}
	if err := CheckAnswer(method, path, res, body); err != nil {
		return a, err
	}
	rememberValues(method, path, res, body)
	return a, nil
}

// Request returns a request to the harness. Headers are pairs of name and value.
func (h *Harness) Request(method, path, body string, headers ...string) *http.Request {
	r, err := http.NewRequestWithContext(context.Background(), method, h.URL+path, strings.NewReader(body))
	if err != nil {
		panic(err) // the test is wrong
	}
	if body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// Password is a password that the policy accepts.
const Password = "correct horse battery staple"

// Register sends a registration.
func (h *Harness) Register(tb testing.TB, email, username, password string) Answer {
	tb.Helper()
	return h.PostJSON(tb, RegisterPath, map[string]any{"email": email, "username": username, "password": password})
}

// MustRegister registers a user whose email begins with its name, and returns its first token.
func (h *Harness) MustRegister(tb testing.TB, username string) string {
	tb.Helper()
	a := h.Register(tb, username+"@example.com", username, Password)
	if a.Status != http.StatusCreated {
		tb.Fatalf("register %s: %d %s", username, a.Status, a.Body)
	}
	return a.Text("token.access_token")
}

// PostJSON posts a value as JSON.
func (h *Harness) PostJSON(tb testing.TB, path string, value any) Answer {
	tb.Helper()
	body, err := json.Marshal(value)
	must(tb, err)
	return h.Do(tb, h.Request(http.MethodPost, path, string(body), "Content-Type", "application/json"))
}

// Login sends the login's form. Fields are pairs of name and value.
func (h *Harness) Login(tb testing.TB, fields ...string) Answer {
	tb.Helper()
	return h.Do(tb, h.LoginRequest(fields...))
}

// LoginRequest returns a request with the login's form. Fields are pairs of name and value.
func (h *Harness) LoginRequest(fields ...string) *http.Request {
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return h.Request(http.MethodPost, LoginPath, form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

// Me requests the user of a token.
func (h *Harness) Me(tb testing.TB, token string) Answer {
	tb.Helper()
	return h.Do(tb, h.Request(http.MethodGet, MePath, "", "Authorization", "Bearer "+token))
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
