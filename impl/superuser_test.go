package impl_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// The last active superuser can't be deleted, demoted or locked: not by itself, not by another
// operation and not by a command. A locked superuser doesn't count.
func TestLastSuperuser(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "zoe", "superuser", impltest.AllScopes)
	h.MustRegister(t, "ada")
	h.GiveRole(t, "ada", "superuser")
	deactivate(t, h, "ada")
	path := userPath(t, h, "zoe")
	refused := func(what string, a impltest.Answer) {
		t.Helper()
		if a.Status != 409 || a.Text("code") != "last_superuser" {
			t.Errorf("%s: got %d %s", what, a.Status, a.Body)
		}
	}
	refused("lock", patchUser(t, h, token, path, "*", `{"is_active":false}`))
	refused("demote", patchUser(t, h, token, path, "*", `{"roles":["support"],"locale":"de"}`))
	refused("delete", as(t, h, token, "DELETE", path))
	refused("delete oneself", as(t, h, token, "DELETE", impltest.MePath))
	for name, err := range map[string]error{
		"lock":   errorOf(h.Auth.Deactivate(t.Context(), auth.Operator{}, claims(t, token).UID)),
		"delete": errorOf(h.Auth.DeleteUser(t.Context(), auth.Operator{}, claims(t, token).UID)),
		"demote": errorOf(h.Auth.UpdateManagedUser(t.Context(), auth.Operator{}, claims(t, token).UID, "", auth.ManagedUpdate{Revoke: "superuser"})),
	} {
		if err != auth.ErrLastSuperuser { //nolint:errorlint // it is this one
			t.Errorf("%s by a command: got %v", name, err)
		}
	}
	if a := as(t, h, token, "GET", path); fmt.Sprint(a.JSON("roles")) != "[superuser]" || a.Text("locale") != "" {
		t.Errorf("got %s", a.Body)
	}
	// The others can be removed, and so can the last one while there is another.
	if a := as(t, h, token, "DELETE", userPath(t, h, "ada")); a.Status != 204 {
		t.Errorf("an inactive one: got %d %s", a.Status, a.Body)
	}
	h.MustRegister(t, "grace")
	if a := patchUser(t, h, token, userPath(t, h, "grace"), "*", `{"roles":["superuser"]}`); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if a := as(t, h, token, "DELETE", impltest.MePath); a.Status != 204 {
		t.Errorf("one of two: got %d %s", a.Status, a.Body)
	}
}

// An invited superuser who hasn't accepted doesn't count, because the invitation may be lost. It
// counts once it is accepted, and can be withdrawn before.
func TestInvitedSuperuser(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "zoe", "superuser", impltest.AllScopes)
	invite(t, h, token, `{"email":"lost@example.com","roles":["superuser"]}`)
	if a := as(t, h, token, "DELETE", impltest.MePath); a.Status != 409 || a.Text("code") != "last_superuser" {
		t.Fatalf("before: got %d %s", a.Status, a.Body)
	}
	if a := as(t, h, token, "DELETE", userPath(t, h, "lost@example.com")); a.Status != 204 {
		t.Errorf("the invited one: got %d %s", a.Status, a.Body)
	}
	invite(t, h, token, `{"email":"grace@example.com","roles":["superuser"]}`)
	wantStatus(t, "accept", confirmReset(t, h, "", h.CodeMail(t, grace).Link.Reveal(), newPassword), 204)
	if a := as(t, h, token, "DELETE", impltest.MePath); a.Status != 204 {
		t.Errorf("after: got %d %s", a.Status, a.Body)
	}
}

func errorOf[T any](_ T, err error) error { return err }

// Two superusers remove each other, or themselves, at the same moment on two instances. One is
// left, whichever two operations are used. The only failures are last_superuser, and that the
// operator isn't one any more.
func TestLastSuperuserRace(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	beside := h.Beside(t)
	ways := map[string]func(h *impltest.Harness, token, path string) impltest.Answer{
		"lock": func(h *impltest.Harness, token, path string) impltest.Answer {
			return patchUser(t, h, token, path, "*", `{"is_active":false}`)
		},
		"demote": func(h *impltest.Harness, token, path string) impltest.Answer {
			return patchUser(t, h, token, path, "*", `{"roles":[]}`)
		},
		"delete": func(h *impltest.Harness, token, path string) impltest.Answer { return as(t, h, token, "DELETE", path) },
		"leave": func(h *impltest.Harness, token, _ string) impltest.Answer {
			return as(t, h, token, "DELETE", impltest.MePath)
		},
	}
	round := 0
	for first, one := range ways {
		for second, other := range ways {
			for range 3 {
				round++
				names := [2]string{fmt.Sprint("ada-", round), fmt.Sprint("eve-", round)}
				var tokens, paths [2]string
				for i, name := range names {
					tokens[i] = h.MustOperator(t, name, "superuser", impltest.AllScopes)
					paths[i] = userPath(t, h, name)
				}
				var answers [2]impltest.Answer
				var both sync.WaitGroup
				both.Go(func() { answers[0] = one(h, tokens[0], paths[1]) })
				both.Go(func() { answers[1] = other(beside, tokens[1], paths[0]) })
				both.Wait()
				var left int
				row := h.Pool.QueryRow(t.Context(), "SELECT count(*) FROM users WHERE is_superuser AND is_active")
				if err := row.Scan(&left); err != nil {
					t.Fatal(err)
				}
				if left != 1 {
					t.Errorf("%s and %s: %d superusers are left", first, second, left)
				}
				for i, a := range answers {
					switch {
					case a.Status < 300, a.Status == 409 && a.Text("code") == "last_superuser", a.Status == 401, a.Status == 403, a.Status == 404:
					default:
						t.Errorf("%s and %s, %d: got %d %s", first, second, i, a.Status, a.Body)
					}
				}
				if _, err := h.Pool.Exec(t.Context(), "DELETE FROM users"); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
