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

// RFC 6749 sections 4.3 and 6: an ordinary OAuth2 client logs in, and refreshes by itself when its token has expired.
func TestOAuth2Client(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	config := oauth2.Config{Endpoint: oauth2.Endpoint{TokenURL: h.URL + impltest.LoginPath, AuthStyle: oauth2.AuthStyleInParams}}
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
		if a, err := impltest.ReadAnswer(http.MethodGet, impltest.MePath, res); err != nil || a.Status != 200 || a.Text("username") != "ada" {
			t.Errorf("got %d %s, %v", a.Status, a.Body, err)
		}
	}
	me(token)
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
	// RFC 6749 section 5.2: what a client is told of a token that is good for nothing.
	_, err = config.TokenSource(ctx, &oauth2.Token{RefreshToken: "nothing"}).Token()
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
		t.Errorf("got %v", err)
	}
}
