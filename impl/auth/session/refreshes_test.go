package session

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// A refresh never waits for one with another token, also of the same session or beside another
// user's access token. If a statement panics, those who wait for it get an error.
func TestRefreshesAreSharedByToken(t *testing.T) {
	t.Parallel()
	var r refreshes
	session, owner := uuid.New(), uuid.New()
	key := refreshKey{session: session, generation: 1}
	began, gate := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		gone, cancel := context.WithCancel(t.Context())
		row, err := r.do(gone, key, func(ctx context.Context) (db.SessionRefreshRow, error) {
			close(began)
			<-gate
			cancel() // the client goes
			return db.SessionRefreshRow{Generation: 2}, ctx.Err()
		})
		if row.Generation != 2 || err != nil {
			t.Errorf("got %+v, %v; want generation 2", row, err)
		}
	})
	<-began
	for _, other := range []refreshKey{
		{session: session, generation: 2}, {session: session, generation: 1, owner: owner}, {session: owner, generation: 1},
	} {
		exchange := func(context.Context) (db.SessionRefreshRow, error) {
			return db.SessionRefreshRow{}, store.ErrUnavailable
		}
		if _, err := r.do(t.Context(), other, exchange); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%+v: got %v, want its own error", other, err)
		}
	}
	close(gate)
	wg.Wait()
	if _, err := r.do(
		t.Context(),
		key,
		func(context.Context) (db.SessionRefreshRow, error) { panic("a mistake") },
	); err == nil {
		t.Error("a panic was returned as a success")
	}
}
