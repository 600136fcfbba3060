package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// Invitation is a user whom an operator makes.
type Invitation struct {
	Email string
	// Username is empty for one that is made from the email.
	Username string
	// DisplayName and Locale are empty if there is none. The mail is in the language of Locale.
	DisplayName, Locale string
	Roles               []string
	// AppMetadata is an object as JSON, or nil.
	AppMetadata json.RawMessage
}

// Invite makes a user without a password, and has a mail sent whose link sets the first password.
// The link proves the email too. It fails with an [*InvalidInputError], [ErrEmailTaken],
// [ErrUsernameTaken] or [ErrUnavailable].
func (s *Service) Invite(ctx context.Context, op Operator, i Invitation) (ManagedUser, error) {
	u, err := s.invitedUser(i)
	if err != nil {
		return ManagedUser{}, err
	}
	var invited ManagedUser
	err = store.InTx(ctx, s.opts.DB, func(tx store.Tx) error {
		user, err := s.createUser(ctx, tx, u)
		if err != nil {
			return err
		}
		if err := s.setRoles(ctx, tx, user.ID, i.Roles); err != nil {
			return err
		}
		own := challenge.Own{User: user.ID, Email: user.Email}
		if _, err := s.mailOwn(ctx, tx, challenge.Invitation, own); err != nil {
			return err
		}
		if err := s.recordOperator(ctx, tx, op, event.UserInvited, user.ID); err != nil {
			return err
		}
		invited, err = s.managedUser(ctx, tx.Queries, user.ID)
		return err
	})
	return invited, account.Error(err)
}

// invitedUser returns what the user is made of, or everything that is wrong at once, an
// [*InvalidInputError].
func (s *Service) invitedUser(i Invitation) (u newUser, err error) {
	var invalid InvalidInputError
	if u.keys.email, err = account.CanonicalEmail(i.Email); err != nil {
		invalid.add("email", err)
	} else {
		i.Username = cmp.Or(i.Username, account.ProposedUsername(u.keys.email))
		if u.keys.username, err = account.CanonicalUsername(i.Username); err != nil {
			invalid.add("username", err)
		}
	}
	metadata := mergeMetadata("app_metadata", []byte("{}"), i.AppMetadata, &invalid)
	for n, role := range i.Roles {
		if _, ok := s.opts.Roles[role]; !ok {
			invalid.Fields = append(invalid.Fields, FieldError{
				Field: "roles/" + strconv.Itoa(n), Code: "invalid_format", Detail: "There is no such role.",
			})
		}
	}
	if len(invalid.Fields) > 0 {
		return newUser{}, &invalid
	}
	u.Registration = Registration{Email: i.Email, Username: i.Username, Locale: i.Locale}
	u.displayName, u.appMetadata = i.DisplayName, metadata
	u.isSuperuser = slices.Contains(i.Roles, account.RoleSuperuser)
	return u, nil
}

// SendPasswordReset has a mail sent whose link sets another password, also a first one. The present
// password stays until then. A deactivated user gets no mail. It fails with [ErrNoAccount], a
// [*LimitedError] or [ErrUnavailable].
func (s *Service) SendPasswordReset(ctx context.Context, op Operator, id uuid.UUID) error {
	user, err := s.queries.UserGetByID(ctx, id)
	if err != nil {
		return store.ErrorOr(err, ErrNoAccount)
	}
	if !user.IsActive {
		return nil
	}
	// The operator is trusted: only the mails to one user are bounded.
	attempt, err := s.opts.Limiter.OperatorCode(ctx, string(challenge.OperatorReset), user.EmailKey)
	if err != nil {
		s.counters.countLimited(err)
		return err
	}
	_, err = s.openCode(ctx, attempt, func(tx store.Tx) (challenge.Opened, error) {
		opened, err := s.mailOwn(ctx, tx, challenge.OperatorReset, challenge.Own{User: id, Email: user.Email})
		if err != nil {
			return opened, err
		}
		return opened, s.recordOperator(ctx, tx, op, event.PasswordResetSent, id)
	})
	if errors.Is(err, store.ErrNotFound) {
		return ErrNoAccount // deactivated or deleted meanwhile
	}
	return err
}
