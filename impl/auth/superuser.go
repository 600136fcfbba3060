package auth

import (
	"context"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// keepSuperuser fails with [ErrLastSuperuser] if a user is an active superuser, and there is no
// other one who can log in. Each transaction calls it that deletes a user, or takes the role or the
// activity away. It has locked the user's row.
//
// Two such transactions lock different rows. So they also take turns: the second one looks, by a
// statement of its own, after the first has ended.
func keepSuperuser(ctx context.Context, tx store.Tx, user db.User) error {
	if !user.IsSuperuser || !user.IsActive {
		return nil
	}
	if err := tx.SuperuserLock(ctx); err != nil {
		return store.Error(err)
	}
	hasOther, err := tx.SuperuserHasOther(ctx, user.ID)
	if err != nil {
		return store.Error(err)
	}
	if !hasOther {
		return ErrLastSuperuser
	}
	return nil
}
