package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// documentedNginx returns the block of docs/deploying.md that begins with the given line.
func documentedNginx(t *testing.T, first string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "deploying.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range codeBlock.FindAllStringSubmatch(string(page), -1) {
		if block[1] == "nginx" && strings.HasPrefix(block[2], first) {
			return block[2]
		}
	}
	t.Fatalf("no block begins with %q", first)
	return ""
}

// startNginx starts Debian's nginx with the given locations in front of a server, and returns its
// URL.
func startNginx(t *testing.T, server, locations string) string {
	t.Helper()
	program := impltest.Installed(t, "/usr/sbin/nginx")
	dir, addr := openFolder(t), freeAddr(t)
	locations = strings.ReplaceAll(locations, "127.0.0.1:8000", strings.TrimPrefix(server, "http://"))
	config := fmt.Sprintf("daemon off;\nmaster_process off;\npid %[1]s/pid;\nerror_log stderr;\n"+
		"events {}\nhttp {\naccess_log off;\nclient_body_temp_path %[1]s/a;\nproxy_temp_path %[1]s/b;\n"+
		"fastcgi_temp_path %[1]s/c;\nuwsgi_temp_path %[1]s/d;\nscgi_temp_path %[1]s/e;\n"+
		"server {\nlisten %[2]s;\n%[3]s}\n}\n", dir, addr, locations)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-c", file, "-p", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out := &output{listening: make(chan string, 1)}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	if err := eventually("nginx listens", func() bool { return !isRefused("http://" + addr) }); err != nil {
		t.Fatal(err, out)
	}
	return "http://" + addr
}

// askRaw sends a request and doesn't follow redirects.
func askRaw(t *testing.T, method, target, token, body string) (res *http.Response, text string) {
	t.Helper()
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err = http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	read, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(read)
}

// Every address that the service publishes leads to it through a proxy, with and without a prefix.
func TestPrefix(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ block, prefix, setting string }{
		"at the root":                       {"location / {", "", ""},
		"under a prefix":                    {"location /auth/ {", "/auth", ""},
		"under a prefix that is set":        {"location /auth/ {", "/auth", "LATCHKEY_PUBLIC_URL="},
		"under the issuer, a URL":           {"location /auth/ {", "/auth", "LATCHKEY_JWT_ISSUER="},
		"the issuer has a slash at its end": {"location /auth/ {", "/auth", "LATCHKEY_JWT_ISSUER=/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environ := onDatabase(postgrestest.New(t), "LATCHKEY_TRUSTED_PROXIES=127.0.0.1")
			addr := freeAddr(t)
			locations := documentedNginx(t, row.block)
			// The settings name the proxy, which starts after the server.
			proxy := startNginx(t, "http://"+addr, locations)
			at := proxy + row.prefix
			if setting, slash := strings.CutSuffix(row.setting, "/"); row.setting != "" {
				environ = append(environ, setting+at+map[bool]string{true: "/"}[slash])
				locations = regexp.MustCompile(`X-Forwarded-Prefix [^;]*`).ReplaceAllString(locations, `X-Forwarded-Prefix ""`)
				at = startNginx(t, "http://"+addr, locations) + row.prefix
			}
			p, _ := serve(t, "/", append(environ, "LATCHKEY_ADDR="+addr))
			walkAddresses(t, at, proxy+row.prefix)
			p.stop(t)
		})
	}
}

// walkAddresses follows the addresses that the service publishes at an address. Absolute ones must
// begin with the argument absolute.
func walkAddresses(t *testing.T, at, absolute string) {
	t.Helper()
	resolve := func(from, reference string) string {
		base, err := url.Parse(from)
		if err != nil {
			t.Fatal(err)
		}
		u, err := base.Parse(reference)
		if err != nil {
			t.Fatal(err)
		}
		return u.String()
	}
	for _, path := range []string{"/", "/docs/"} {
		res, _ := askRaw(t, "GET", at+path, "", "")
		if got := resolve(at+path, res.Header.Get("Location")); res.StatusCode != 302 || got != at+"/docs" {
			t.Errorf("%s leads to %s (%d)", path, got, res.StatusCode)
		}
	}
	_, page := askRaw(t, "GET", at+"/docs", "", "")
	links := regexp.MustCompile(`(?:src|href)="([^":]*)"`).FindAllStringSubmatch(page, -1)
	if len(links) < 6 {
		t.Errorf("the page has %d links", len(links))
	}
	for _, link := range links {
		if res, _ := askRaw(t, "GET", resolve(at+"/docs", link[1]), "", ""); res.StatusCode != 200 {
			t.Errorf("the page's %s: got %d", link[1], res.StatusCode)
		}
	}
	for _, path := range []string{"/api/users/", "/api/users"} {
		username := map[bool]string{true: "ada", false: "eve"}[strings.HasSuffix(path, "/")]
		res, body := askRaw(t, "POST", at+path, "", registration(username+"@example.com", username, "correct-horse-battery"))
		if res.StatusCode != 201 {
			t.Fatalf("registration answered %d %s", res.StatusCode, body)
		}
		found, me := askRaw(t, "GET", resolve(at+path, res.Header.Get("Location")), answer{body: body}.token(), "")
		if found.StatusCode != 200 || !strings.Contains(me, username+"@example.com") {
			t.Errorf("Location %s of %s: got %d %s", res.Header.Get("Location"), path, found.StatusCode, me)
		}
	}
	var contract struct {
		Servers    []struct{ URL string }
		Components struct {
			SecuritySchemes struct {
				OAuth2Password struct {
					Flows struct{ Password struct{ TokenURL string } }
				}
			}
		}
	}
	_, text := askRaw(t, "GET", at+"/openapi.json", "", "")
	if err := json.Unmarshal([]byte(text), &contract); err != nil {
		t.Fatal(err)
	}
	server := resolve(at+"/openapi.json", contract.Servers[0].URL)
	token := resolve(server, contract.Components.SecuritySchemes.OAuth2Password.Flows.Password.TokenURL)
	if server != at+"/" || token != at+"/api/users/login/token/" {
		t.Errorf("the contract leads to %s and %s", server, token)
	}
	for _, path := range []string{at + "/.well-known/oauth-authorization-server", metadataOf(t, at)} {
		res, text := askRaw(t, "GET", path, "", "")
		var metadata map[string]any
		if err := json.Unmarshal([]byte(text), &metadata); err != nil || res.StatusCode != 200 {
			t.Fatalf("%s: got %d, %v", path, res.StatusCode, err)
		}
		for _, name := range []string{"token_endpoint", "revocation_endpoint", "jwks_uri", "service_documentation"} {
			address, _ := metadata[name].(string)
			if !strings.HasPrefix(address, absolute+"/") && !strings.HasPrefix(address, at+"/") {
				t.Errorf("%s: %s is %s", path, name, address)
			}
			if res, _ := askRaw(t, "GET", address, "", ""); res.StatusCode != 200 && res.StatusCode != 405 {
				t.Errorf("%s %s: got %d", name, address, res.StatusCode)
			}
		}
	}
}

// metadataOf returns the address of an issuer's metadata (RFC 8414 section 3.1).
func metadataOf(t *testing.T, issuer string) string {
	t.Helper()
	u, err := url.Parse(issuer)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/.well-known/oauth-authorization-server" + u.Path
	return u.String()
}
