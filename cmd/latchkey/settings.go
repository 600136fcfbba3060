package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"

	"github.com/latchkey-auth/latchkey/impl/secret"
)

// prefix begins the name of every setting.
const prefix = "LATCHKEY_"

// settings are all settings. The tags are the only list of their names, defaults and help texts.
// The tag `default` is for the help only. It stands where the default isn't a plain value.
//
//nolint:lll // reflect reads a tag only from one line
type settings struct {
	Addr               string        `env:"ADDR"                     envDefault:"127.0.0.1:8000" help:"host:port to listen on; port 0 means any free port"`
	DatabaseURL        secret.Text   `env:"DATABASE_URL"                                         help:"postgres://user:password@host:port/database"                                                                                            default:"an embedded PostgreSQL in the data folder"`
	DatabaseMaxConns   int32         `env:"DATABASE_MAX_CONNS"       envDefault:"10"             help:"largest number of connections to the database, 1 to 1000; overrides the URL's pool_max_conns"`
	DatabaseWait       time.Duration `env:"DATABASE_WAIT"            envDefault:"10s"            help:"how long serve and migrate wait for a database that can't be reached yet, 0s to 1h"`
	DatabasePooler     string        `env:"DATABASE_POOLER"          envDefault:"off"            help:"transaction if the URL leads to a connection pooler in transaction mode, such as PgBouncer; otherwise off"`
	DataDir            string        `env:"DATA_DIR"                                             help:"data folder: the embedded PostgreSQL, the secret key that was made, and mails that aren't sent"                                                                                                 default:".latchkey in the working folder, or /var/lib/latchkey for root"`
	PostgresBin        string        `env:"POSTGRES_BIN"                                         help:"folder of the programs postgres and initdb for the embedded PostgreSQL"                                                                 default:"searched for"`
	SecretKey          secret.Text   `env:"SECRET_KEY"                                           help:"key of the refresh tokens, the mailed codes and the seal on the signing keys; at least 32 bytes, from openssl rand -base64 48"                        default:"made once and kept in the data folder; required with LATCHKEY_DATABASE_URL"`
	SecretKeyPrevious  secret.Text   `env:"SECRET_KEY_PREVIOUS"                                  help:"the former secret key, so that a change logs nobody out"                                                                                default:"none"`
	JWTAlgorithm       string        `env:"JWT_ALGORITHM"            envDefault:"ES256"          help:"signature algorithm of access tokens: ES256, EdDSA, RS256, or HS256 with the secret key"`
	KeyRotation        time.Duration `env:"KEY_ROTATION"             envDefault:"0s"             help:"interval between new signing keys, 1h to 87600h; 0s means that only latchkey key rotate makes one"`
	KeyLead            time.Duration `env:"KEY_LEAD"                 envDefault:"20m"            help:"how long a new signing key is published before it signs, 6m to 24h; longer than any gateway caches the keys"`
	JWTIssuer          string        `env:"JWT_ISSUER"               envDefault:"latchkey"       help:"iss of the tokens; tokens with another one are refused"`
	JWTAudience        string        `env:"JWT_AUDIENCE"             envDefault:"latchkey:auth"  help:"aud of the tokens; tokens with another one are refused"`
	TokenClaims        []string      `env:"TOKEN_CLAIMS"                                         help:"members of app_metadata that access tokens have in ext, separated by commas, such as app_metadata.plan; at most 16, and 1024 bytes of JSON together" default:"none"`
	AccessTokenTTL     time.Duration `env:"ACCESS_TOKEN_TTL"         envDefault:"15m"            help:"lifetime of an access token, 1s to 24h"`
	RefreshTokenTTL    time.Duration `env:"REFRESH_TOKEN_TTL"        envDefault:"720h"           help:"lifetime of a refresh token, and so of a session without a refresh, 1s to 8760h"`
	RefreshReuseWindow time.Duration `env:"REFRESH_REUSE_WINDOW"     envDefault:"10s"            help:"how long an exchanged refresh token returns its successor again, 0s to 5m; later use ends the session"`
	SessionTTL         time.Duration `env:"SESSION_TTL"              envDefault:"2160h"          help:"longest lifetime of a session with any number of refreshes, LATCHKEY_REFRESH_TOKEN_TTL to 87600h"`
	PasswordMinLength  int           `env:"PASSWORD_MIN_LENGTH"      envDefault:"8"              help:"smallest length of a new password in characters, 8 to 64; NIST SP 800-63B-4 requires 15 for a single factor"`
	PasswordHashMemory uint32        `env:"PASSWORD_HASH_MEMORY_KIB" envDefault:"19456"          help:"memory of argon2id in KiB, 8 to 1048576, and at least 8 for each lane"`
	PasswordHashPasses uint32        `env:"PASSWORD_HASH_PASSES"     envDefault:"2"              help:"passes of argon2id, 1 to 64"`
	PasswordHashLanes  uint8         `env:"PASSWORD_HASH_LANES"      envDefault:"1"              help:"lanes of argon2id, 1 to 16"`
	SessionsPerUser    int           `env:"SESSIONS_PER_USER"        envDefault:"100"            help:"largest number of sessions of one user, 1 to 1000; another login ends the least recently used session"`
	RateLimits         string        `env:"RATE_LIMITS"              envDefault:"on"             help:"on or off; off is for benchmarks only, because passwords can then be guessed without limit"`
	Registration       string        `env:"REGISTRATION"             envDefault:"open"           help:"who may register: open, verified (once a mailed code has proved the email) or closed (only latchkey user create makes users)"`
	VerifiedEmail      string        `env:"REQUIRE_VERIFIED_EMAIL"   envDefault:"off"            help:"on if a login with a password needs a mailed code until the email is proved; not with LATCHKEY_REGISTRATION=open"`
	EventsRetention    time.Duration `env:"EVENTS_RETENTION"         envDefault:"9600h"          help:"how long the events of accounts are kept, 24h to 87600h"`
	PublicURL          string        `env:"PUBLIC_URL"                                           help:"URL at which clients reach the service, such as https://example.com/auth"                           default:"taken from each request"`
	IdleTimeout        time.Duration `env:"IDLE_TIMEOUT"             envDefault:"2m"             help:"how long an idle connection is kept, 1s to 1h; longer than the balancer in front keeps it"`
	TrustedProxies     []string      `env:"TRUSTED_PROXIES"                                      help:"networks of the reverse proxies in front, separated by commas, such as 10.0.0.0/8; their Forwarded or X-Forwarded-For names the client" default:"none"`
	MetricsAddr        string        `env:"METRICS_ADDR"                                         help:"host:port that serves /metrics in Prometheus' text format; don't make it public"                                                        default:"none"`
	CORSOrigins        []string      `env:"CORS_ORIGINS"                                         help:"origins whose pages may call the API from a browser, separated by commas, such as https://app.example.com"                              default:"none"`
	SessionCookies     string        `env:"SESSION_COOKIES"          envDefault:"off"            help:"on or off; on lets pages keep the refresh token in a cookie that no script reads; requires LATCHKEY_PUBLIC_URL"`
	SMTPURL            secret.Text   `env:"SMTP_URL" help:"server that sends the mails: smtp://user:password@host:587 demands STARTTLS, smtps://host:465 is TLS from the beginning" default:"mails are written to the folder mails in the data folder"`
	MailFrom           string        `env:"MAIL_FROM" envDefault:"Latchkey <latchkey@localhost>" help:"sender of the mails, such as Example <auth@example.com>; required with LATCHKEY_SMTP_URL"`
	MailDir            string        `env:"MAIL_DIR" help:"folder whose files <language>/<mail>.txt and .html replace the texts of the mails" default:"none"`
	MailLinkPath       string        `env:"MAIL_LINK_PATH" envDefault:"/account" help:"page of the application that mails lead to: a path below LATCHKEY_PUBLIC_URL, or an address if the page has another origin"`
	LogFormat          string        `env:"LOG_FORMAT"               envDefault:"text"           help:"text or json; the log goes to stderr"`
	LogLevel           string        `env:"LOG_LEVEL"                envDefault:"info"           help:"debug, info, warn or error; successful probes are logged at debug, other requests at info"`
	DrainDelay         time.Duration `env:"DRAIN_DELAY"                                          help:"how long requests are accepted after SIGTERM while /readyz returns 503, 0s to 5m"                                                       default:"5s, or 0s if LATCHKEY_ADDR is a loopback address"`
}

