package transfer

// fromAuth0 reads a line of the passwords that Auth0's support exports, or of the users that its
// extension exports, or both in one.
func fromAuth0(in row, _ mapping) (record, string) {
	r := record{}
	r.set("external_id", auth0ID(in))
	r.set("email", in.text("email"))
	r.set("username", in.text("username"))
	r.set("email_verified", in.flag("email_verified"))
	r.set("is_active", !in.isSet("blocked"))
	if name := in.text("name"); name != in.text("email") { // its default
		r.set("display_name", name)
	}
	r.set("user_metadata", in.value("user_metadata"))
	r.set("app_metadata", in.value("app_metadata"))
	r.set("password_hash", in.text("passwordHash"))
	r.set("password_changed_at", in.object("password_set_date").time("$date"))
	r.set("created_at", in.time("created_at"))
	r.set("updated_at", in.time("updated_at"))
	r.set("last_login_at", in.time("last_login"))
	return r, ""
}

// auth0ID returns the id that Auth0's tokens have as sub.
func auth0ID(in row) string {
	if id := in.text("user_id"); id != "" {
		return id
	}
	if id := in.object("_id").text("$oid"); id != "" {
		return "auth0|" + id
	}
	return ""
}
