package auth

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// ManagedUser is a user as operators see it.
type ManagedUser = account.Managed

// UserFilter is which users are listed. An empty or nil member filters nothing.
type UserFilter struct {
	EmailPrefix             string
	IsActive, EmailVerified *bool
	Role                    string
}

// UserPage is a page of a list of users.
type UserPage struct {
	Users []ManagedUser
	// Next is the cursor of the next page, or empty.
	Next string
}

// userPosition is a place in a list of users. The list is in the order of the emails or of the
// times.
type userPosition struct {
	ID        uuid.UUID `json:"i"`
	EmailKey  string    `json:"e,omitempty"`
	CreatedAt time.Time `json:"t,omitzero"`
}

// latest is the place before the newest user.
var latest = userPosition{ID: uuid.Max, CreatedAt: time.Date(100_000, 1, 1, 0, 0, 0, 0, time.UTC)}

// userList names the list of users in its cursors.
const userList = "users"

// ListUsers returns a page of at most 100 users, the newest first, or in the order of their emails
// where the filter has a prefix of emails. An empty cursor is that of the first page. It fails with
// an [*InvalidInputError] or [ErrUnavailable].
func (s *Service) ListUsers(ctx context.Context, filter UserFilter, cursor string, page int) (UserPage, error) {
	prefix, err := account.EmailPrefix(filter.EmailPrefix)
	if err != nil {
		var invalid InvalidInputError
		invalid.add("query/email_prefix", err)
		return UserPage{}, &invalid
	}
	filter.EmailPrefix = prefix
	after := latest
	if err := s.openCursor(userList, filter, cursor, &after); err != nil {
		return UserPage{}, err
	}
	found, err := s.findUsers(ctx, filter, after, page+1)
	if err != nil {
		return UserPage{}, store.Error(err)
	}
	var next string
	if len(found) > page {
		found = found[:page]
		if next, err = s.opts.Cursors.Seal(userList, filter, found[page-1]); err != nil {
			return UserPage{}, err
		}
	}
	users, err := s.managedUsers(ctx, s.queries, found)
	return UserPage{users, next}, err
}

// findUsers returns where the next users of a list are.
func (s *Service) findUsers(ctx context.Context, f UserFilter, after userPosition, n int) ([]userPosition, error) {
	active, verified := f.states()
	newest := db.ManagedUserPageParams{
		IsActive: active, EmailVerified: verified, Before: after.CreatedAt, BeforeID: after.ID, PageSize: int32(n),
	}
	byEmail := db.ManagedUserPageByEmailParams{
		IsActive: active, EmailVerified: verified, After: after.EmailKey, PageSize: int32(n),
		// No email has this character, and none is greater.
		FromKey: f.EmailPrefix, UntilKey: f.EmailPrefix + "\U0010FFFF",
	}
	switch {
	case f.EmailPrefix == "" && f.Role == "":
		return positions(s.queries.ManagedUserPage(ctx, newest))
	case f.Role == "":
		return positions(s.queries.ManagedUserPageByEmail(ctx, byEmail))
	case f.EmailPrefix == "":
		return positions(s.queries.ManagedUserPageByRole(ctx, db.ManagedUserPageByRoleParams{
			Role: f.Role, IsActive: active, EmailVerified: verified,
			Before: newest.Before, BeforeID: newest.BeforeID, PageSize: newest.PageSize,
		}))
	}
	return positions(s.queries.ManagedUserPageByRoleAndEmail(ctx, db.ManagedUserPageByRoleAndEmailParams{
		Role: f.Role, IsActive: active, EmailVerified: verified,
		FromKey: byEmail.FromKey, UntilKey: byEmail.UntilKey, After: byEmail.After, PageSize: byEmail.PageSize,
	}))
}

// states returns the states that the filter accepts: is_active, and email_verified at the same
// index.
func (f UserFilter) states() (active, verified []bool) {
	both := [2]bool{true, false}
	for _, a := range both {
		for _, v := range both {
			if (f.IsActive == nil || *f.IsActive == a) && (f.EmailVerified == nil || *f.EmailVerified == v) {
				active, verified = append(active, a), append(verified, v)
			}
		}
	}
	return active, verified
}

func positions[Row db.ManagedUserPageRow | db.ManagedUserPageByEmailRow | db.ManagedUserPageByRoleRow |
	db.ManagedUserPageByRoleAndEmailRow](rows []Row, err error) ([]userPosition, error) {
	found := make([]userPosition, len(rows))
	for i, row := range rows {
		found[i] = userPosition(row)
	}
	return found, err
}

// managedUsers returns the users of some places in their order. It leaves out those that were
// deleted since. Roles that the contract doesn't have any more are left out too.
func (s *Service) managedUsers(ctx context.Context, queries *db.Queries, found []userPosition) ([]ManagedUser, error) {
	ids := make([]uuid.UUID, len(found))
	for i, f := range found {
		ids[i] = f.ID
	}
	rows, err := queries.ManagedUserList(ctx, ids)
	if err != nil {
		return nil, store.Error(err)
	}
	byID := make(map[uuid.UUID]db.ManagedUserListRow, len(rows))
	for _, row := range rows {
		byID[row.ID] = row
	}
	users := make([]ManagedUser, 0, len(rows))
	for _, id := range ids {
		if row, ok := byID[id]; ok {
			user := account.ManagedOf(row)
			user.Roles = slices.DeleteFunc(user.Roles, func(role string) bool { return s.opts.Roles[role] == nil })
			users = append(users, user)
		}
	}
	return users, nil
}

// GetUser returns a user. It fails with [ErrNoAccount] or [ErrUnavailable].
func (s *Service) GetUser(ctx context.Context, id uuid.UUID) (ManagedUser, error) {
	return s.managedUser(ctx, s.queries, id)
}

// managedUser is [Service.GetUser] in a transaction too.
func (s *Service) managedUser(ctx context.Context, queries *db.Queries, id uuid.UUID) (ManagedUser, error) {
	users, err := s.managedUsers(ctx, queries, []userPosition{{ID: id}})
	if err != nil {
		return ManagedUser{}, err
	}
	if len(users) == 0 {
		return ManagedUser{}, ErrNoAccount
	}
	return users[0], nil
}
