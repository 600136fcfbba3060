// Package auth is the auth service: register, log in, refresh, sessions, operators. It knows
// nothing of HTTP.
//
// Each use case is a sequence of named steps. The packages below contain the parts: accounts,
// passwords, sessions, tokens and their keys, budgets.
package auth

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/batch"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/auth/cursor"
	"github.com/latchkey-auth/latchkey/impl/auth/keyring"
	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
	"github.com/latchkey-auth/latchkey/impl/auth/session"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/auth/token"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// Options are what a [Service] is made of. Each is required but Limiter, Registration and
// RequireVerifiedEmail.
type Options struct {
	// DB is where users are kept: a pool that is safe for concurrent use.
	DB store.DB
	// Hasher hashes and verifies passwords.
	Hasher *password.Hasher
	// Tokens issues and checks access tokens.
	Tokens *token.Issuer
	// Keys sign the access tokens.
	Keys *keyring.Ring
	// Sessions opens, refreshes and ends sessions.
	Sessions *session.Sessions
	// Challenges makes the codes that are mailed.
	Challenges *challenge.Challenges
	// Cursors seals where the next page of a list begins.
	Cursors *cursor.Sealer
	// Enqueue has mails sent.
	Enqueue Enqueue
	// Limiter bounds how often passwords are guessed; nil for no bounds.
	Limiter *ratelimit.Limiter
	// Policy is which passwords a user may choose.
	Policy password.Policy
	// Registration is who may register; empty for [RegistrationOpen].
	Registration RegistrationMode
	// RequireVerifiedEmail has a login with a password ask for a mailed code, until the user has
	// proved its mailbox. Registration can't be open then, because that opens a session at once.
	RequireVerifiedEmail bool
	// Roles are the scopes that each role holds.
	Roles Roles
	// TokenClaims are the members of app_metadata that access tokens have in `ext`; none is the
	// default.
	TokenClaims []string
	// Now is the clock.
	Now func() time.Time
}

// Service registers users, logs them in and returns who a token belongs to. It is safe for
// concurrent use.
type Service struct {
	opts     Options
	queries  *db.Queries
	callers  *batch.Loader[sessionKey, db.UserListBySessionRow]
	counters counters
	// beside runs the work whose time clients must not measure.
	beside errgroup.Group
}

// New returns a [Service], and refuses a missing dependency.
func New(o Options) (*Service, error) {
	switch {
	case o.DB == nil:
		return nil, errors.New("auth: no database")
	case o.Hasher == nil:
		return nil, errors.New("auth: no hasher")
	case o.Tokens == nil:
		return nil, errors.New("auth: no tokens")
	case o.Keys == nil:
		return nil, errors.New("auth: no keys")
	case o.Sessions == nil:
		return nil, errors.New("auth: no sessions")
	case o.Challenges == nil:
		return nil, errors.New("auth: no challenges")
	case o.Cursors == nil:
		return nil, errors.New("auth: no cursors")
	case o.Enqueue == nil:
		return nil, errors.New("auth: nothing sends mails")
	case o.Policy == password.Policy{}:
		return nil, errors.New("auth: no password policy")
	case len(o.Roles) == 0:
		return nil, errors.New("auth: no roles")
	case o.Now == nil:
		return nil, errors.New("auth: no clock")
	}
	o.Registration = cmp.Or(o.Registration, RegistrationOpen)
	if err := o.Registration.check(o.RequireVerifiedEmail); err != nil {
		return nil, err
	}
	if err := CheckTokenClaims(o.TokenClaims); err != nil {
		return nil, fmt.Errorf("auth: claims of tokens: %w", err)
	}
	queries := db.New(o.DB)
	s := &Service{opts: o, queries: queries, callers: batch.New(usersBySession(queries, o.Now))}
	s.beside.SetLimit(besideAtOnce)
	return s, nil
}

// besideAtOnce bounds the work that runs beside the requests.
const besideAtOnce = 4

// Wait waits for the work beside the requests, before the database is closed.
func (s *Service) Wait() { _ = s.beside.Wait() }

// KeyLead is how long a new signing key is published before it signs.
func (s *Service) KeyLead() time.Duration { return s.opts.Keys.Lead() }

// Policy returns which passwords a user may choose.
func (s *Service) Policy() password.Policy { return s.opts.Policy }

// User is an account without its password, so that no caller can let it out.
type User = account.User

// Session is one of a user's sessions.
type Session = session.Session

// Caller is who sends a request.
type Caller struct {
	// Address is where the request comes from.
	Address netip.Addr
	// Session has the claims of the valid access token that was sent with the request, or is nil.
	Session *token.Claims
	// UserAgent is what the client calls itself.
	UserAgent string
}

// network returns the network of the caller's address, which a share of the hashes belongs to: a
// /48 of IPv6 (RFC 6177), or a /24 of IPv4, the least that is routed.
func (c Caller) network() string {
	addr := c.Address.Unmap().WithZone("")
	bits := 24
	if addr.Is6() {
		bits = 48
	}
	network, err := addr.Prefix(bits)
	if err != nil {
		return ""
	}
	return network.String()
}

// address returns what a session records of the caller's address.
func (c Caller) address() string {
	if !c.Address.IsValid() {
		return "unknown"
	}
	return c.Address.String()
}

// who is the caller that makes an attempt on an account, for the limits.
func (c Caller) who(emailKey string) ratelimit.Who {
	who := ratelimit.Who{Address: c.Address, Account: emailKey}
	if c.Session != nil {
		// The session is said to be one of this account. That it is, and lives, is asked where it
		// is charged.
		if key, err := account.CanonicalEmail(c.Session.Subject); err == nil && key == emailKey {
			who.Session = c.Session.SessionID
		}
	}
	return who
}

// Grant is what a login, a registration and a refresh give.
type Grant struct {
	User             User // of a refresh, only its id, email, username and app_metadata
	Access           token.Issued
	Refresh          secret.Text
	RefreshExpiresIn time.Duration
	// IsExtDropped reports that the access token has no `ext`, because it would be too long.
	IsExtDropped bool
}

// grant issues the access token of a session, with scopes, beside its refresh token.
func (s *Service) grant(user User, tokens session.Tokens, scopes []string) (Grant, error) {
	ext, isDropped, err := s.ext(user.AppMetadata)
	if err != nil {
		return Grant{}, err
	}
	access, err := s.opts.Tokens.Issue(
		token.Subject{
			UserID: user.ID, SessionID: tokens.SessionID, Email: user.Email, Username: user.Username,
			AuthTime: tokens.AuthTime, Methods: tokens.Methods, Scopes: scopes, Ext: ext,
		},
	)
	if err != nil {
		return Grant{}, err
	}
	return Grant{
		User: user, Access: access, Refresh: tokens.Refresh, RefreshExpiresIn: tokens.ExpiresIn, IsExtDropped: isDropped,
	}, nil
}
