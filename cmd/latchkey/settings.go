package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"reflect"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/latchkey-auth/latchkey/impl/secret"
)

// prefix begins the name of every setting.
const prefix = "LATCHKEY_"

// settings are all that can be set. The tags are the one list of them: names, defaults and the help's text.
// A tag `default` is for the help alone, where there is more to say than a value.
type settings struct {
	Addr               string        `env:"ADDR" envDefault:"127.0.0.1:8000" help:"host:port to listen on; port 0 takes a free one"`
	DatabaseURL        secret.Text   `env:"DATABASE_URL" default:"an embedded PostgreSQL in the data folder" help:"postgres://user:password@host:port/database"`
	DatabaseMaxConns   int32         `env:"DATABASE_MAX_CONNS" envDefault:"10" help:"connections to the database at most; wins over the URL's pool_max_conns"`
	DatabaseWait       time.Duration `env:"DATABASE_WAIT" envDefault:"10s" help:"how long serve and migrate wait for a database that can't be reached yet"`
	DatabasePooler     string        `env:"DATABASE_POOLER" envDefault:"off" help:"transaction where the URL leads to a connection pooler in transaction mode, such as PgBouncer; else off"`
	DataDir            string        `env:"DATA_DIR" default:".latchkey in the working folder; for root /var/lib/latchkey" help:"data folder of the embedded PostgreSQL"`
	PostgresBin        string        `env:"POSTGRES_BIN" default:"looked for" help:"folder with the programs postgres and initdb for the embedded PostgreSQL"`
	SecretKey          secret.Text   `env:"SECRET_KEY" default:"made once and kept in the data folder; with LATCHKEY_DATABASE_URL it must be set" help:"makes the refresh tokens and seals the signing keys; at least 32 bytes, from openssl rand -base64 48"`
	SecretKeyPrevious  secret.Text   `env:"SECRET_KEY_PREVIOUS" default:"none" help:"the secret key before it was changed, so that the change logs nobody out"`
	JWTAlgorithm       string        `env:"JWT_ALGORITHM" envDefault:"ES256" help:"what access tokens are signed with: ES256, EdDSA, RS256, or HS256 with the secret key"`
	KeyRotation        time.Duration `env:"KEY_ROTATION" envDefault:"0s" help:"how often a new signing key is made, 1h or more; 0s for never, then latchkey key rotate does it"`
	KeyLead            time.Duration `env:"KEY_LEAD" envDefault:"20m" help:"how long a new signing key is published before it signs, 6m to 24h: longer than any gateway keeps the keys"`
	JWTIssuer          string        `env:"JWT_ISSUER" envDefault:"latchkey" help:"the tokens' iss, which is demanded of them too"`
	JWTAudience        string        `env:"JWT_AUDIENCE" envDefault:"latchkey:auth" help:"the tokens' aud, which is demanded of them too"`
	AccessTokenTTL     time.Duration `env:"ACCESS_TOKEN_TTL" envDefault:"15m" help:"life of an access token, 1s to 24h"`
	RefreshTokenTTL    time.Duration `env:"REFRESH_TOKEN_TTL" envDefault:"720h" help:"life of a refresh token, and so of a session that nobody refreshes, 1s to 8760h"`
	RefreshReuseWindow time.Duration `env:"REFRESH_REUSE_WINDOW" envDefault:"10s" help:"how long a refresh token that was exchanged gives its successor again, 0s to 5m; later it ends the session"`
	SessionTTL         time.Duration `env:"SESSION_TTL" envDefault:"2160h" help:"life of a session however often it is refreshed, LATCHKEY_REFRESH_TOKEN_TTL to 87600h"`
	PasswordMinLength  int           `env:"PASSWORD_MIN_LENGTH" envDefault:"8" help:"least length of a new password in characters, 8 to 64; NIST SP 800-63B-4 asks for 15 if it is the only factor"`
	PasswordHashMemory uint32        `env:"PASSWORD_HASH_MEMORY_KIB" envDefault:"19456" help:"argon2id: memory in KiB"`
	PasswordHashPasses uint32        `env:"PASSWORD_HASH_PASSES" envDefault:"2" help:"argon2id: passes"`
	PasswordHashLanes  uint8         `env:"PASSWORD_HASH_LANES" envDefault:"1" help:"argon2id: lanes"`
	SessionsPerUser    int           `env:"SESSIONS_PER_USER" envDefault:"100" help:"sessions of one user at most, 1 to 1000; a log-in beyond ends the one that was used least recently"`
	RateLimits         string        `env:"RATE_LIMITS" envDefault:"on" help:"on or off; off only for measuring, as passwords can then be guessed without end"`
	PublicURL          string        `env:"PUBLIC_URL" default:"as each request says" help:"where clients find the service, such as https://example.com/auth; the metadata's addresses are under it"`
	IdleTimeout        time.Duration `env:"IDLE_TIMEOUT" envDefault:"2m" help:"how long an idle connection is kept, 1s to 1h: longer than the balancer in front keeps it"`
	TrustedProxies     []string      `env:"TRUSTED_PROXIES" default:"none" help:"networks of the reverse proxies in front, separated by commas, such as 10.0.0.0/8; their Forwarded or X-Forwarded-For then says who asks"`
	MetricsAddr        string        `env:"METRICS_ADDR" default:"none" help:"host:port on which /metrics answers, in Prometheus' text format, for nobody outside to reach"`
	CORSOrigins        []string      `env:"CORS_ORIGINS" default:"none" help:"origins whose pages may call the API from a browser, separated by commas, such as https://app.example.com"`
	LogFormat          string        `env:"LOG_FORMAT" envDefault:"text" help:"text or json; the log goes to stderr"`
	LogLevel           string        `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error; a probe that succeeds is logged at debug, other requests at info"`
	DrainDelay         time.Duration `env:"DRAIN_DELAY" default:"5s; 0s where LATCHKEY_ADDR is a loopback address" help:"how long requests are still taken after SIGTERM, while /readyz says 503, 0s to 5m"`
}

// embedded reports whether the database is ours to run.
func (s settings) embedded() bool { return s.DatabaseURL.IsZero() }

// defaultDrainDelay is longer than most balancers take to see that an instance is no longer ready.
const defaultDrainDelay = 5 * time.Second

// logLevel is the level of the log. The setting was checked.
func (s settings) logLevel() slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel))
	return level
}

// isLoopback reports whether only this machine reaches an address, so that no balancer is in front.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// setting is one line of the list above.
type setting struct {
	field, name, standard, help string
	kind                        reflect.Type
}

// known lists every setting.
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

// settingsHelp is the part of every command's help that lists the settings.
func settingsHelp() string {
	var b strings.Builder
	b.WriteString("Settings (environment variables; an empty one counts as not set):\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, s := range known() {
		_, _ = fmt.Fprintf(w, "  %s\t%s\n  \tdefault: %s\n", s.name, s.help, s.standard)
	}
	_ = w.Flush() // into memory
	b.WriteString("\nEach can be read from a file instead: LATCHKEY_SECRET_KEY_FILE=/run/secrets/key, say.\n" +
		"Exit status: 0 for success, 2 for a wrong command line or setting, 1 for any other failure.\n")
	return b.String()
}

// loadSettings reads and checks all settings; its error names everything that is wrong, on one line.
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
			// The user that PostgreSQL runs as then can't enter a home of mode 0700.
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