// embedded reports whether this process runs the database.
func (s settings) embedded() bool { return s.DatabaseURL.IsZero() }

// defaultDrainDelay is longer than most balancers need to notice that an instance isn't ready.
const defaultDrainDelay = 5 * time.Second

// logLevel returns the log level. The setting was checked before.
func (s settings) logLevel() slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel))
	return level
}

// isLoopback reports whether only this machine can reach an address. If so, no balancer is in front
// of the server.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// setting is one field of [settings].
type setting struct {
	field, name, standard, help string
	kind                        reflect.Type
}

// known returns every setting.
func known() []setting {
	var list []setting
	for f := range reflect.TypeFor[settings]().Fields() {
		standard, ok := f.Tag.Lookup("envDefault")
		if !ok {
			standard = f.Tag.Get("default")
		}
		list = append(list, setting{f.Name, prefix + f.Tag.Get("env"), standard, f.Tag.Get("help"), f.Type})
	}
	return list
}

// The settings that matter to the commands that don't serve. Each command checks all settings that
// are set.
var (
	databaseSettings = []string{
		"DATABASE_URL", "DATABASE_MAX_CONNS", "DATABASE_POOLER", "DATA_DIR", "POSTGRES_BIN", "LOG_FORMAT", "LOG_LEVEL",
	}
	userSettings = append([]string{
		"PASSWORD_MIN_LENGTH", "PASSWORD_HASH_MEMORY_KIB", "PASSWORD_HASH_PASSES", "PASSWORD_HASH_LANES",
	}, databaseSettings...)
	keySettings = append([]string{
		"SECRET_KEY", "SECRET_KEY_PREVIOUS", "JWT_ALGORITHM", "KEY_LEAD", "ACCESS_TOKEN_TTL",
	}, databaseSettings...)
	migrateSettings = append([]string{"DATABASE_WAIT"}, databaseSettings...)
	mailSettings    = []string{"MAIL_DIR", "MAIL_FROM"}
	healthSettings  = []string{"ADDR"}
)

