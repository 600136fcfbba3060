// Registers, logs in and prints the email of who is logged in, with the client that ogen has made.
// The arguments are the server's URL, an email, a username and a password.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/latchkey-auth/latchkey/web/generators/go/made/ogen"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, server, email, username, password string) error {
	user := &bearer{}
	client, err := ogen.NewClient(server, user)
	if err != nil {
		return err
	}
	registered, err := client.RegisterUser(ctx, &ogen.Registration{Email: email, Username: username, Password: password})
	if err != nil {
		return err
	}
	if _, ok := registered.(*ogen.RegisteredUserHeaders); !ok {
		return fmt.Errorf("the registration returned %#v", registered)
	}
	answer, err := client.Login(ctx, ogen.NewOptLoginForm(ogen.LoginForm{
		Username: ogen.NewOptString(email),
		Password: ogen.NewOptString(password),
	}))
	if err != nil {
		return err
	}
	token, ok := answer.(*ogen.TokenHeaders)
	if !ok {
		return fmt.Errorf("the login returned %#v", answer)
	}
	user.token = token.Response.AccessToken
	asked, err := client.GetCurrentUser(ctx)
	if err != nil {
		return err
	}
	me, ok := asked.(*ogen.UserHeaders)
	if !ok {
		return fmt.Errorf("me returned %#v", asked)
	}
	fmt.Println(me.Response.Email)
	return nil
}

// bearer is where the client finds the token.
type bearer struct {
	token string
}

func (b *bearer) BearerAuth(context.Context, ogen.OperationName) (ogen.BearerAuth, error) {
	return ogen.BearerAuth{Token: b.token}, nil
}

func (b *bearer) OAuth2Password(context.Context, ogen.OperationName) (ogen.OAuth2Password, error) {
	return ogen.OAuth2Password{Token: b.token}, nil
}

// RefreshCookie leaves the cookie to browsers.
func (b *bearer) RefreshCookie(context.Context, ogen.OperationName) (ogen.RefreshCookie, error) {
	return ogen.RefreshCookie{}, nil
}
