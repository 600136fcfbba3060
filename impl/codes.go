package impl

import (
	"context"
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
	r.noteOutcome("login", granted.User.ID, err)
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
	r.noteOutcome("password_reset", user, err)
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
	r.noteOutcome("email_verification", uuid.Nil, err)
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
	r.noteOutcome("email_change", uuid.Nil, err)
	return api.ConfirmEmailChange204Response{}, err
}

func answerOf(request *string, code string) auth.CodeAnswer {
	return auth.CodeAnswer{Request: secret.New(value(request)), Code: secret.New(code)}
}

func codeBody(asked auth.CodeRequest) api.CodeRequested {
	return api.CodeRequested{Request: asked.Request.Reveal(), ExpiresIn: int64(asked.ExpiresIn / time.Second)}
}
