package transfer

import (
	"github.com/latchkey-auth/latchkey/impl/auth/password"
)

// fromFastAPIUsers reads the table "user" of fastapi-users.
func fromFastAPIUsers(in row, _ mapping) (record, string) {
	r := record{}
	r.setKey(in.text("id"))
	r.set("email", in.text("email"))
	r.set("username", in.text("username"))
	r.set("email_verified", in.flag("is_verified"))
	r.set("is_active", in.flag("is_active"))
	r.setRoles(in.isSet("is_superuser"))
	r.set("password_hash", in.text("hashed_password"))
	r.set("created_at", in.time("created_at"))
	r.set("updated_at", in.time("updated_at"))
	return r, ""
}

// fromTutorial reads the table users of the FastAPI tutorials whose bcrypt is over the password and
// a column with a salt.
func fromTutorial(in row, _ mapping) (record, string) {
	r := record{}
	r.setKey(in.text("id"))
	r.set("email", in.text("email"))
	r.set("username", in.text("username"))
	r.set("email_verified", in.flag("email_verified"))
	r.set("is_active", in.flag("is_active"))
	r.setRoles(in.isSet("is_superuser"))
	if hash := in.text("password"); hash != "" {
		r.set("password_hash", password.Salted(in.text("salt"), hash))
	}
	r.set("created_at", in.time("created_at"))
	r.set("updated_at", in.time("updated_at"))
	return r, ""
}

// anonymous is why a user stays behind whom the other system has made without an email.
const anonymous = "the user is anonymous"

// fromSupabase reads the table auth.users of Supabase.
func fromSupabase(in row, m mapping) (record, string) {
	switch {
	case in.text("deleted_at") != "":
		return nil, "the user was deleted there"
	case in.isSet("is_anonymous"):
		return nil, anonymous
	}
	r := record{}
	r.setKey(in.text("id"))
	r.set("email", in.text("email"))
	r.set("email_verified", in.text("email_confirmed_at", "confirmed_at") != "")
	r.set("is_active", in.text("banned_until") == "" || in.isOver("banned_until", m.now))
	r.set("display_name", in.object("raw_user_meta_data").text("full_name", "name"))
	r.set("user_metadata", in.value("raw_user_meta_data"))
	r.set("app_metadata", in.value("raw_app_meta_data"))
	r.set("password_hash", in.text("encrypted_password"))
	r.set("created_at", in.time("created_at"))
	r.set("updated_at", in.time("updated_at"))
	r.set("last_login_at", in.time("last_sign_in_at"))
	return r, ""
}

// fromPocketBase reads a collection of PocketBase's auth type, such as users.
func fromPocketBase(in row, _ mapping) (record, string) {
	r := record{}
	r.set("external_id", in.text("id"))
	r.set("email", in.text("email"))
	r.set("username", in.text("username"))
	r.set("email_verified", in.flag("verified"))
	r.set("display_name", in.text("name"))
	r.set("password_hash", in.text("password", "passwordHash"))
	r.set("created_at", in.time("created"))
	r.set("updated_at", in.time("updated"))
	return r, ""
}

// fromBetterAuth reads better-auth's table user together with the password of its table account.
func fromBetterAuth(in row, m mapping) (record, string) {
	if in.isSet("isAnonymous") {
		return nil, anonymous
	}
	r := record{}
	r.set("external_id", in.text("id"))
	r.set("email", in.text("email"))
	r.set("username", in.text("displayUsername", "username"))
	r.set("email_verified", in.flag("emailVerified"))
	r.set("is_active", !in.isSet("banned") || in.isOver("banExpires", m.now))
	r.set("display_name", in.text("name"))
	if role := in.text("role"); role != "" && role != "user" {
		r.set("app_metadata", map[string]any{"role": role})
	}
	r.set("password_hash", in.text("password"))
	r.set("created_at", in.time("createdAt"))
	r.set("updated_at", in.time("updatedAt"))
	return r, ""
}
