package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/impl/postgres"
)

const (
	secretKey  = "Tk5wN9xRq2ZvB7yMc4PhJ1sLg8FdU3eXa6ToWiV0rKnQmHbY"
	passphrase = "correct horse battery staple"
	loginPath  = "/api/users/login/token/"
	mePath     = "/api/users/me/"
)

// bench is the releases that are measured, the tree's first.
type bench struct {
	options
	dir      string
	releases []release
	failed   atomic.Int64 // requests, in all loads
}

// release is a binary, with a PostgreSQL. Without one, the binary starts its own.
type release struct {
	name, binary string
	postgres     *postgres.Server
}

func newBench(ctx context.Context, o options) (_ *bench, err error) {
	dir, err := os.MkdirTemp("", "latchkey-bench-")
	if err != nil {
		return nil, err
	}
	made := &bench{options: o, dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, made.close())
		}
	}()
	// PostgreSQL runs as another user if this process is root.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, err
	}
	for _, r := range []release{{name: tree, binary: o.binary}, {name: before, binary: o.before}} {
		if r.binary == "" {
			continue
		}
		if _, err := os.Stat(r.binary); err != nil {
			return nil, fmt.Errorf("%w; run make build, or name a binary", err)
		}
		if r.binary, err = filepath.Abs(r.binary); err != nil {
			return nil, err
		}
		if r.postgres, err = postgres.Start(ctx, postgres.Options{DataDir: filepath.Join(dir, r.name)}); err != nil {
			return nil, err
		}
		made.releases = append(made.releases, r)
	}
	return made, nil
}

func (b *bench) close() (err error) {
	for _, r := range b.releases {
		err = errors.Join(err, r.postgres.Stop(context.Background()))
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}

// connected runs a function with a connection to the release's database.
func (r release) connected(ctx context.Context, do func(*pgx.Conn) error) (err error) {
	conn, err := pgx.Connect(ctx, r.postgres.URL())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.Background())) }()
	return do(conn)
}

func email(name string) string { return name + "@example.com" }

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// register makes a user unless there is one, and logs the user in.
func register(p *process, name string) (tokens, error) {
	body := fmt.Sprintf(`{"email":%q,"username":%q,"password":%q}`, email(name), name, passphrase)
	_, created := post(p, "/api/users/", body, http.StatusCreated).once()
	t, err := login(p, name)
	if err != nil {
		err = errors.Join(created, err)
	}
	return t, err
}

func login(p *process, name string) (tokens, error) {
	body, err := loginShot(p, name).once()
	if err != nil {
		return tokens{}, err
	}
	return tokensOf(body)
}

func tokensOf(body []byte) (t tokens, err error) {
	if err := json.Unmarshal(body, &t); err != nil || t.Access == "" {
		return t, fmt.Errorf("no token in %s (%w)", body, err)
	}
	return t, nil
}

func loginForm(name, password string) string {
	return url.Values{"username": {email(name)}, "password": {password}}.Encode()
}

func post(p *process, path, body string, want int) shot {
	return shot{p.addr, http.MethodPost, path, "", body, want}
}

func loginShot(p *process, name string) shot {
	return post(p, loginPath, loginForm(name, passphrase), http.StatusOK)
}

func meShot(p *process, token string) shot {
	return shot{p.addr, http.MethodGet, mePath, token, "", http.StatusOK}
}
