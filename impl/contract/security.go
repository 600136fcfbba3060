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
			if isCookie(doc, name) {
				if err := o.planCookie(doc, name, alternative, security, rules); err != nil {
					return err
				}
				continue
			}
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

func isCookie(doc *openapi3.T, name string) bool {
	scheme := schemeOf(doc, name)
	return scheme != nil && scheme.Type == "apiKey" && scheme.In == "cookie"
}

// planCookie fails unless the caller reads the cookie, and the operation needs neither the cookie
// nor anything else.
func (o *Operation) planCookie(
	doc *openapi3.T, name string, alternative openapi3.SecurityRequirement, all openapi3.SecurityRequirements, rules Rules,
) error {
	isEmpty := func(s openapi3.SecurityRequirement) bool { return len(s) == 0 }
	switch {
	case rules.Cookie == "" || schemeOf(doc, name).Name != rules.Cookie:
		return fmt.Errorf("security scheme %q: nothing here reads the cookie", name)
	case len(alternative[name]) > 0:
		return fmt.Errorf("security scheme %q: only an oauth2 scheme has scopes", name)
	case len(alternative) > 1 || len(all) != 2 || !slices.ContainsFunc(all, isEmpty):
		return fmt.Errorf("security scheme %q: a cookie can only be an alternative to nothing", name)
	}
	o.TakesCookie = true
	return nil
}

// schemeOf returns a security scheme, or nil if it isn't declared.
func schemeOf(doc *openapi3.T, name string) *openapi3.SecurityScheme {
	if doc.Components == nil || doc.Components.SecuritySchemes[name] == nil {
		return nil
	}
	return doc.Components.SecuritySchemes[name].Value
}

// checkScheme fails if a scheme is not a bearer token, or if it doesn't have a scope.
func checkScheme(doc *openapi3.T, name string, scopes []string) error {
	switch scheme := schemeOf(doc, name); {
	case scheme == nil:
		return fmt.Errorf("security scheme %q is not declared", name)
	case scheme.Type == "oauth2":
		for _, scope := range scopes {
			if !scopesOf(scheme)[scope] {
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
