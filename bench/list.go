package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/cursor"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

const listPath = "/api/users/"

// listed are the pages of the list of users that are measured. A page has the contract's default
// of 50 users.
var listed = []struct {
	what  string
	query string
	// depth, if not 0, is the share of the users that come before the page.
	depth float64
}{
	{what: "first page"},
	{what: "page in the middle", depth: 0.5},
	{what: "page near the end", depth: 0.999},
	{what: "emails with a prefix", query: "?email_prefix=user7"},
	{what: "inactive users, 1 of 1000", query: "?is_active=false"},
	{what: "holders of a role", query: "?role=superuser"},
}

// measureList measures pages of the list of users, with the token of an operator. A release before
// 0.7.0 has none: leave the part out with -only.
func (b *bench) measureList(ctx context.Context, t *table) error {
	for _, page := range listed {
		err := b.measure(ctx, t, series{
			what: fmt.Sprintf("list of %d users, %s", b.users, page.what), connections: []int{1},
			prepare: func(p *process) (shots, error) {
				token, err := b.operator(ctx, p)
				if err != nil {
					return nil, err
				}
				query := page.query
				if page.depth > 0 {
					if query, err = pageAfter(ctx, p, int(page.depth*float64(b.users))); err != nil {
						return nil, err
					}
				}
				s := shot{p.addr, http.MethodGet, listPath + query, token, "", http.StatusOK}
				return always(s), hasUsers(s)
			},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// operator fills the database, makes one more user of 1000 who is inactive, and returns a token of
// a superuser that may read users.
func (b *bench) operator(ctx context.Context, p *process) (string, error) {
	if err := fill(ctx, p, b.users); err != nil {
		return "", err
	}
	if _, err := register(p, "ada"); err != nil {
		return "", err
	}
	err := p.connected(ctx, func(conn *pgx.Conn) error {
		_, inactive := conn.Exec(ctx, insertUsers, b.users+1, b.users+b.users/1000, "", "", false)
		_, promoted := conn.Exec(ctx, "UPDATE users SET is_superuser = true WHERE username_key = 'ada'")
		return errors.Join(inactive, promoted)
	})
	if err != nil {
		return "", err
	}
	s := loginShot(p, "ada")
	s.body += "&scope=users:read"
	body, err := s.once()
	if err != nil {
		return "", err
	}
	token, err := tokensOf(body)
	return token.Access, err
}

// pageAfter returns the query of the page after a number of users. Its cursor is made as the server
// does it, because there are too many pages to turn.
func pageAfter(ctx context.Context, p *process, users int) (string, error) {
	var last struct {
		ID        string    `json:"i"`
		CreatedAt time.Time `json:"t"`
	}
	err := p.connected(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx,
			"SELECT id, created_at FROM users ORDER BY created_at DESC, id DESC OFFSET $1 LIMIT 1", users-1,
		).Scan(&last.ID, &last.CreatedAt)
	})
	if err != nil {
		return "", err
	}
	cursors, err := cursor.New(secret.New(secretKey), secret.Text{})
	if err != nil {
		return "", err
	}
	sealed, err := cursors.Seal("users", auth.UserFilter{}, last)
	return "?cursor=" + url.QueryEscape(sealed), err
}

// hasUsers fails for a page without users, which would cost less.
func hasUsers(s shot) error {
	body, err := s.once()
	if err == nil && !bytes.Contains(body, []byte("@example.com")) {
		err = fmt.Errorf("no users in %s", body)
	}
	return err
}
