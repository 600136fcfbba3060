package impl

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// RequestLoginCode has a code mailed that logs in.
func (s *Server) RequestLoginCode(
	ctx context.Context, req api.RequestLoginCodeRequestObject,
) (api.RequestLoginCodeResponseObject, error) {
	asked, err := s.auth.RequestLoginCode(ctx, requestOf(ctx).caller(), req.Body.Email)
	return api.RequestLoginCode202JSONResponse(codeBody(asked)), err
}

// ContinueLogin opens a session for a mailed code.
func (s *Server) ContinueLogin(
	ctx context.Context, req api.ContinueLoginRequestObject,
) (api.ContinueLoginResponseObject, error) {
	r := requestOf(ctx)
	answer := answerOf(&req.Body.Request, req.Body.Code)
	granted, err := s.auth.ContinueLogin(ctx, r.caller(), answer, value(req.Body.Scope))
	noteGrant(r, "login", granted.User, err)
	if err != nil {
		return nil, err
	}
	return api.ContinueLogin200JSONResponse{
		Body:    s.deliver(ctx, granted, req.Body.TokenDelivery),
		Headers: api.ContinueLogin200ResponseHeaders{Pragma: noCache},
	}, nil
}

// RequestPasswordReset has a code mailed that sets a new password.
func (s *Server) RequestPasswordReset(
	ctx context.Context, req api.RequestPasswordResetRequestObject,
) (api.RequestPasswordResetResponseObject, error) {
	asked, err := s.auth.RequestPasswordReset(ctx, requestOf(ctx).caller(), req.Body.Email)
	return api.RequestPasswordReset202JSONResponse(codeBody(asked)), err
}

// ConfirmPasswordReset sets a new password for a mailed code.
func (s *Server) ConfirmPasswordReset(
	ctx context.Context, req api.ConfirmPasswordResetRequestObject,
) (api.ConfirmPasswordResetResponseObject, error) {
	r := requestOf(ctx)
	answer := answerOf(req.Body.Request, req.Body.Code)
	user, err := s.auth.ConfirmPasswordReset(ctx, r.caller(), answer, secret.New(req.Body.NewPassword))
	noteCode(r, "password_reset", user, err)
	return api.ConfirmPasswordReset204Response{}, err
}

// RequestEmailVerification has a code mailed that verifies the user's email.
func (s *Server) RequestEmailVerification(
	ctx context.Context, _ api.RequestEmailVerificationRequestObject,
) (api.RequestEmailVerificationResponseObject, error) {
	r := requestOf(ctx)
	asked, err := s.auth.RequestEmailVerification(ctx, r.caller(), r.principal.User)
	return api.RequestEmailVerification202JSONResponse(codeBody(asked)), err
}

// ConfirmEmailVerification verifies the user's email by a mailed code.
func (s *Server) ConfirmEmailVerification(
	ctx context.Context, req api.ConfirmEmailVerificationRequestObject,
) (api.ConfirmEmailVerificationResponseObject, error) {
	r := requestOf(ctx)
	answer := answerOf(req.Body.Request, req.Body.Code)
	err := s.auth.ConfirmEmailVerification(ctx, r.caller(), r.principal, answer)
	noteCode(r, "email_verification", uuid.Nil, err)
	return api.ConfirmEmailVerification204Response{}, err
}

// RequestEmailChange has a code mailed to the address that the user wants to have.
func (s *Server) RequestEmailChange(
	ctx context.Context, req api.RequestEmailChangeRequestObject,
) (api.RequestEmailChangeResponseObject, error) {
	r := requestOf(ctx)
	asked, err := s.auth.RequestEmailChange(ctx, r.caller(), r.principal.User, req.Body.Email)
	return api.RequestEmailChange202JSONResponse(codeBody(asked)), err
}

// ConfirmEmailChange gives the user the address that a code was mailed to.
func (s *Server) ConfirmEmailChange(
	ctx context.Context, req api.ConfirmEmailChangeRequestObject,
) (api.ConfirmEmailChangeResponseObject, error) {
	r := requestOf(ctx)
	err := s.auth.ConfirmEmailChange(ctx, r.caller(), r.principal, answerOf(req.Body.Request, req.Body.Code))
	noteCode(r, "email_change", uuid.Nil, err)
	return api.ConfirmEmailChange204Response{}, err
}

func answerOf(request *string, code string) auth.CodeAnswer {
	return auth.CodeAnswer{Request: secret.New(value(request)), Code: secret.New(code)}
}

func codeBody(asked auth.CodeRequest) api.CodeRequested {
	return api.CodeRequested{Request: asked.Request.Reveal(), ExpiresIn: int64(asked.ExpiresIn / time.Second)}
}

// noteCode puts the outcome of a mailed code into the log, and whose code it was. user may be zero.
func noteCode(r *request, what string, user uuid.UUID, err error) {
	outcome, guessed := codeOutcome(err)
	r.note(slog.String(what, outcome))
	r.noteUser(cmp.Or(user, guessed))
}

// codeOutcome returns how the log calls the outcome of a mailed code, and the user whose code was
// guessed, or zero.
func codeOutcome(err error) (outcome string, user uuid.UUID) {
	var (
		guessed *auth.GuessError
		limited *auth.LimitedError
	)
	switch {
	case err == nil:
		return "ok", uuid.Nil
	case errors.As(err, &guessed):
		return "invalid_code", guessed.UserID
	case errors.Is(err, auth.ErrInvalidCode):
		return "invalid_code", uuid.Nil
	case errors.As(err, &limited):
		return "limited", uuid.Nil
	case errors.Is(err, auth.ErrOverloaded):
		return "overloaded", uuid.Nil
	}
	return "error", uuid.Nil
}
