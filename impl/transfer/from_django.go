package transfer

import "strings"

// fromDjango reads the table auth_user of Django: a record of CSV, or an object of dumpdata.
func fromDjango(in row, _ mapping) (record, string) {
	id := in.text("id")
	if model := in.text("model"); model != "" { // of dumpdata
		if !strings.HasSuffix(strings.ToLower(model), "user") {
			return nil, "it is no user"
		}
		id = in.text("pk")
		in = in.object("fields")
	}
	r := record{}
	r.setKey(id)
	r.set("email", in.text("email"))
	r.set("username", in.text("username"))
	r.set("is_active", in.flag("is_active"))
	r.setRoles(in.isSet("is_superuser"))
	r.set("display_name", join(in.text("first_name"), in.text("last_name")))
	if in.isSet("is_staff") {
		r.set("app_metadata", map[string]any{"is_staff": true})
	}
	// A password that begins with ! can't be used (django.contrib.auth.hashers).
	if hash := in.text("password"); !strings.HasPrefix(hash, "!") {
		r.set("password_hash", hash)
	}
	r.set("created_at", in.time("date_joined"))
	r.set("last_login_at", in.time("last_login"))
	return r, ""
}
