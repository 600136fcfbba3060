package impl_test

import (
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// These helpers read and write rows as an older release, or another system, would have left them.

func setHash(t *testing.T, h *impltest.Harness, username, hash string) {
	t.Helper()
	tag, err := h.Pool.Exec(t.Context(), "UPDATE users SET password_hash = $1 WHERE username = $2", hash, username)
	if err != nil || tag.RowsAffected() != 1 {
		t.Fatalf("%d rows, %v", tag.RowsAffected(), err)
	}
}

// waitForWaiters returns when that number of statements of the test's database wait for a lock.
func waitForWaiters(t *testing.T, h *impltest.Harness, want int) {
	t.Helper()
	const sql = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
	waitFor(t, func() bool {
		var got int
		if err := h.Pool.QueryRow(t.Context(), sql).Scan(&got); err != nil {
			t.Fatal(err)
		}
		return got == want
	})
}

func hashOf(t *testing.T, h *impltest.Harness, username string) string {
	t.Helper()
	var hash string
	if err := h.Pool.QueryRow(
		t.Context(),
		"SELECT password_hash FROM users WHERE username = $1",
		username,
	).Scan(
		&hash,
	); err != nil {
		t.Fatal(err)
	}
	return hash
}

func bcryptOf(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

func argon2Of(t *testing.T, text string, params password.Params) string {
	t.Helper()
	queue, err := hashqueue.New(1, params.Bytes(), hashqueue.DefaultWait)
	if err != nil {
		t.Fatal(err)
	}
	hasher, err := password.NewHasher(params, queue)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := hasher.Hash(t.Context(), "", secret.New(text))
	if err != nil {
		t.Fatal(err)
	}
	return hash
}
