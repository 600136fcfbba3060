package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/impl/postgres"
)

const (
	secretKey  = "Tk5wN9xRq2ZvB7yMc4PhJ1sLg8FdU3eXa6ToWiV0rKnQmHbY"
	passphrase = "correct horse battery staple"
	loginPath  = "/api/users/login/token/"
	mePath     = "/api/users/me/"
)

// bench is a PostgreSQL, and what is measured on it.
type bench struct {
	options
	dir      string
	database *postgres.Server
	failed   *atomic.Int64 // requests, in all loads
}

func newBench(ctx context.Context, o options) (*bench, error) {
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return nil, err
	}
	o.binary = binary
	if _, err := os.Stat(binary); err != nil {
		return nil, fmt.Errorf("%w; make it by: make build", err)
	}
	dir, err := os.MkdirTemp("", "latchkey-bench-")
	if err != nil {
		return nil, err
	}
	// PostgreSQL runs as another user where this one is root.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	database, err := postgres.Start(ctx, postgres.Options{DataDir: data, Parameters: map[string]string{"max_connections": "200"}})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &bench{o, dir, database, new(atomic.Int64)}, nil
}

func (b *bench) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return errors.Join(b.database.Stop(ctx), os.RemoveAll(b.dir))
}

// settings are those of a server on the database, without limits.
func (b *bench) settings(more ...string) []string {
	return append([]string{
		"LATCHKEY_DATABASE_URL=" + b.database.URL(), "LATCHKEY_SECRET_KEY=" + secretKey, "LATCHKEY_RATE_LIMITS=off",
	}, more...)
}

// account is a user that logs in.
type account struct {
	id, session, token, refresh, me string // me is what it gets at /api/users/me/
}

func email(name string) string { return name + "@example.com" }

// register makes a user, or logs it in where it exists.
func register(p *process, name string) (account, error) {
	body := fmt.Sprintf(`{"email":%q,"username":%q,"password":%q}`, email(name), name, passphrase)
	if _, _, err := ask(http.MethodPost, p.addr, "/api/users/", "application/json", "", body); err != nil {
		return account{}, err
	}
	_, text, err := ask(http.MethodPost, p.addr, loginPath, "application/x-www-form-urlencoded", "", loginForm(name, passphrase))
	if err != nil {
		return account{}, err
	}
	token, err := tokensOf(text)
	if err != nil {
		return account{}, err
	}
	_, me, err := ask(http.MethodGet, p.addr, mePath, "", token.Access, "")
	if err != nil {
		return account{}, err
	}
	var user struct {
		ID string `json:"id"`
	}
	err = json.Unmarshal(me, &user)
	return account{user.ID, token.session(), token.Access, token.Refresh, string(me)}, err
}

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

func tokensOf(answer []byte) (t tokens, err error) {
	if err := json.Unmarshal(answer, &t); err != nil || t.Access == "" {
		return t, fmt.Errorf("no token in %s (%w)", answer, err)
	}
	return t, nil
}

// session is the token's `sid`, or empty where it has none.
func (t tokens) session() string {
	var claims struct {
		Session string `json:"sid"`
	}
	if parts := strings.Split(t.Access, "."); len(parts) == 3 {
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err == nil {
			_ = json.Unmarshal(payload, &claims) // of a token that was just issued
		}
	}
	return claims.Session
}

func refreshForm(token string) string { return "grant_type=refresh_token&refresh_token=" + token }

func loginForm(name, password string) string {
	return "username=" + strings.ReplaceAll(email(name), "@", "%40") + "&password=" + strings.ReplaceAll(passphrase, " ", "+")
}

func ask(method, addr, path, mediaType, token, body string) (int, []byte, error) {
	req, err := http.NewRequest(method, "http://"+addr+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, text, errors.Join(err, res.Body.Close())
}

func (b *bench) me(p *process, a account) shot {
	return shot{addr: p.addr, method: http.MethodGet, path: mePath, token: a.token, want: http.StatusOK}
}

func (b *bench) login(p *process, name string) shot {
	return shot{addr: p.addr, method: http.MethodPost, path: loginPath, form: loginForm(name, passphrase), want: http.StatusOK}
}
