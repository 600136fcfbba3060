package main

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// A login from another network than that of the registration sends a mail. The server sends it
// to its folder.
func TestNewDeviceMailInTheFolder(t *testing.T) {
	t.Parallel()
	dir := openFolder(t)
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	database := postgrestest.New(t)
	environ := onDatabase(database, "LATCHKEY_TRUSTED_PROXIES=127.0.0.1", "LATCHKEY_DATA_DIR="+data)
	_, server := serve(t, dir, environ)
	from := func(address, path, mediaType, body string) {
		t.Helper()
		req, err := http.NewRequest("POST", server+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", mediaType)
		req.Header.Set("X-Forwarded-For", address)
		req.Header.Set("User-Agent", "Netscape <3>")
		if a, err := send(req); err != nil || a.status >= 300 {
			t.Fatalf("%s from %s: got %v, %v", path, address, a, err)
		}
	}
	const home, away = "198.51.100.7", "203.0.113.9"
	form := url.Values{"username": {"ada@example.com"}, "password": {crashPassword}}.Encode()
	from(home, "/api/users/", jsonType, registration("ada@example.com", "ada", crashPassword))
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), "UPDATE users SET email_verified = true")
	if err = errors.Join(err, conn.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	from(home, "/api/users/login/token/", "application/x-www-form-urlencoded", form)
	from(away, "/api/users/login/token/", "application/x-www-form-urlencoded", form)
	from(away, "/api/users/login/token/", "application/x-www-form-urlencoded", form)
	var files []string
	err = eventually("a mail is written", func() bool {
		files, _ = filepath.Glob(filepath.Join(data, "mails", "*.eml"))
		return len(files) > 0
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"Subject: A login from a new network", "To: <ada@example.com>", "Address: " + away,
		"Browser: Netscape <3>", "Browser: Netscape &lt;3&gt;", "set a new password at once",
	} {
		if !strings.Contains(strings.ReplaceAll(string(text), "=\r\n", ""), part) {
			t.Errorf("the mail has no %q:\n%s", part, text)
		}
	}
	if len(files) != 1 || strings.Contains(string(text), home) {
		t.Errorf("%d mails, the first:\n%s", len(files), text)
	}
}
