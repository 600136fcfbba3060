package impl_test

import "github.com/latchkey-auth/latchkey/impl/impltest"

// operatorRequests returns one request for each operation of operators, each good for a token with
// its scope. The user in a path doesn't exist.
func operatorRequests(token string) map[string][]string {
	const user = impltest.UsersPath + "01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90/"
	authorization := "Bearer " + token
	return map[string][]string{
		"ListUsers": {"GET", impltest.UsersPath, "", "Authorization", authorization},
		"GetUser":   {"GET", user, "", "Authorization", authorization},
		"CreateUser": {
			"POST", impltest.InvitationsPath, `{"email":"invited-` + token[max(0, len(token)-16):] + `@example.com"}`,
			"Content-Type", "application/json", "Authorization", authorization,
		},
		"UpdateUser": {
			"PATCH", user, `{"app_metadata":{"plan":"pro"}}`,
			"Content-Type", "application/merge-patch+json", "If-Match", "*", "Authorization", authorization,
		},
		"DeleteUser":            {"DELETE", user, "", "Authorization", authorization},
		"ListUserSessions":      {"GET", user + "sessions/", "", "Authorization", authorization},
		"EndUserSessions":       {"DELETE", user + "sessions/", "", "Authorization", authorization},
		"SendUserPasswordReset": {"POST", user + "password-reset/", "", "Authorization", authorization},
		"ListEvents":            {"GET", impltest.AllEventsPath, "", "Authorization", authorization},
	}
}
