package session

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"

	"github.com/latchkey-auth/latchkey/gen/db"
)

// refreshes lets requests that present one token at the same moment share a statement. Without it
// each holds a connection and waits for the row's lock: a client with 100 tabs would take the pool.
type refreshes struct{ group singleflight.Group }

// refreshKey identifies a refresh: the token, the user of the access token that was sent with it,
// and the requested scopes.
type refreshKey struct {
	session, owner uuid.UUID
	generation     int32
	scopes         string
}

// do returns the result of exchange, which may be shared by several callers. No caller's context
// ends it.
func (r *refreshes) do(
	ctx context.Context,
	key refreshKey,
	exchange func(context.Context) (db.SessionRefreshRow, error),
) (db.SessionRefreshRow, error) {
	name := append(append(binary.BigEndian.AppendUint32(nil, uint32(key.generation)), key.session[:]...), key.owner[:]...)
	name = append(name, key.scopes...)
	shared, err, _ := r.group.Do(string(name), func() (row any, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p) // it belongs to no request in particular
			}
		}()
		return exchange(context.WithoutCancel(ctx))
	})
	row, _ := shared.(db.SessionRefreshRow)
	return row, err
}
