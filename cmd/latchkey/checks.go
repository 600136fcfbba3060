package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/keyring"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// checks validate the parsed settings. A check returns what is wrong, or "" if the setting is
// valid. The text never contains a secret.
var checks = []struct {
	name  string // without the prefix
	check func(settings) string
}{
	{"ADDR", func(s settings) string { return checkAddr(s.Addr) }},
	{"DATABASE_URL", func(s settings) string { return checkDatabaseURL(s.DatabaseURL) }},
	{"DATABASE_MAX_CONNS", func(s settings) string { return within(int64(s.DatabaseMaxConns), 1, 1000) }},
	{"DATABASE_WAIT", func(s settings) string { return lasting(s.DatabaseWait, 0, time.Hour) }},
	{"DATABASE_POOLER", func(s settings) string { return oneOf(s.DatabasePooler, "off", "transaction") }},
	{"SECRET_KEY", func(s settings) string { return checkSecretKey(s.SecretKey) }},
	{"SECRET_KEY_PREVIOUS", func(s settings) string { return checkSecretKey(s.SecretKeyPrevious) }},
	{"JWT_ALGORITHM", func(s settings) string { return oneOf(s.JWTAlgorithm, keyring.Algorithms...) }},
	{"KEY_ROTATION", checkKeyRotation},
	{"KEY_LEAD", func(s settings) string { return lasting(s.KeyLead, keyring.MinLead, 24*time.Hour) }},
	{"SESSIONS_PER_USER", func(s settings) string { return within(int64(s.SessionsPerUser), 1, 1000) }},
	{"JWT_ISSUER", func(s settings) string { return checkName(s.JWTIssuer) }},
	{"JWT_AUDIENCE", func(s settings) string { return checkName(s.JWTAudience) }},
	{"TOKEN_CLAIMS", func(s settings) string {
		_, problem := tokenClaims(s.TokenClaims)
		return problem
	}},
	{"ACCESS_TOKEN_TTL", func(s settings) string { return lasting(s.AccessTokenTTL, time.Second, 24*time.Hour) }},
	{"REFRESH_TOKEN_TTL", func(s settings) string { return lasting(s.RefreshTokenTTL, time.Second, 365*24*time.Hour) }},
	{"REFRESH_REUSE_WINDOW", checkReuseWindow},
	{"SESSION_TTL", checkSessionTTL},
	{"PASSWORD_MIN_LENGTH", func(s settings) string { return within(int64(s.PasswordMinLength), 8, 64) }},
	// More than 1 GiB for one login is of no use. Hashes run on all processors at once, so it would
	// also exceed the memory of most machines.
	{"PASSWORD_HASH_MEMORY_KIB", func(s settings) string {
		return within(int64(s.PasswordHashMemory), max(8, 8*int64(s.PasswordHashLanes)), 1<<20)
	}},
	{"PASSWORD_HASH_PASSES", func(s settings) string { return within(int64(s.PasswordHashPasses), 1, 64) }},
	{"PASSWORD_HASH_LANES", func(s settings) string { return within(int64(s.PasswordHashLanes), 1, 16) }},
	{"RATE_LIMITS", func(s settings) string { return oneOf(s.RateLimits, "on", "off") }},
	{"REGISTRATION", func(s settings) string { return oneOf(s.Registration, "open", "verified", "closed") }},
	{"REQUIRE_VERIFIED_EMAIL", checkRequireVerified},
	{"EVENTS_RETENTION", func(s settings) string { return lasting(s.EventsRetention, 24*time.Hour, 10*365*24*time.Hour) }},
	{"PUBLIC_URL", func(s settings) string { return checkPublicURL(s.PublicURL) }},
	{"IDLE_TIMEOUT", func(s settings) string { return lasting(s.IdleTimeout, time.Second, time.Hour) }},
	{"TRUSTED_PROXIES", func(s settings) string {
		_, problem := proxies(s.TrustedProxies)
		return problem
	}},
	{"METRICS_ADDR", func(s settings) string {
		if s.MetricsAddr == "" {
			return ""
		}
		return checkAddr(s.MetricsAddr)
	}},
	{"CORS_ORIGINS", func(s settings) string { return checkOrigins(s.CORSOrigins) }},
	{"SESSION_COOKIES", checkSessionCookies},
	{"SMTP_URL", func(s settings) string { return checkSMTPURL(s.SMTPURL) }},
	{"MAIL_FROM", checkMailFrom},
	{"MAIL_LINK_PATH", func(s settings) string { return checkLinkPath(s.MailLinkPath) }},
	{"LOG_FORMAT", func(s settings) string { return oneOf(s.LogFormat, "text", "json") }},
	{"LOG_LEVEL", func(s settings) string { return oneOf(s.LogLevel, "debug", "info", "warn", "error") }},
	{"DRAIN_DELAY", func(s settings) string { return lasting(s.DrainDelay, 0, 5*time.Minute) }},
}

func checkAddr(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Sprintf("is %q, must be host:port", addr)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Sprintf("has the port %q, must be 0 to 65535", port)
	} else if strconv.FormatUint(n, 10) != port {
		return fmt.Sprintf("has the port %q, must be a plain number", port)
	}
	return ""
}

func isNotPrintableASCII(r rune) bool { return r <= ' ' || r > '~' }

