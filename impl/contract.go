package impl

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// contract maps the route that echo has matched to what the contract says of it; so there is one router, and
// nothing is looked up in the document while a request waits.
type contract map[route]*operation

// operation is what the contract says of one method of one path.
type operation struct {
	id string
	// authenticated says that `security` demands a bearer token, welcomes that a token without demand is looked at.
	authenticated, welcomes bool
	// oauth says that errors carry the members of RFC 6749 section 5.2 too.
	oauth bool
	// params are the parameters of the path.
	params []param
	// body is nil where the operation takes none.
	body *bodyPlan
}

// param is a parameter of the path: an id, of something that is not there where the id can't be one.
type param struct {
	name   string
	schema *openapi3.Schema
	absent error
}

// absences are what is answered to an id that can't be one, by the parameter's name.
var absences = map[string]error{"session_id": auth.ErrNoSession}

func planParameter(p *openapi3.Parameter) (param, error) {
	absent := absences[p.Name]
	if p.In != openapi3.ParameterInPath || absent == nil {
		return param{}, fmt.Errorf("the parameter %s is declared, and nothing here checks it", p.Name)
	}
	return param{p.Name, p.Schema.Value, absent}, nil
}

// bodyPlan says what a body must be.
type bodyPlan struct {
	mediaType string
	required  bool
	schema    *openapi3.Schema
	options   []openapi3.SchemaValidationOption
	// together adds what only a look at several fields shows; nil where there is no such thing. For a
	// form it is always called. For a JSON body it is called only where the schema has found something
	// else, because the service judges a body that fits.
	together func(body any, invalid *invalidRequest)
}

const (
	mediaJSON = "application/json"
	mediaForm = "application/x-www-form-urlencoded"
)

// route is how the router names an operation.
type route struct{ method, path string }

// pathParameter is a parameter as the contract writes it; the router writes :name.
var pathParameter = regexp.MustCompile(`\{([^}]*)\}`)

// planContract reads the document once, and refuses what this package would not enforce.
func planContract(doc *openapi3.T, meaning rules) (contract, error) {
	c := contract{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			plan, err := planOperation(doc, item, op, meaning)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			c[route{method, pathParameter.ReplaceAllString(path, ":$1")}] = plan
		}
	}
	return c, nil
}

func planOperation(doc *openapi3.T, item *openapi3.PathItem, op *openapi3.Operation, meaning rules) (*operation, error) {
	plan := &operation{id: op.OperationID, oauth: slices.Contains(op.Tags, tagTokens)}
	for _, ref := range append(slices.Clone(item.Parameters), op.Parameters...) {
		param, err := planParameter(ref.Value)
		if err != nil {
			return nil, err
		}
		plan.params = append(plan.params, param)
	}
	security := doc.Security
	if op.Security != nil {
		security = *op.Security
	}
	plan.authenticated = len(security) > 0
	plan.welcomes, _ = op.Extensions["x-latchkey-optional-token"].(bool)
	for _, alternative := range security {
		for name, scopes := range alternative {
			if err := checkScheme(doc, name, scopes); err != nil {
				return nil, err
			}
		}
		if len(alternative) == 0 {
			plan.authenticated = false
		}
	}
	if op.RequestBody == nil {
		return plan, nil
	}
	body, err := planBody(op.RequestBody.Value, meaning)
	plan.body = body
	return plan, err
}

// covers refuses a route of the API of which the contract says nothing: nobody would be asked for a token there.
func (c contract) covers(routes []*echo.Route) error {
	for _, r := range routes {
		if c[route{r.Method, r.Path}] == nil {
			return fmt.Errorf("the contract has no operation for %s %s", r.Method, r.Path)
		}
	}
	return nil
}

// tagTokens marks the operations that answer in the form of RFC 6749.
const tagTokens = "tokens"

// checkScheme refuses a security scheme that is not a bearer token, or scopes, which no token has.
func checkScheme(doc *openapi3.T, name string, scopes []string) error {
	ref := doc.Components.SecuritySchemes[name]
	if ref == nil {
		return fmt.Errorf("security scheme %q is not declared", name)
	}
	bearer := ref.Value.Type == "oauth2" || ref.Value.Type == "http" && ref.Value.Scheme == "bearer"
	if !bearer || len(scopes) > 0 {
		return fmt.Errorf("security scheme %q: only bearer tokens without scopes are known here", name)
	}
	return nil
}

func planBody(body *openapi3.RequestBody, meaning rules) (*bodyPlan, error) {
	if len(body.Content) != 1 {
		return nil, fmt.Errorf("%d media types are declared for the body, want one", len(body.Content))
	}
	plan := &bodyPlan{required: body.Required, options: []openapi3.SchemaValidationOption{
		openapi3.VisitAsRequest(),
		openapi3.MultiErrors(),
		openapi3.EnableFormatValidation(),
		openapi3.WithStringFormatValidators(meaning.formats),
		// Nothing of what was sent may reach a message.
		openapi3.DisableSchemaErrorDetails(),
	}}
	for name, media := range body.Content {
		if name != mediaJSON && name != mediaForm {
			return nil, fmt.Errorf("media type %s is declared, and nothing here reads it", name)
		}
		plan.mediaType, plan.schema = name, media.Schema.Value
	}
	if p := plan.schema.Properties["password"]; p != nil && p.Value.Format == formatNewPassword {
		plan.together = meaning.checkPassword
	}
	if grantType := plan.schema.Properties["grant_type"]; grantType != nil {
		plan.together = checkGrant
		grantType.Value.Enum = nil // any other is 400 (RFC 6749 section 5.2), and not 422
	}
	return plan, nil
}

// rules are what the service means by the contract's formats, so that everything that is wrong with a body is reported at once.
type rules struct {
	formats map[string]openapi3.StringFormatValidator
	policy  func() password.Policy
}

const formatNewPassword = "new-password"

func (s *Server) rules() rules {
	return rules{policy: func() password.Policy { return s.auth.Policy() }, formats: map[string]openapi3.StringFormatValidator{
		"idn-email": formatFunc(func(s string) error {
			_, err := account.CanonicalEmail(s)
			return err
		}),
		// The service judges it, once, together with the email and the username.
		formatNewPassword: formatFunc(func(string) error { return nil }),
	}}
}

// checkPassword adds what the policy has against a password, where the schema has found something
// else already and the service never sees the request.
func (m rules) checkPassword(body any, invalid *invalidRequest) {
	fields, _ := body.(map[string]any)
	text := func(name string) string {
		s, _ := fields[name].(string)
		return s
	}
	chosen := text("password")
	var broken *password.PolicyError
	if chosen != "" && errors.As(m.policy().Check(secret.New(chosen), text("email"), text("username")), &broken) {
		invalid.add("/password", broken.Code, broken.Detail)
	}
}

type formatFunc func(string) error

func (f formatFunc) Validate(s string) error { return f(s) }

// ContractPages answers the contract that this server holds itself to, in both its forms.
func ContractPages() Contract { return Contract{JSON: api.ContractJSON, YAML: api.ContractYAML} }
