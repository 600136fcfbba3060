package impl_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// RFC 6749 sections 4.3, 5.2 and 6: an ordinary OAuth2 client logs in, refreshes by itself when its
// token has expired, and reports failures as its own type of error.
func TestOAuth2Client(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Limits: true})
	h.MustRegister(t, "ada")
	config := oauth2.Config{
		Endpoint: oauth2.Endpoint{TokenURL: h.URL + impltest.LoginPath, AuthStyle: oauth2.AuthStyleInParams},
	}
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, &http.Client{Timeout: 10 * time.Second})
	token, err := config.PasswordCredentialsToken(ctx, "ada@example.com", impltest.Password)
	if err != nil {
		t.Fatal(err)
	}
	if until := time.Until(token.Expiry); token.RefreshToken == "" || until > 15*time.Minute || until < 14*time.Minute {
		t.Errorf("got a token until %s", token.Expiry)
	}
	me := func(token *oauth2.Token) {
		t.Helper()
		res, err := config.Client(ctx, token).Get(h.URL + impltest.MePath)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		if a, err := impltest.ReadAnswer(
			http.MethodGet,
			impltest.MePath,
			res,
		); err != nil || a.Status != 200 ||
			a.Text("username") != "ada" {
			t.Errorf("got %d %s, %v", a.Status, a.Body, err)
		}
	}
	me(token)
	first := token.RefreshToken
	for range 3 {
		expired := *token
		expired.AccessToken, expired.Expiry = "expired", time.Now().Add(-time.Second)
		next, err := config.TokenSource(ctx, &expired).Token()
		if err != nil {
			t.Fatal(err)
		}
		if next.RefreshToken == token.RefreshToken || next.AccessToken == token.AccessToken {
			t.Error("the refresh gave nothing new")
		}
		me(&expired) // within the window, the client that didn't hear of the refresh is given the same successor
		me(next)
		token = next
	}
	// The client's error has the fields of the response (RFC 6749 section 5.2).
	refused := func(what string, err error, status int, code string) {
		t.Helper()
		var refusal *oauth2.RetrieveError
		if !errors.As(err, &refusal) || refusal.Response.StatusCode != status ||
			refusal.ErrorCode != code || refusal.ErrorDescription == "" {
			t.Errorf("%s: got %v, want %d %s", what, err, status, code)
		}
	}
	refresh := func(refreshToken string) (*oauth2.Token, error) {
		return config.TokenSource(ctx, &oauth2.Token{RefreshToken: refreshToken}).Token()
	}
	_, err = refresh("nothing")
	refused("a token that is none", err, 400, "invalid_grant")
	_, err = refresh(first)
	refused("a token that was used before", err, 400, "invalid_grant")
	_, err = refresh(token.RefreshToken)
	refused("a token of the session that has ended by it", err, 400, "invalid_grant")
	_, err = config.PasswordCredentialsToken(ctx, "ada@example.com", "wrong")
	refused("a wrong password", err, 401, "invalid_grant")
	_, err = config.Exchange(ctx, "a code")
	refused("another grant", err, 400, "unsupported_grant_type")
	for range 11 {
		_, err = config.PasswordCredentialsToken(ctx, "nobody@example.com", "wrong")
	}
	refused("too many attempts", err, 429, "temporarily_unavailable")
}