func checkPublicURL(text string) string {
	u, err := url.Parse(text)
	isPlain := err == nil && (u.Scheme == "https" || u.Scheme == "http") &&
		u.Host != "" && u.User == nil && u.Opaque == "" &&
		!strings.ContainsAny(text, "?#") && !strings.ContainsFunc(text, isNotPrintableASCII) &&
		!strings.Contains(u.Path, "//") &&
		path.Clean("/"+u.Path) == "/"+strings.Trim(u.Path, "/")
	if text != "" && !isPlain {
		return "must be an address such as https://auth.example.com or https://example.com/auth, without a query"
	}
	if text == "" {
		return ""
	}
	// The origin is compared with the Origin header, and browsers write an origin in only one way.
	if sent, ok := serializeOrigin(u.Scheme + "://" + u.Host); !ok || sent != u.Scheme+"://"+u.Host {
		return fmt.Sprintf("has the origin %s://%s, which browsers write as %s", u.Scheme, u.Host, sent)
	}
	return ""
}

// checkSessionCookies demands a public URL from which a browser keeps the cookie secret.
func checkSessionCookies(s settings) string {
	if problem := oneOf(s.SessionCookies, "on", "off"); problem != "" || s.SessionCookies == "off" {
		return problem
	}
	u, err := url.Parse(s.PublicURL)
	if err != nil || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(net.JoinHostPort(u.Hostname(), "0"))) {
		return "is on, and needs LATCHKEY_PUBLIC_URL with https, or with http at a loopback address for development"
	}
	if strings.Contains(u.EscapedPath(), ";") {
		return "is on, and LATCHKEY_PUBLIC_URL has a semicolon in its path, which no cookie can have"
	}
	return ""
}

// checkDatabaseURL never repeats the URL, because the URL contains the password. The parser's
// errors do repeat it. They omit the password, but in a malformed URL they can only guess where it
// is.
func checkDatabaseURL(secret secret.Text) string {
	if secret.IsZero() {
		return ""
	}
	text := databaseURL(secret)
	u, err := url.Parse(firstHost(text))
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "can't be read (it isn't shown, because it has a password); " +
			"it must be postgres://user:password@host:port/database with special characters percent-encoded"
	}
	var refused *pgconn.ParseConfigError
	if _, err := pgxpool.ParseConfig(text); errors.As(err, &refused) && refused.Unwrap() != nil {
		return "is refused: " + refused.Unwrap().Error() // such as a certificate's file that is missing
	} else if err != nil {
		return "is refused: one of its parameters is wrong"
	}
	return ""
}

// firstHost removes all hosts but the first, because net/url accepts only one.
func firstHost(text string) string { return severalHosts.ReplaceAllString(text, "$1") }

var severalHosts = regexp.MustCompile(`^([a-z]+://(?:[^/?#]*@)?[^/?#@,]*),[^/?#@]*`)

func checkSecretKey(key secret.Text) string {
	if key.IsZero() {
		return ""
	}
	if err := secret.CheckKey(key); err != nil {
		return fmt.Sprintf("is refused: %v; make one with: openssl rand -base64 48", err)
	}
	return ""
}

func checkReuseWindow(s settings) string {
	if problem := lasting(s.RefreshReuseWindow, 0, 5*time.Minute); problem != "" {
		return problem
	}
	if s.RefreshReuseWindow > s.RefreshTokenTTL/2 {
		return fmt.Sprintf("is %s, must be at most half of LATCHKEY_REFRESH_TOKEN_TTL, %s",
			s.RefreshReuseWindow, s.RefreshTokenTTL)
	}
	return ""
}

func checkSessionTTL(s settings) string {
	if problem := lasting(s.SessionTTL, time.Second, 10*365*24*time.Hour); problem != "" {
		return problem
	}
	if s.SessionTTL < s.RefreshTokenTTL {
		return fmt.Sprintf("is %s, must be at least LATCHKEY_REFRESH_TOKEN_TTL, %s", s.SessionTTL, s.RefreshTokenTTL)
	}
	return ""
}

func checkRequireVerified(s settings) string {
	if problem := oneOf(s.VerifiedEmail, "on", "off"); problem != "" {
		return problem
	}
	if s.VerifiedEmail == "on" && s.Registration == string(auth.RegistrationOpen) {
		return "is on, but LATCHKEY_REGISTRATION=open opens a session before an email is proved; make that verified or closed"
	}
	return ""
}

func checkKeyRotation(s settings) string {
	switch {
	case s.KeyRotation == 0:
		return ""
	case s.JWTAlgorithm == "HS256":
		return "is " + s.KeyRotation.String() + ", but HS256 signs with the secret key, which only you can change"
	}
	if problem := lasting(s.KeyRotation, time.Hour, 10*365*24*time.Hour); problem != "" {
		return problem
	}
	if s.KeyRotation <= s.KeyLead {
		return fmt.Sprintf("is %s, must be longer than LATCHKEY_KEY_LEAD, %s", s.KeyRotation, s.KeyLead)
	}
	return ""
}

func checkName(name string) string {
	if len(name) > 255 || strings.ContainsFunc(name, isNotPrintableASCII) {
		return fmt.Sprintf("is %q, must be at most 255 visible ASCII characters without spaces", name)
	}
	return ""
}

func within(n, low, high int64) string {
	if n < low || n > high {
		return fmt.Sprintf("is %d, must be %d to %d", n, low, high)
	}
	return ""
}

func lasting(d, low, high time.Duration) string {
	if d < low || d > high {
		return fmt.Sprintf("is %s, must be %s to %s", d, low, high)
	}
	return ""
}

func oneOf(value string, allowed ...string) string {
	if slices.Contains(allowed, value) {
		return ""
	}
	return fmt.Sprintf("is %q, must be %s", value, strings.Join(allowed, " or "))
}
