package impl

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth/keyring"
)

// published are the headers of a response that any cache may keep for as long as the keys, and that
// any page may read. They replace those that [setSecurityHeaders] has set.
var published = struct{ AccessControlAllowOrigin, CacheControl string }{
	"*", fmt.Sprintf("public, max-age=%d", int(keyring.MaxAge/time.Second)),
}

// GetKeys returns the public keys that access tokens are checked with (RFC 7517 section 5).
func (s *Server) GetKeys(context.Context, api.GetKeysRequestObject) (api.GetKeysResponseObject, error) {
	keys, err := s.auth.PublicKeys()
	if err != nil {
		return nil, err
	}
	return api.GetKeys200ApplicationJwkSetPlusJSONResponse{
		Body:    api.KeySet{Keys: bodies(keys, keyBody)},
		Headers: api.GetKeys200ResponseHeaders(published),
	}, nil
}

// GetMetadata returns the authorization server metadata (RFC 8414 section 3). The password grant is
// for first parties, and isn't named.
func (s *Server) GetMetadata(
	ctx context.Context,
	_ api.GetMetadataRequestObject,
) (api.GetMetadataResponseObject, error) {
	keys, err := s.auth.PublicKeys()
	if err != nil {
		return nil, err
	}
	issuer, base := s.auth.Issuer(), s.baseURL(ctx)
	at := func(path string) string { return base + path }
	metadata := api.Metadata{
		Issuer:                 issuer,
		KeyLeadSeconds:         int(s.auth.KeyLead() / time.Second),
		TokenEndpoint:          at("/api/users/login/token/"),
		RevocationEndpoint:     at("/api/oauth/revoke/"),
		ServiceDocumentation:   new(at("/docs")),
		GrantTypesSupported:    []api.MetadataGrantTypesSupported{api.MetadataGrantTypesSupportedRefreshToken},
		ResponseTypesSupported: []api.MetadataResponseTypesSupported{api.MetadataResponseTypesSupportedNone},
		TokenEndpointAuthMethodsSupported: []api.MetadataTokenEndpointAuthMethodsSupported{
			api.MetadataTokenEndpointAuthMethodsSupportedNone,
		},
		RevocationEndpointAuthMethodsSupported: []api.MetadataRevocationEndpointAuthMethodsSupported{
			api.MetadataRevocationEndpointAuthMethodsSupportedNone,
		},
	}
	if len(keys) > 0 {
		metadata.JwksURI = new(at("/.well-known/jwks.json"))
	}
	return api.GetMetadata200JSONResponse{Body: metadata, Headers: api.GetMetadata200ResponseHeaders(published)}, nil
}

// metadataPath is where RFC 8414 section 3 has the metadata of an issuer without a path.
const metadataPath = "/.well-known/oauth-authorization-server"

// ofIssuer removes the path of the issuer from the end of the metadata's path, where RFC 8414
// section 3.1 puts it.
func (s *Server) ofIssuer(u *url.URL) {
	if rest, ok := strings.CutPrefix(u.Path, metadataPath); ok && rest != "" && rest == s.issuerPath {
		u.Path, u.RawPath = metadataPath, ""
	}
}

// baseURL returns where clients find the service, without a slash at its end: the public URL, else
// the issuer if it is an address, else the address that the request was sent to.
func (s *Server) baseURL(ctx context.Context) string {
	if s.publicURL != "" {
		return s.publicURL
	}
	if base := issuerURL(s.auth.Issuer()); base != "" {
		return base
	}
	r := requestOf(ctx)
	return r.scheme + "://" + r.host + r.prefix
}

// issuerURL returns the issuer without a slash at its end if it is an address, otherwise "".
func issuerURL(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return ""
	}
	return strings.TrimSuffix(issuer, "/")
}

func keyBody(key keyring.JWK) api.Key {
	return api.Key{
		Kty: api.KeyKty(key.KeyType), Kid: key.KeyID, Alg: api.KeyAlg(key.Algorithm), Use: api.Sig,
		Crv: optional(api.KeyCrv(key.Curve)), X: optional(key.X), Y: optional(key.Y),
		N: optional(key.Modulus), E: optional(key.Exponent),
	}
}
