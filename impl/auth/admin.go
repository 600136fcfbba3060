package auth

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// CreateUser makes a user without logging it in; for whoever administers the service.
// It fails as [Service.Register] does.
func (s *Service) CreateUser(ctx context.Context, r Registration, superuser bool) (User, error) {
	row, err := s.create(ctx, nil, r, db.UserCreateParams{Now: s.now(), IsSuperuser: superuser})
	if err != nil {
		return User{}, err
	}
	return userOf(row), nil
}

// FindUser finds a user by id, email or username, in this order: what can be read as an id is looked up as one first.
// It fails with [ErrNoUser] or [ErrUnavailable].
func (s *Service) FindUser(ctx context.Context, who string) (User, error) {
	lookups := make([]func() (db.User, error), 0, 2)
	if id, err := uuid.Parse(who); err == nil {
		lookups = append(lookups, func() (db.User, error) { return s.users.UserGetByID(ctx, id) })
	}
	if key, err := CanonicalEmail(who); err == nil {
		lookups = append(lookups, func() (db.User, error) { return s.users.UserGetByEmailKey(ctx, key) })
	} else if key, err := CanonicalUsername(who); err == nil {
		lookups = append(lookups, func() (db.User, error) { return s.users.UserGetByUsernameKey(ctx, key) })
	}
	for _, lookup := range lookups {
		row, err := lookup()
		if err = storeError(err); err == nil {
			return userOf(row), nil
		} else if !errors.Is(err, ErrNoUser) {
			return User{}, err
		}
	}
	return User{}, ErrNoUser
}

// listPage is how many users [Service.EachUser] reads at once.
const listPage = 500

// EachUser calls f with every user in the order of their making, and stops at its first error.
func (s *Service) EachUser(ctx context.Context, f func(User) error) error {
	var last uuid.UUID
	for {
		rows, err := s.users.UserList(ctx, db.UserListParams{After: last, PageSize: listPage})
		if err != nil {
			return storeError(err)
		}
		for _, row := range rows {
			if err := f(userOf(row)); err != nil {
				return err
			}
		}
		if len(rows) < listPage {
			return nil
		}
		last = rows[len(rows)-1].ID
	}
}

// Activate lets the user log in again; tokens from before the deactivation stay dead.
func (s *Service) Activate(ctx context.Context, id uuid.UUID) (User, error) {
	row, err := s.users.UserActivate(ctx, db.UserActivateParams{ID: id, Now: s.now()})
	return userOf(row), storeError(err)
}

// Deactivate ends every token of the user and lets nobody log in as it.
func (s *Service) Deactivate(ctx context.Context, id uuid.UUID) (User, error) {
	row, err := s.users.UserDeactivate(ctx, db.UserDeactivateParams{ID: id, Now: s.now()})
	return userOf(row), storeError(err)
}

// DeleteUser deletes the user; its tokens belong to nobody from then on.
func (s *Service) DeleteUser(ctx context.Context, id uuid.UUID) (User, error) {
	for { // a foreign key would delete all of them in one statement, however many there are
		n, err := s.users.SessionDeleteSome(ctx, db.SessionDeleteSomeParams{UserID: id, Batch: sweepBatch})
		if err != nil {
			return User{}, storeError(err)
		}
		if n < sweepBatch {
			break
		}
	}
	row, err := s.users.UserDelete(ctx, id)
	return userOf(row), storeError(err)
}

// SetPassword gives the user another password and ends every token issued until now.
// It fails with an [*InvalidInputError], [ErrNoUser] or [ErrUnavailable].
func (s *Service) SetPassword(ctx context.Context, user User, pass secret.Text) (User, error) {
	if _, _, err := s.checkRegistration(Registration{Email: user.Email, Username: user.Username, Password: pass}); err != nil {
		return User{}, err
	}
	hash, err := s.hasher.Hash(ctx, "", pass)
	if err != nil {
		return User{}, busy(err)
	}
	row, err := s.users.UserSetPassword(ctx, db.UserSetPasswordParams{ID: user.ID, PasswordHash: hash, Now: s.now()})
	return userOf(row), storeError(err)
}
