package impl_test

import (
	"net/http"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// spoil makes the server read-only for every connection of the pool.
func spoil(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	for _, conn := range pool.AcquireAllIdle(t.Context()) {
		if _, err := conn.Exec(t.Context(), "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"); err != nil {
			t.Fatal(err)
		}
		conn.Release()
	}
}

// F-3: when a server becomes read-only, its connections are closed, because another host may be the
// primary now.
func TestF3_ServerThatTurnsReadOnly(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	register := func() impltest.Answer { return h.Register(t, "eve@example.com", "eve", impltest.Password) }
	ready := func() impltest.Answer { return h.Do(t, h.Request(http.MethodGet, "/readyz", "")) }
	spoil(t, h.Pool)
	if a := register(); a.Status != 503 || a.Text("code") != "unavailable" {
		t.Errorf("the first write: got %d %s", a.Status, a.Body)
	}
	// All connections are new, not only the one that noticed it.
	if a := register(); a.Status != 201 {
		t.Errorf("the next write: got %d %s", a.Status, a.Body)
	}
	// The readiness check renews them too.
	spoil(t, h.Pool)
	if a := ready(); a.Status != 503 || a.Text("code") != "database_read_only" {
		t.Errorf("readiness: got %d %s", a.Status, a.Body)
	}
	if a := ready(); a.Status != 200 {
		t.Errorf("readiness afterwards: got %d %s", a.Status, a.Body)
	}
	if a := h.Me(t, token); a.Status != 200 {
		t.Errorf("/me: got %d %s", a.Status, a.Body)
	}
}
