package impl

import (
	"net/http"
	"net/url"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/contract"
	"github.com/latchkey-auth/latchkey/impl/docs"
)

// members are those that only some problems have.
type members struct {
	Errors []api.FieldError `json:"errors,omitempty"`
	// MaxAge is in seconds, of a session that has to prove again who its user is.
	MaxAge int `json:"max_age,omitempty"`
	// Request and ExpiresIn belong to the code that a login continues with.
	Request   string `json:"request,omitempty"`
	ExpiresIn int64  `json:"expires_in,omitempty"`
	// Factors are the factors that a login continues with, or that a session can be proved with.
	Factors []auth.Factor `json:"factors,omitempty"`
	// Scopes are those that a token needs.
	Scopes []string `json:"scopes,omitempty"`
}

// document is a problem as it is sent.
type document struct {
	api.Problem
	Error            string `json:"error,omitempty"`
	ErrorDescription string `json:"error_description,omitempty"`
	RequestID        string `json:"request_id,omitempty"`
	members
}

func (s *Server) document(p problem, r *request) document {
	doc := document{members: p.members, Problem: api.Problem{
		Type:   s.problemType(r, p.code),
		Title:  s.problems[p.code].Title,
		Status: p.status,
		Detail: p.detail,
		Code:   p.code,
	}}
	if r.operation.OAuth {
		doc.Error, doc.ErrorDescription = p.oauthError(), p.detail
	}
	if p.status == http.StatusInternalServerError {
		doc.RequestID = r.idText
	}
	return doc
}

// fieldError returns a violation as an entry of `errors`.
func fieldError(v contract.Violation) api.FieldError {
	return api.FieldError{Pointer: v.Pointer, Code: api.FieldErrorCode(v.Code), Detail: v.Detail}
}

// invalidInput returns, as violations, what the service refused although it fits the contract.
func invalidInput(err *auth.InvalidInputError) contract.Violations {
	var found contract.Violations
	for _, f := range err.Fields {
		found.Add("/"+f.Field, f.Code, f.Detail)
	}
	return found.Sorted()
}

// problemType returns the reference to the page of a code (RFC 9457 section 3.1.1). It begins with
// the path under which the client finds the service: that of the public URL, or else the prefix
// that a proxy sent.
func (s *Server) problemType(r *request, code string) string {
	prefix := r.prefix
	if s.publicURL != "" {
		prefix = ""
		if u, err := url.Parse(s.publicURL); err == nil {
			prefix = u.EscapedPath()
		}
	}
	return prefix + docs.ProblemPath + code
}