// exitStatusHelp ends every command's help.
const exitStatusHelp = "\nExit status: 0 for success, 2 for a wrong command line or setting, 1 for any other failure.\n"

// addSettings adds the list of the named settings, or of all without a name, to the help of a
// command and of the commands below it.
func addSettings(cmd *cobra.Command, names ...string) *cobra.Command {
	var b strings.Builder
	b.WriteString("\nSettings (environment variables; an empty one counts as not set):\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, s := range known() {
		if len(names) == 0 || slices.Contains(names, strings.TrimPrefix(s.name, prefix)) {
			_, _ = fmt.Fprintf(w, "  %s\t%s\n  \tdefault: %s\n", s.name, s.help, s.standard)
		}
	}
	_ = w.Flush() // it writes to memory
	b.WriteString("\nEach setting can be read from a file instead, as in LATCHKEY_SECRET_KEY_FILE=/run/secrets/key.\n")
	if len(names) > 0 {
		b.WriteString("`latchkey serve --help` lists all settings.\n")
	}
	cmd.SetUsageTemplate((&cobra.Command{}).UsageTemplate() + b.String() + exitStatusHelp)
	return cmd
}

// loadSettings reads and checks all settings. Its error lists every problem on one line.
func loadSettings(environ []string) (settings, error) {
	var s settings
	values, problems := readEnvironment(environ, known())
	err := env.ParseWithOptions(&s, env.Options{
		Prefix:      prefix,
		Environment: values,
		FuncMap: map[reflect.Type]env.ParserFunc{
			reflect.TypeFor[secret.Text](): func(v string) (any, error) { return secret.New(v), nil },
		},
	})
	broken, err := unparsed(err, values)
	if err != nil {
		return settings{}, err
	}
	if s.DataDir == "" {
		s.DataDir = ".latchkey"
		if os.Geteuid() == 0 {
			// As root, PostgreSQL runs as another user, who can't enter a home of mode 0700.
			s.DataDir = "/var/lib/latchkey"
		}
	}
	if _, isSet := values[prefix+"DRAIN_DELAY"]; !isSet && !isLoopback(s.Addr) {
		s.DrainDelay = defaultDrainDelay
	}
	for _, c := range checks {
		if _, isBroken := broken[c.name]; isBroken {
			continue
		}
		if problem := c.check(s); problem != "" {
			broken[c.name] = problem
		}
	}
	for _, k := range known() {
		if problem, ok := broken[strings.TrimPrefix(k.name, prefix)]; ok {
			problems = append(problems, k.name+" "+problem)
		}
	}
	if len(problems) > 0 {
		return settings{}, usageError{fmt.Errorf("%s", strings.Join(problems, "; "))}
	}
	return s, nil
}
