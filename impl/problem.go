package impl

import (
	"net/http"
	"net/url"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/contract"
	"github.com/latchkey-auth/latchkey/impl/docs"
)

// document is a problem with the members that only some problems have.
type document struct {
	api.Problem
	Errors           []api.FieldError `json:"errors,omitempty"`
	Error            string           `json:"error,omitempty"`
	ErrorDescription string           `json:"error_description,omitempty"`
	RequestID        string           `json:"request_id,omitempty"`
	MaxAge           int              `json:"max_age,omitempty"`
	Request          string           `json:"request,omitempty"`
	ExpiresIn        int64            `json:"expires_in,omitempty"`
	Factors          []auth.Factor    `json:"factors,omitempty"`
	Scopes           []string         `json:"scopes,omitempty"`
}

func (s *Server) document(p problem, r *request) document {
	doc := document{Errors: fieldErrors(p.errors), MaxAge: p.maxAge, Factors: p.factors, Scopes: p.scopes}
	doc.Problem = api.Problem{
		Type:   s.problemType(r, p.code),
		Title:  s.problems[p.code].Title,
		Status: p.status,
		Detail: p.detail,
		Code:   p.code,
	}
	if r.operation.OAuth && p.oauth != "" {
		doc.Error, doc.ErrorDescription = p.oauth, p.detail
	}
	if p.status == http.StatusInternalServerError {
		doc.RequestID = r.idText
	}
	if p.held != nil {
		asked := codeBody(*p.held)
		doc.Request, doc.ExpiresIn = asked.Request, asked.ExpiresIn
	}
	return doc
}

// fieldErrors returns violations as the entries of `errors`.
func fieldErrors(found contract.Violations) []api.FieldError {
	fields := make([]api.FieldError, len(found))
	for i, v := range found {
		fields[i] = api.FieldError{Pointer: v.Pointer, Code: api.FieldErrorCode(v.Code), Detail: v.Detail}
	}
	return fields
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
// the path under which the client finds the service: that of the public URL, or else the prefix that
// a proxy sent.
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
