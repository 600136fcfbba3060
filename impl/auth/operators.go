package auth

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// CreateUser makes a user without logging it in; for operators.
// It fails as [Service.Register] does.
func (s *Service) CreateUser(ctx context.Context, r Registration, superuser bool) (User, error) {
	keys, err := s.checkRegistration(r)
	if err != nil {
		return User{}, err
	}
	hash, err := s.opts.Hasher.Hash(ctx, "", r.Password)
	if err != nil {
		return User{}, busy(err)
	}
	return s.change(
		ctx,
		func(tx store.Tx) (db.User, error) {
			user, err := s.createUser(ctx, tx, newUser{Registration: r, keys: keys, hash: hash, isSuperuser: superuser})
			if err != nil {
				return db.User{}, err
			}
			return user, s.recordOperator(ctx, tx, Operator{}, event.UserCreated, user.ID)
		},
	)
}

// change runs a change of a user in a transaction, and returns the user as it is then.
func (s *Service) change(ctx context.Context, f func(store.Tx) (db.User, error)) (User, error) {
	var user db.User
	err := store.InTx(ctx, s.opts.DB, func(tx store.Tx) (err error) {
		user, err = f(tx)
		return err
	})
	if err != nil {
		return User{}, account.Error(err)
	}
	return account.Of(user), nil
}

// FindUser finds a user by id, email or username, in this order: what can be read as an id is
// looked up as one first. It fails with [ErrNoUser] or [ErrUnavailable].
func (s *Service) FindUser(ctx context.Context, who string) (User, error) {
	lookups := make([]func() (db.User, error), 0, 2)
	if id, err := uuid.Parse(who); err == nil {
		lookups = append(lookups, func() (db.User, error) { return s.queries.UserGetByID(ctx, id) })
	}
	if key, err := account.CanonicalEmail(who); err == nil {
		lookups = append(lookups, func() (db.User, error) { return s.queries.UserGetByEmailKey(ctx, key) })
	} else if key, err := account.CanonicalUsername(who); err == nil {
		lookups = append(lookups, func() (db.User, error) { return s.queries.UserGetByUsernameKey(ctx, key) })
	}
	for _, lookup := range lookups {
		row, err := lookup()
		if err = account.Error(err); err == nil {
			return account.Of(row), nil
		} else if !errors.Is(err, ErrNoUser) {
			return User{}, err
		}
	}
	return User{}, ErrNoUser
}

// DeleteUser deletes a user; its tokens belong to nobody from then on. It fails with
// [ErrNoAccount], [ErrLastSuperuser] or [ErrUnavailable].
func (s *Service) DeleteUser(ctx context.Context, op Operator, id uuid.UUID) (User, error) {
	return s.change(ctx, func(tx store.Tx) (db.User, error) {
		row, err := tx.UserGetForUpdate(ctx, id)
		if err != nil {
			return db.User{}, store.ErrorOr(err, ErrNoAccount)
		}
		if err := keepSuperuser(ctx, tx, row); err != nil {
			return db.User{}, err
		}
		return s.deleteLocked(ctx, tx, s.operated(op, event.UserDeleted, id))
	})
}

// DeleteOwnUser deletes the user that a token belongs to. It fails with [ErrInvalidToken] if the
// session has ended, [ErrNoUser], [ErrInactiveUser], [ErrLastSuperuser] or [ErrUnavailable].
func (s *Service) DeleteOwnUser(ctx context.Context, c Caller, p Principal) error {
	_, err := s.change(ctx, func(tx store.Tx) (db.User, error) {
		row, err := s.lockOwn(ctx, tx, p)
		if err != nil {
			return db.User{}, err
		}
		if err := keepSuperuser(ctx, tx, row); err != nil {
			return db.User{}, err
		}
		user, err := s.deleteLocked(ctx, tx, s.told(c, event.Event{
			Type: event.UserDeleted, UserID: p.User.ID, Actor: event.User, SessionID: p.SessionID,
		}))
		if err != nil {
			return db.User{}, err
		}
		return user, s.notify(ctx, tx, LetterAccountDeleted, user)
	})
	return err
}

// deleteLocked deletes the user of an event in a transaction that has locked the user's row.
func (s *Service) deleteLocked(ctx context.Context, tx store.Tx, e event.Event) (db.User, error) {
	// The foreign keys delete the rest, in one statement.
	if err := s.opts.Sessions.DeleteAll(ctx, tx, e.UserID); err != nil {
		return db.User{}, err
	}
	user, err := tx.UserDelete(ctx, e.UserID)
	if err != nil {
		return db.User{}, err
	}
	return user, event.Add(ctx, tx, e)
}

// SetPassword gives the user another password and ends every session until now.
// It fails with an [*InvalidInputError], [ErrNoUser] or [ErrUnavailable].
func (s *Service) SetPassword(ctx context.Context, user User, pass secret.Text) (User, error) {
	if _, err := s.checkRegistration(
		Registration{Email: user.Email, Username: user.Username, Password: pass},
	); err != nil {
		return User{}, err
	}
	hash, err := s.opts.Hasher.Hash(ctx, "", pass)
	if err != nil {
		return User{}, busy(err)
	}
	return s.change(ctx, func(tx store.Tx) (db.User, error) {
		if _, err := tx.UserEndSessions(ctx, db.UserEndSessionsParams{ID: user.ID, Now: s.opts.Now()}); err != nil {
			return db.User{}, err
		}
		if err := tx.PasswordSet(ctx, db.PasswordSetParams{UserID: user.ID, Hash: hash, Now: s.opts.Now()}); err != nil {
			return db.User{}, err
		}
		if err := s.opts.Challenges.End(ctx, tx, user.ID); err != nil {
			return db.User{}, err
		}
		if err := s.recordOperator(ctx, tx, Operator{}, event.PasswordChanged, user.ID); err != nil {
			return db.User{}, err
		}
		return tx.UserTouch(ctx, db.UserTouchParams{ID: user.ID, Now: s.opts.Now()})
	})
}
