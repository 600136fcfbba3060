// Package authn checks Latchkey's access tokens in other Go services, without asking the server for
// each request:
//
//	verifier, err := authn.NewVerifier(authn.Options{URL: "https://auth.example.com", Audience: "latchkey:auth"})
//	if err != nil {
//		return err
//	}
//	mux.Handle("GET /orders", verifier.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//		claims, _ := authn.FromContext(r.Context())
//		fmt.Fprintln(w, "orders of", claims.UserID)
//	})))
//
// The server must sign with a private key (ES256, EdDSA or RS256), whose public half it publishes;
// a key for HS256 can't be shared. Keys are fetched at the first use and looked at again as often
// as the server asks for.
//
// A verifier doesn't learn that a session was ended or that a user was deactivated: it accepts a
// token until the token expires. Where that matters, ask the server. Identify users by
// [Claims].UserID, because another user may get the same email or username later.
package authn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var (
	// ErrInvalidToken reports that a text is not an access token that is valid now. The error that
	// wraps it has the reason, for the log, and never shows the token.
	ErrInvalidToken = errors.New("invalid token")
	// ErrUnavailable reports that a token can't be checked: no key is known and none can be
	// fetched, or the caller's context ended while it waited for one.
	ErrUnavailable = errors.New("the keys are unavailable")
)

// Leeway is how much two clocks may differ (RFC 8725 section 3.8 leaves it to us). The server and
// all verifiers accept a token until that long after its `exp`.
const Leeway = 30 * time.Second

// defaultTimeout bounds each request to the server, body included.
const defaultTimeout = 5 * time.Second

// Options are what a [Verifier] is made of.
type Options struct {
	// URL is the address of the server, such as https://auth.example.com. Over http, anybody in the
	// network between can replace the keys.
	URL string
	// Issuer is the `iss` demanded of each token. If it is empty, the issuer of the server's
	// metadata is demanded.
	Issuer string
	// Audience is the `aud` demanded of each token. It is required.
	Audience string
	// Client fetches metadata and keys. A copy of it is used. The copy follows no redirect, which
	// would bypass the check of the keys' origin. Its timeout is 5 s if the client has none.
	Client *http.Client
	// Algorithms are the accepted ones of ES256, EdDSA and RS256. If it is empty, all three are.
	Algorithms []string
	// Now is the clock. If it is nil, time.Now is used.
	Now func() time.Time
	// Logger gets a warning with the reason for each fetch of the keys that fails. While the server
	// is down, that is at most one a second if no key is known, and one in ten seconds otherwise.
	// If it is nil, slog.Default is used.
	Logger *slog.Logger
}

// Verifier checks access tokens. It is safe for concurrent use.
type Verifier struct {
	audience   string
	algorithms []string
	now        func() time.Time
	keys       *keyCache
	// problems is the address below which the server has a page for each code of an error.
	problems *url.URL
}

// methods are the supported algorithms. HS256 is none of them, because its key is a secret.
var methods = map[string]jwt.SigningMethod{
	"ES256": jwt.SigningMethodES256,
	"EdDSA": jwt.SigningMethodEdDSA,
	"RS256": jwt.SigningMethodRS256,
}

// NewVerifier makes a [Verifier], and refuses options that are missing or wrong. It doesn't use the
// network.
func NewVerifier(o Options) (*Verifier, error) {
	base, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Audience == "" {
		return nil, errors.New("a verifier needs an audience")
	}
	algorithms := slices.Clone(o.Algorithms)
	if len(algorithms) == 0 {
		algorithms = []string{"ES256", "EdDSA", "RS256"}
	}
	for _, name := range algorithms {
		if methods[name] == nil {
			return nil, fmt.Errorf("the algorithm must be ES256, EdDSA or RS256, not %q", name)
		}
	}
	now := o.Now
	if now == nil {
		now = time.Now
	}
	f := &fetcher{client: newClient(o.Client), base: base, issuer: o.Issuer, algorithms: algorithms}
	return &Verifier{
		audience: o.Audience, algorithms: algorithms, now: now,
		keys: &keyCache{fetch: f.fetch, now: now, logger: o.Logger}, problems: base.JoinPath("problems"),
	}, nil
}

// parseURL refuses a text that is not the address of a server. The error doesn't repeat the text,
// which may contain a password.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return nil, errors.New("the URL must be one of http or https, as https://auth.example.com")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return nil, errors.New("the URL must have no user, query or fragment")
	}
	return u, nil
}

func newClient(given *http.Client) *http.Client {
	client := http.Client{}
	if given != nil {
		client = *given
	}
	if client.Timeout <= 0 {
		client.Timeout = defaultTimeout
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// Verify returns the claims of an access token if the server signed it for our audience and it is
// valid now. It fails with [ErrInvalidToken] or [ErrUnavailable]. It may wait until the keys are
// fetched, but no longer than ctx allows.
//
// It reads no claim before the signature is verified. It uses only keys of the server's own set.
func (v *Verifier) Verify(ctx context.Context, token string) (Claims, error) {
	parsed, err := Parse(token)
	if err != nil {
		return Claims{}, err
	}
	if !slices.Contains(v.algorithms, parsed.Algorithm) {
		return Claims{}, invalid(errTokenHeader)
	}
	key, issuer, err := v.keys.find(ctx, parsed.KeyID)
	if err != nil {
		return Claims{}, err
	}
	return parsed.Verify(key.method.Alg(), key.verify, Demands{Issuer: issuer, Audience: v.audience, Now: v.now()})
}

func invalid(reason error) error { return fmt.Errorf("%w: %w", ErrInvalidToken, reason) }
