package auth

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
)

// copyUsers adds users with their passwords and roles, and an event for each.
func copyUsers(ctx context.Context, tx *db.Queries, added []preparedUser, now time.Time) error {
	if len(added) == 0 {
		return nil
	}
	var (
		users     = make([]db.UserCopyParams, 0, len(added))
		passwords db.PasswordDateParams
		roles     []db.UserRoleCopyParams
		events    = make([]db.EventCopyParams, 0, len(added))
	)
	for _, user := range added {
		id, err := user.newID()
		if err != nil {
			return err
		}
		users = append(users, user.row(id))
		if user.PasswordHash.Reveal() != "" && !user.PasswordChangedAt.Equal(*user.UpdatedAt) {
			passwords.UserIds = append(passwords.UserIds, id)
			passwords.ChangedAt = append(passwords.ChangedAt, *user.PasswordChangedAt)
		}
		for _, role := range user.Roles {
			if role != RoleSuperuser {
				roles = append(roles, db.UserRoleCopyParams{UserID: id, Role: role, GrantedAt: now})
			}
		}
		eventID, err := event.NewID(now)
		if err != nil {
			return err
		}
		events = append(events, db.EventCopyParams{
			ID: eventID, Type: string(event.UserImported), UserID: id, Actor: string(event.Operator),
			Data: []byte("{}"), CreatedAt: now,
		})
	}
	if _, err := tx.UserCopy(ctx, users); err != nil {
		return err
	}
	if len(passwords.UserIds) > 0 {
		if err := tx.PasswordDate(ctx, passwords); err != nil {
			return err
		}
	}
	if len(roles) > 0 {
		if _, err := tx.UserRoleCopy(ctx, roles); err != nil {
			return err
		}
	}
	_, err := tx.EventCopy(ctx, events)
	return err
}

func (p *preparedUser) row(id uuid.UUID) db.UserCopyParams {
	return db.UserCopyParams{
		ID: id, ExternalID: orNull(p.ExternalID),
		Email: p.Email, EmailKey: p.keys.email, Username: p.Username, UsernameKey: p.keys.username,
		EmailVerified: p.EmailVerified, IsActive: p.IsActive, IsSuperuser: slices.Contains(p.Roles, RoleSuperuser),
		DisplayName: orNull(p.DisplayName), Locale: orNull(p.Locale),
		UserMetadata: p.UserMetadata, AppMetadata: p.AppMetadata,
		LastLoginAt: p.LastLoginAt, CreatedAt: *p.CreatedAt, UpdatedAt: *p.UpdatedAt,
		PasswordHash: orNull(p.PasswordHash.Reveal()),
	}
}

// newID returns the user's id, or a new one that sorts by the time at which the user was created.
func (p *preparedUser) newID() (uuid.UUID, error) {
	if p.ID != uuid.Nil {
		return p.ID, nil
	}
	id, err := uuid.NewV7()
	if ms := p.CreatedAt.UnixMilli(); ms >= 0 { // RFC 9562 section 5.7 counts from 1970
		for n := range 6 {
			id[n] = byte(ms >> (40 - 8*n))
		}
	}
	return id, err
}
