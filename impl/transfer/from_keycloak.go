package transfer

import (
	"encoding/base64"
	"fmt"
)

// fromKeycloak reads a user of a realm that Keycloak has exported.
func fromKeycloak(in row, _ mapping) (record, string) {
	if in.text("serviceAccountClientId") != "" {
		return nil, "it is the account of a client"
	}
	r := record{}
	r.setKey(in.text("id"))
	r.set("email", in.text("email"))
	r.set("username", in.text("username"))
	r.set("email_verified", in.flag("emailVerified"))
	r.set("is_active", in.flag("enabled"))
	r.set("display_name", join(in.text("firstName"), in.text("lastName")))
	attributes := in.object("attributes")
	r.set("locale", attributes.only("locale"))
	delete(attributes, "locale")
	if len(attributes) > 0 {
		r.set("user_metadata", map[string]any(attributes))
	}
	rights := record{}
	rights.set("realm_roles", in.filled("realmRoles"))
	rights.set("client_roles", in.filled("clientRoles"))
	rights.set("groups", in.filled("groups"))
	if len(rights) > 0 {
		r.set("app_metadata", map[string]any(rights))
	}
	credential := keycloakPassword(in)
	r.set("password_hash", keycloakHash(credential))
	r.set("password_changed_at", credential.time("createdDate"))
	r.set("created_at", in.time("createdTimestamp"))
	return r, ""
}

// keycloakPassword returns the credential of a user that is a password, or an empty row.
func keycloakPassword(in row) row {
	credentials, _ := in["credentials"].([]any)
	for _, c := range credentials {
		if credential, _ := c.(map[string]any); row(credential).text("type") == "password" {
			return credential
		}
	}
	return nil
}

// keycloakHash returns a stored password in PHC form, or an empty text for none. What isn't
// understood is nothing that this form allows.
func keycloakHash(credential row) string {
	if credential == nil {
		return ""
	}
	secret, data := credential.object("secretData"), credential.object("credentialData")
	algorithm, passes := data.text("algorithm"), data.text("hashIterations")
	salt, hash := unpadded(secret.text("salt")), unpadded(secret.text("value"))
	if algorithm != "argon2" {
		return fmt.Sprintf("$%s$i=%s$%s$%s", algorithm, passes, salt, hash)
	}
	more := data.object("additionalParameters")
	version := "19"
	if more.only("version") == "1.0" {
		version = "16"
	}
	return fmt.Sprintf("$argon2%s$v=%s$m=%s,t=%s,p=%s$%s$%s",
		more.only("type"), version, more.only("memory"), passes, more.only("parallelism"), salt, hash)
}

// filled returns a list or an object, or nil for an empty one.
func (r row) filled(name string) any {
	list, _ := r[name].([]any)
	if len(list) == 0 && len(r.object(name)) == 0 {
		return nil
	}
	return r[name]
}

// only returns a text, or the one text of a list.
func (r row) only(name string) string {
	if text, ok := r[name].(string); ok {
		return text
	}
	list, _ := r[name].([]any)
	if len(list) != 1 {
		return ""
	}
	text, _ := list[0].(string)
	return text
}

// unpadded returns a text of Base64 without padding, as PHC has it.
func unpadded(text string) string {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "?"
	}
	return base64.RawStdEncoding.EncodeToString(data)
}
