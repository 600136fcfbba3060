package impl

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/contract"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// grant is a way to tokens that the token endpoint knows (RFC 6749 section 1.3).
type grant struct {
	// fields are those of the form that this grant alone takes.
	fields []string
	// give returns the tokens for a form, and notes the outcome for the log.
	give func(context.Context, *Server, api.LoginForm) (auth.Grant, error)
}

const grantTypeRefresh = "refresh_token"

// grants are the grants by their grant_type.
var grants = map[string]grant{
	"password":       {[]string{"username", "password"}, grantPassword},
	grantTypeRefresh: {[]string{"refresh_token"}, grantRefresh},
}

// grantOf returns the grant that a grant_type names; absent and empty mean the password's.
func grantOf(grantType string) (grant, bool) {
	if grantType == "" {
		grantType = "password"
	}
	g, ok := grants[grantType]
	return g, ok
}

// checkGrant adds a violation for each field of a token request that belongs to another grant, and
// for a missing refresh token that can't be in the cookie either. Such a form is refused before its
// refresh token is exchanged, so that the token stays valid. Missing credentials are no violation:
// they get the same 401 as wrong ones.
func (s *Server) checkGrant(fields map[string]any, found *contract.Violations) {
	grantType, _ := fields["grant_type"].(string)
	own, ok := grantOf(grantType)
	if !ok {
		return // errUnsupportedGrant
	}
	for _, other := range grants {
		for _, name := range other.fields {
			if fields[name] != nil && !slices.Contains(own.fields, name) {
				found.Add("/"+name, "not_allowed", "The field belongs to another grant.")
			}
		}
	}
	if grantType != grantTypeRefresh || fields["refresh_token"] != nil {
		return
	}
	switch {
	case s.cookie == nil:
		found.Add("/refresh_token", "required", "The field is missing.")
	case fields["token_delivery"] == string(api.Body):
		// A script that could have the token delivered to it could carry it away.
		found.Add("/token_delivery", "not_allowed", "A refresh by the cookie delivers by the cookie.")
	}
}

// grantPassword opens a session for an email and a password (RFC 6749 section 4.3).
func grantPassword(ctx context.Context, s *Server, form api.LoginForm) (auth.Grant, error) {
	r := requestOf(ctx)
	pass := secret.New(value(form.Password))
	granted, err := s.auth.Login(ctx, r.caller(), value(form.Username), pass, value(form.Scope))
	r.noteOutcome("login", granted.User.ID, err)
	return granted, err
}

// grantRefresh exchanges a refresh token for new tokens of its session (RFC 6749 section 6). The
// token in the form counts, and the cookie only without one.
func grantRefresh(ctx context.Context, s *Server, form api.LoginForm) (auth.Grant, error) {
	r := requestOf(ctx)
	token, err := secret.New(value(form.RefreshToken)), error(nil)
	isByCookie := isRefreshByCookie(form)
	if isByCookie {
		token, err = s.cookie.token(r)
	}
	var granted auth.Grant
	if err == nil {
		granted, err = s.auth.Refresh(ctx, r.caller(), token, value(form.Scope))
		if isByCookie && isSpent(err) {
			s.cookie.remove(r)
		}
	}
	r.noteOutcome("refresh", granted.User.ID, err)
	return granted, err
}

// isRefreshByCookie reports whether a token request takes its refresh token from the cookie.
func isRefreshByCookie(form api.LoginForm) bool {
	return value(form.GrantType) == grantTypeRefresh && value(form.RefreshToken) == ""
}

// Login returns the tokens of a session for a password or a refresh token.
func (s *Server) Login(ctx context.Context, req api.LoginRequestObject) (api.LoginResponseObject, error) {
	grant, ok := grantOf(value(req.Body.GrantType))
	if !ok {
		return nil, errUnsupportedGrant
	}
	granted, err := grant.give(ctx, s, *req.Body)
	if err != nil {
		return nil, err
	}
	delivery := req.Body.TokenDelivery
	if isRefreshByCookie(*req.Body) {
		delivery = new(api.Cookie)
	}
	return api.Login200JSONResponse{
		Body: s.deliver(ctx, granted, delivery), Headers: api.Login200ResponseHeaders{Pragma: noCache},
	}, nil
}

// RevokeToken ends the session that a token belongs to. The response to an invalid token is the
// same (RFC 7009 section 2.2).
func (s *Server) RevokeToken(
	ctx context.Context,
	req api.RevokeTokenRequestObject,
) (api.RevokeTokenResponseObject, error) {
	r := requestOf(ctx)
	user, err := s.auth.Revoke(ctx, r.caller(), secret.New(req.Body.Token))
	if err != nil {
		return nil, err
	}
	r.noteUser(user)
	s.cookie.remove(r)
	return api.RevokeToken200Response{}, nil
}

// noCache is the Pragma that RFC 6749 section 5.1 requires of a response with a token, in addition
// to the Cache-Control that [setSecurityHeaders] sets for all.
const noCache = "no-cache"

// tokenBody returns the tokens of a grant, the refresh token only if it is delivered in the body.
func tokenBody(g auth.Grant, delivery *api.TokenDelivery) api.Token {
	body := api.Token{
		AccessToken: g.Access.Text.Reveal(),
		TokenType:   api.Bearer,
		ExpiresIn:   int64(g.Access.ExpiresIn / time.Second),
		Scope:       optional(strings.Join(g.Access.Claims.Scopes, " ")),
	}
	if !isByCookie(delivery) {
		body.RefreshToken, body.RefreshExpiresIn = new(g.Refresh.Reveal()), new(refreshSeconds(g))
	}
	return body
}

// refreshSeconds returns how long the refresh token of a grant is good for, at least a second.
func refreshSeconds(g auth.Grant) int64 {
	return int64(max(g.RefreshExpiresIn, time.Second) / time.Second)
}
