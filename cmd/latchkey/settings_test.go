package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/auth/password"
)

func TestDefaults(t *testing.T) {
	t.Parallel()
	s, err := loadSettings(nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(password.DefaultParams, passwordParams(s)); diff != "" {
		t.Errorf("password parameters (-auth +settings):\n%s", diff)
	}
	if !s.embedded() {
		t.Error("the default is not the embedded database")
	}
	for _, k := range known() {
		if k.help == "" || k.standard == "" {
			t.Errorf("%s has no help or no default", k.name)
		}
	}
}

// No way of printing the settings shows a secret.
func TestSettingsShowNoSecret(t *testing.T) {
	t.Parallel()
	s, err := loadSettings([]string{
		"LATCHKEY_SECRET_KEY=" + testKey, "LATCHKEY_DATABASE_URL=postgres://ada:canary@localhost/latchkey",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(verb, s); strings.Contains(text, testKey) || strings.Contains(text, "canary") {
			t.Errorf("%s shows a secret: %s", verb, text)
		}
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, value, want string }{
		{"ADDR", ":8000", ""},
		{"ADDR", "[::1]:0", ""},
		{"ADDR", "localhost:65535", ""},
		{"ADDR", "8000", "must be host:port"},
		{"ADDR", "localhost:65536", "must be 0 to 65535"},
		{"ADDR", "localhost:http", "must be 0 to 65535"},
		{"ADDR", "localhost:080", "must be a plain number"},
		{"DATABASE_URL", "postgresql://localhost/latchkey", ""},
		{"DATABASE_URL", "postgres://ada:p%40ss@a,b:6543/latchkey?target_session_attrs=read-write", ""},
		{"DATABASE_URL", "mysql://localhost/latchkey", "can't be read"},
		{"DATABASE_URL", "host=localhost", "can't be read"},
		{"DATABASE_URL", "postgres://localhost:port/latchkey", "can't be read"},
		{"DATABASE_URL", "postgres://localhost/latchkey?sslmode=odd&password=canary", "sslmode is invalid"},
		{"DATABASE_URL", "postgres://localhost/latchkey?sslmode=verify-full&sslrootcert=/missing&password=canary",
			"no such file"},
		{"DATABASE_URL", "postgres://localhost/latchkey?pool_max_conns=canary", "is refused"},
		{"DATABASE_WAIT", "0s", ""},
		{"DATABASE_WAIT", "-1s", "must be 0s to 1h0m0s"},
		{"CORS_ORIGINS", "https://app.example.com", ""},
		{"CORS_ORIGINS", "https://app.example.com,http://localhost:5173,http://[::1]:5173,tauri://localhost", ""},
		{"CORS_ORIGINS", "http://my_app.example.com,https://xn--bcher-kva.example", ""},
		{"CORS_ORIGINS", "https://B\u00fccher.example", "browsers send as https://xn--bcher-kva.example"},
		{"CORS_ORIGINS", "*", "without a path or a wildcard"},
		{"CORS_ORIGINS", "null", "without a path or a wildcard"},
		{"CORS_ORIGINS", "https://*.example.com", "without a path or a wildcard"},
		{"CORS_ORIGINS", "https://app.example.com, https://b.example", "without a path or a wildcard"},
		{"CORS_ORIGINS", "https://app.example.com,", "without a path or a wildcard"},
		{"CORS_ORIGINS", "https://ada@app.example.com", "without a path or a wildcard"},
		{"CORS_ORIGINS", "https://app.example.com?", "without a path or a wildcard"},
		{"CORS_ORIGINS", "https://app.example.com#", "without a path or a wildcard"},
		{"CORS_ORIGINS", "app.example.com", "without a path or a wildcard"},
		{"CORS_ORIGINS", "https://", "without a path or a wildcard"},
		{"CORS_ORIGINS", "https://app.example.com:0x50", "without a path or a wildcard"},
		{"CORS_ORIGINS", "https://app.example.com:70000", "without a path or a wildcard"},
		{"CORS_ORIGINS", "https://app.example.com/", "browsers send as https://app.example.com"},
		{"CORS_ORIGINS", "https://app.example.com/login", "without a path or a wildcard"},
		{"CORS_ORIGINS", "HTTPS://App.Example.com:443", "browsers send as https://app.example.com"},
		{"CORS_ORIGINS", "http://localhost:080", "browsers send as http://localhost"},
		{"CORS_ORIGINS", "https://straße.example", "browsers send as https://xn--strae-oqa.example"},
		{"CORS_ORIGINS", "http://[0:0::1]:5173", "browsers send as http://[::1]:5173"},
		{"PUBLIC_URL", "https://example.com/auth", ""},
		{"PUBLIC_URL", "https://example.com/\u00fc", "must be an address"},
		{"SESSION_COOKIES", "off", ""},
		{"SESSION_COOKIES", "yes", "must be on or off"},
		{"SESSION_COOKIES", "on", "needs LATCHKEY_PUBLIC_URL"},
		{"SECRET_KEY", testKey, ""},
		{"SECRET_KEY", strings.Repeat("a", 64), "is refused"}, // B-13
		{"SECRET_KEY", "your-256-bit-secret-your-256-bit-secret", "is refused"},
		{"JWT_ISSUER", "https://auth.example.com/", ""},
		{"JWT_AUDIENCE", "a b", "without spaces"},
		{"TOKEN_CLAIMS", "app_metadata.plan,app_metadata.Team_2-b", ""},
		{"TOKEN_CLAIMS", "plan", "must be members of app_metadata"},
		{"TOKEN_CLAIMS", "user_metadata.plan", "must be members of app_metadata"},
		{"TOKEN_CLAIMS", "app_metadata.", "1 to 64 letters"},
		{"TOKEN_CLAIMS", "app_metadata.plan.name", "1 to 64 letters"},
		{"TOKEN_CLAIMS", "app_metadata.plan,app_metadata.plan", "stands twice"},
		{"TOKEN_CLAIMS", "app_metadata.plan, app_metadata.team", "must be members of app_metadata"},
		{"TOKEN_CLAIMS", strings.Repeat("app_metadata.a,", 16) + "app_metadata.b", "at most 16"},
		{"JWT_AUDIENCE", strings.Repeat("a", 256), "at most 255"},
		{"ACCESS_TOKEN_TTL", "1s", ""},
		{"ACCESS_TOKEN_TTL", "24h", ""},
		{"ACCESS_TOKEN_TTL", "999ms", "must be 1s to 24h0m0s"},
		{"ACCESS_TOKEN_TTL", "15", "must be a duration"},
		{"PASSWORD_MIN_LENGTH", "64", ""},
		{"PASSWORD_MIN_LENGTH", "65", "must be 8 to 64"},
		{"PASSWORD_HASH_MEMORY_KIB", "-1", "must be a whole number"},
		{"PASSWORD_HASH_LANES", "16", ""},
		{"PASSWORD_HASH_LANES", "17", "must be 1 to 16"},
		{"MAIL_FROM", "Example <auth@bücher.example>", ""},
		{"MAIL_LINK_PATH", "/account?from=mail", ""},
		{"MAIL_LINK_PATH", "https://app.example.com", ""},
		{"MAIL_LINK_PATH", "http://127.0.0.1:5173/account", ""},
		{"MAIL_LINK_PATH", "account", "must be a path"},
		{"MAIL_LINK_PATH", "//app.example.com/account", "must be a path"},
		{"MAIL_LINK_PATH", "/account#here", "must be a path"},
		{"MAIL_LINK_PATH", "https://app.example.com/#here", "must be a path"},
		{"MAIL_LINK_PATH", "https://ada@app.example.com/", "must be a path"},
		{"MAIL_LINK_PATH", "https://:8443/account", "must be a path"},
		{"MAIL_LINK_PATH", "javascript://app.example.com/", "must be a path"},
		{"MAIL_LINK_PATH", "javascript:alert(1)", "must be a path"},
		{"MAIL_LINK_PATH", "/a b", "must be a path"},
		{"MAIL_FROM", "auth", "must be an address such as"},
		{"MAIL_FROM", `"a b"@example.com`, "must be an address such as"},
		{"MAIL_FROM", "auth@[192.0.2.1]", "must be an address such as"},
		{"LOG_FORMAT", "JSON", "must be text or json"},
		{"REGISTRATION", "verified", ""},
		{"REGISTRATION", "closed", ""},
		{"REGISTRATION", "invited", "must be open or verified or closed"},
		{"REQUIRE_VERIFIED_EMAIL", "off", ""},
		{"REQUIRE_VERIFIED_EMAIL", "true", "must be on or off"},
		{"REQUIRE_VERIFIED_EMAIL", "on", "LATCHKEY_REGISTRATION=open opens a session"},
	} {
		t.Run(test.name+"="+test.value, func(t *testing.T) {
			t.Parallel()
			_, err := loadSettings([]string{prefix + test.name + "=" + test.value})
			if test.want == "" {
				if err != nil {
					t.Errorf("got %v, want no error", err)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), prefix+test.name+" ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s… %s", err, prefix+test.name, test.want)
			}
			if exitStatus(err) != 2 {
				t.Errorf("exit status %d, want 2", exitStatus(err))
			}
			hasPassword := test.name == "DATABASE_URL" && strings.Contains(test.value, "password")
			if hasPassword && strings.Contains(err.Error(), "canary") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

// A verified email can be demanded where no session is opened without one.
func TestRequireVerifiedEmail(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"verified", "closed"} {
		s, err := loadSettings([]string{prefix + "REGISTRATION=" + mode, prefix + "REQUIRE_VERIFIED_EMAIL=on"})
		if config := serviceConfig(s, &database{}); err != nil || !config.RequireVerifiedEmail ||
			string(config.Registration) != mode {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

// A cookie is sent over plain http on this machine only.
func TestSessionCookiesNeedAPublicURL(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"https://auth.example.com": true, "https://example.com/auth": true, "http://127.0.0.1:8000": true,
		"http://localhost:8000/auth": true, "http://[::1]:8000": true,
		"http://auth.example.com": false, "http://10.0.0.1": false, "http://localhost.example.com": false,
		"https://example.com/a;b": false, "": false,
	} {
		_, err := loadSettings([]string{"LATCHKEY_SESSION_COOKIES=on", "LATCHKEY_PUBLIC_URL=" + url})
		if (err == nil) != ok || err != nil && !strings.HasPrefix(err.Error(), "LATCHKEY_SESSION_COOKIES is on, and ") {
			t.Errorf("%s: got %v", url, err)
		}
	}
}

// The bounds that the checks enforce are the service's bounds. A value that passes the check
// doesn't fail later.
func TestChecksAgreeWithTheService(t *testing.T) {
	t.Parallel()
	for _, n := range []string{"8", "64"} {
		s, err := loadSettings([]string{"LATCHKEY_PASSWORD_MIN_LENGTH=" + n})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := password.NewPolicy(s.PasswordMinLength); err != nil {
			t.Error(err)
		}
	}
	for _, params := range [][3]string{{"8", "1", "1"}, {"1048576", "64", "16"}} {
		s, err := loadSettings([]string{
			"LATCHKEY_PASSWORD_HASH_MEMORY_KIB=" + params[0], "LATCHKEY_PASSWORD_HASH_PASSES=" + params[1],
			"LATCHKEY_PASSWORD_HASH_LANES=" + params[2],
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := passwordParams(s).Validate(); err != nil {
			t.Error(err)
		}
	}
}

// An unknown setting is answered with the one that was meant, if one is like it.
func TestNearest(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"DB_URL": "DATABASE_URL", "DB_URL_FILE": "DATABASE_URL_FILE", "DATABASE": "DATABASE_URL", "SECRET_KEI": "SECRET_KEY",
		"ADRR": "ADDR", "SMTP_URI": "SMTP_URL", "PASSWORD_LENGTH": "PASSWORD_MIN_LENGTH", "PROXIES": "TRUSTED_PROXIES",
		"CORS": "CORS_ORIGINS", "PORT": "", "HOST": "", "": "",
	} {
		if want != "" {
			want = prefix + want
		}
		if got := nearest(prefix+name, known()); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	_, problems := readEnvironment([]string{"LATCHKEY_PORT=8000"}, known())
	if diff := cmp.Diff([]string{"LATCHKEY_PORT is not a setting; latchkey serve --help lists all settings"}, problems); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// runHere runs a command in this process, without settings, and returns what it prints. The scripts
// run the binary.
func runHere(args ...string) (string, error) {
	var out strings.Builder
	err := run(context.Background(), args, nil, strings.NewReader(""), &out, &out)
	return out.String(), err
}

func TestRunIsUsableWithoutAProcess(t *testing.T) {
	t.Parallel()
	var out, errs strings.Builder
	if err := run(context.Background(), []string{"version"}, nil, strings.NewReader(""), &out, &errs); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "latchkey ") || errs.String() != "" {
		t.Errorf("got %q and %q", out.String(), errs.String())
	}
	environ := []string{"LATCHKEY_ADDR=x"}
	err := run(context.Background(), []string{"serve"}, environ, strings.NewReader(""), io.Discard, io.Discard)
	if exitStatus(err) != 2 {
		t.Errorf("got %v with exit status %d, want 2", err, exitStatus(err))
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"one":                      "one",
		"one\n":                    "one",
		"one:\n\n  two\r\nthree\t": "one:; two; three",
	} {
		if got := oneLine(text); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
