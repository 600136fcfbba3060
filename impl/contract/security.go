package contract

import (
	"errors"
	"fmt"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

func (o *Operation) planSecurity(doc *openapi3.T, declared *openapi3.Operation, rules Rules) error {
	security := doc.Security
	if declared.Security != nil {
		security = *declared.Security
	}
	o.Authenticated = len(security) > 0
	for n, alternative := range security {
		var demanded []string
		for name, scopes := range alternative {
			if err := checkScheme(doc, name, scopes); err != nil {
				return err
			}
			demanded = append(demanded, scopes...)
		}
		if len(alternative) == 0 {
			o.Authenticated = false
		}
		slices.Sort(demanded)
		demanded = slices.Compact(demanded)
		if n > 0 && !slices.Equal(demanded, o.Scopes) {
			// The weakest alternative would let in every token that another one refuses.
			return errors.New("the alternatives of security demand different scopes")
		}
		o.Scopes = demanded
	}
	if len(o.Scopes) > 0 && !rules.Scopes {
		return fmt.Errorf("the scope %s is demanded, and nothing here checks it", o.Scopes[0])
	}
	return nil
}

// checkScheme fails if a scheme is not a bearer token, or if it doesn't have a scope.
func checkScheme(doc *openapi3.T, name string, scopes []string) error {
	var ref *openapi3.SecuritySchemeRef
	if doc.Components != nil {
		ref = doc.Components.SecuritySchemes[name]
	}
	if ref == nil {
		return fmt.Errorf("security scheme %q is not declared", name)
	}
	switch scheme := ref.Value; {
	case scheme.Type == "oauth2":
		for _, scope := range scopes {
			if !declares(scheme.Flows, scope) {
				return fmt.Errorf("security scheme %q: no flow declares the scope %s", name, scope)
			}
		}
	case scheme.Type != "http" || scheme.Scheme != "bearer":
		return fmt.Errorf("security scheme %q: only bearer tokens are known here", name)
	case len(scopes) > 0:
		return fmt.Errorf("security scheme %q: only an oauth2 scheme has scopes", name)
	}
	return nil
}

func declares(flows *openapi3.OAuthFlows, scope string) bool {
	if flows == nil {
		return false
	}
	all := []*openapi3.OAuthFlow{flows.Password, flows.AuthorizationCode, flows.ClientCredentials, flows.Implicit}
	for _, flow := range all {
		if flow == nil {
			continue
		}
		if _, ok := flow.Scopes[scope]; ok {
			return true
		}
	}
	return false
}
