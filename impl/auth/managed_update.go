package auth

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// ManagedUpdate is a JSON merge patch of a user by an operator. A nil member changes nothing.
type ManagedUpdate struct {
	UserUpdate
	// ExternalID is removed by an empty text.
	ExternalID *string
	// AppMetadata is a merge patch, as JSON.
	AppMetadata json.RawMessage
	IsActive    *bool
	// Roles are all roles after the change, unless nil. Grant and Revoke add or take one away,
	// unless empty.
	Roles         []string
	Grant, Revoke string
}

// rolesAfter returns all roles after the update in alphabetical order.
func (u ManagedUpdate) rolesAfter(before []string) []string {
	after := append([]string{}, before...)
	if u.Roles != nil {
		after = slices.Clone(u.Roles)
	}
	if u.Grant != "" {
		after = append(after, u.Grant)
	}
	after = slices.DeleteFunc(after, func(role string) bool { return role == u.Revoke })
	slices.Sort(after)
	return slices.Compact(after)
}

// changesProfile reports whether the update has a member whose change is an [event.UserUpdated].
func (u ManagedUpdate) changesProfile() bool {
	return u.Username != nil || u.DisplayName != nil || u.Locale != nil || u.Metadata != nil ||
		u.ExternalID != nil || u.AppMetadata != nil
}

// of returns the members of a user after the update.
func (u ManagedUpdate) of(row db.User, before []string) (db.ManagedUserUpdateParams, error) {
	var invalid InvalidInputError
	profile := u.UserUpdate.of(row, &invalid)
	after := db.ManagedUserUpdateParams{
		ID: row.ID, Username: profile.Username, UsernameKey: profile.UsernameKey,
		DisplayName: profile.DisplayName, Locale: profile.Locale, UserMetadata: profile.UserMetadata,
		AppMetadata: mergeMetadata("app_metadata", row.AppMetadata, u.AppMetadata, &invalid),
		ExternalID:  replaced(row.ExternalID, u.ExternalID),
		IsActive:    row.IsActive, IsSuperuser: slices.Contains(u.rolesAfter(before), RoleSuperuser),
	}
	if u.IsActive != nil {
		after.IsActive = *u.IsActive
	}
	if len(invalid.Fields) > 0 {
		return db.ManagedUserUpdateParams{}, &invalid
	}
	return after, nil
}

// UpdateManagedUser changes a user. ifMatch is the header If-Match, or empty. A user that is
// deactivated loses all its sessions. It fails with [ErrNoAccount], [ErrChangedSince],
// [ErrLastSuperuser], [ErrUsernameTaken], [ErrExternalIDTaken], an [*InvalidInputError] or
// [ErrUnavailable].
func (s *Service) UpdateManagedUser(
	ctx context.Context, op Operator, id uuid.UUID, ifMatch string, update ManagedUpdate,
) (ManagedUser, error) {
	var user ManagedUser
	err := store.InTx(ctx, s.opts.DB, func(tx store.Tx) error {
		row, err := tx.UserGetForUpdate(ctx, id)
		if err != nil {
			return store.ErrorOr(err, ErrNoAccount)
		}
		if !matches(ifMatch, account.Of(row)) {
			return ErrChangedSince
		}
		if user, err = s.managedUser(ctx, tx.Queries, id); err != nil {
			return err
		}
		happened, err := s.updateLocked(ctx, tx, row, user.Roles, update)
		if err != nil || len(happened) == 0 {
			return err
		}
		for _, what := range happened {
			e := s.operated(op, what, id)
			if what == event.UserRolesChanged {
				e.Roles = update.rolesAfter(user.Roles)
			}
			if err := event.Add(ctx, tx, e); err != nil {
				return err
			}
		}
		user, err = s.managedUser(ctx, tx.Queries, id)
		return err
	})
	return user, err
}

// updateLocked changes a user in a transaction that has locked the user's row, and returns what has
// happened.
func (s *Service) updateLocked(
	ctx context.Context, tx store.Tx, row db.User, roles []string, update ManagedUpdate,
) ([]event.Type, error) {
	after, err := update.of(row, roles)
	if err != nil {
		return nil, err
	}
	if !after.IsSuperuser || !after.IsActive {
		if err := keepSuperuser(ctx, tx, row); err != nil {
			return nil, err
		}
	}
	var happened []event.Type
	if update.changesProfile() {
		happened = append(happened, event.UserUpdated)
	}
	if rolesAfter := update.rolesAfter(roles); !slices.Equal(roles, rolesAfter) {
		if err := s.setRoles(ctx, tx, row.ID, rolesAfter); err != nil {
			return nil, err
		}
		happened = append(happened, event.UserRolesChanged)
	}
	switch {
	case row.IsActive && !after.IsActive:
		if err := s.endAll(ctx, tx, row.ID); err != nil {
			return nil, err
		}
		happened = append(happened, event.UserDeactivated)
	case !row.IsActive && after.IsActive:
		happened = append(happened, event.UserActivated)
	}
	if len(happened) > 0 {
		after.Now = s.opts.Now()
		_, err = tx.ManagedUserUpdate(ctx, after)
	}
	return happened, account.Error(err)
}

// setRoles replaces the roles of a user, but for superuser.
func (s *Service) setRoles(ctx context.Context, tx store.Tx, id uuid.UUID, roles []string) error {
	others := slices.DeleteFunc(slices.Clone(roles), func(role string) bool { return role == RoleSuperuser })
	if err := tx.RoleRevokeOthers(ctx, db.RoleRevokeOthersParams{UserID: id, Kept: others}); err != nil {
		return store.Error(err)
	}
	return store.Error(tx.RoleGrant(ctx, db.RoleGrantParams{UserID: id, Roles: others, Now: s.opts.Now()}))
}

// endAll ends the sessions of a user, whatever their number, and the codes that were mailed to it.
func (s *Service) endAll(ctx context.Context, tx store.Tx, id uuid.UUID) error {
	if _, err := tx.UserEndSessions(ctx, db.UserEndSessionsParams{ID: id, Now: s.opts.Now()}); err != nil {
		return account.Error(err)
	}
	if err := s.opts.Challenges.End(ctx, tx, id); err != nil {
		return err
	}
	return s.opts.Challenges.EndUndos(ctx, tx, id, time.Time{})
}

// Activate lets a user log in again. Tokens from before the deactivation stay invalid.
func (s *Service) Activate(ctx context.Context, op Operator, id uuid.UUID) (ManagedUser, error) {
	return s.UpdateManagedUser(ctx, op, id, "", ManagedUpdate{IsActive: new(true)})
}

// Deactivate ends every session of a user, whatever their number, and lets nobody log in as it.
func (s *Service) Deactivate(ctx context.Context, op Operator, id uuid.UUID) (ManagedUser, error) {
	return s.UpdateManagedUser(ctx, op, id, "", ManagedUpdate{IsActive: new(false)})
}
