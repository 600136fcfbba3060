package impltest

import (
	"net/http"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/auth"
)

// AllScopes are the scopes of the contract, as the field of a login has them.
const AllScopes = "users:read users:write sessions:end events:read"

// MustOperator registers a user with a role, and returns a token of a login that asks for scopes.
func (h *Harness) MustOperator(tb testing.TB, username, role, scopes string) string {
	tb.Helper()
	h.MustRegister(tb, username)
	h.GiveRole(tb, username, role)
	return h.MustLogin(tb, username, "scope", scopes).Text("access_token")
}

// MustLogin logs in a user of [Harness.MustRegister]. More fields are pairs of name and value.
func (h *Harness) MustLogin(tb testing.TB, username string, more ...string) Answer {
	tb.Helper()
	a := h.Login(tb, append([]string{"username", username + "@example.com", "password", Password}, more...)...)
	if a.Status != http.StatusOK {
		tb.Fatalf("log in as %s: %d %s", username, a.Status, a.Body)
	}
	return a
}

// GiveRole gives a user a role.
func (h *Harness) GiveRole(tb testing.TB, username, role string) {
	tb.Helper()
	text := `INSERT INTO user_roles SELECT id, $2, now() FROM users WHERE username = $1`
	if role == auth.RoleSuperuser {
		text = `UPDATE users SET is_superuser = true WHERE username = $1 AND $2 <> ''`
	}
	h.exec(tb, text, username, role)
}

// TakeRole takes a role from a user.
func (h *Harness) TakeRole(tb testing.TB, username, role string) {
	tb.Helper()
	text := `DELETE FROM user_roles WHERE user_id = (SELECT id FROM users WHERE username = $1) AND role = $2`
	if role == auth.RoleSuperuser {
		text = `UPDATE users SET is_superuser = false WHERE username = $1 AND $2 <> ''`
	}
	h.exec(tb, text, username, role)
}

// exec runs a statement that changes one row.
func (h *Harness) exec(tb testing.TB, text string, arguments ...any) {
	tb.Helper()
	tag, err := h.Pool.Exec(tb.Context(), text, arguments...)
	must(tb, err)
	if n := tag.RowsAffected(); n != 1 {
		tb.Fatalf("%s: changed %d rows", text, n)
	}
}
