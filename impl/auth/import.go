package auth

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/latchkey-auth/latchkey/gen/db"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// ImportedUser is a user of another system, or of another database.
type ImportedUser struct {
	// Line is where the file has the user. It names the user in what is said about another one.
	Line int
	// ID is the zero UUID for a new one.
	ID uuid.UUID
	// ExternalID is the id in the other system, empty if there is none.
	ExternalID string
	Email      string
	// Username is empty for one that is made from the email.
	Username string
	// MayRename gives the user another username if this one is taken, or is none here.
	MayRename               bool
	EmailVerified, IsActive bool
	Roles                   []string
	// DisplayName and Locale are empty if there is none.
	DisplayName, Locale string
	// UserMetadata and AppMetadata are objects as JSON, or nil.
	UserMetadata, AppMetadata json.RawMessage
	// PasswordHash is empty for a user without a password.
	PasswordHash secret.Text
	// PasswordChangedAt and the others are nil if they aren't known.
	PasswordChangedAt, CreatedAt, UpdatedAt, LastLoginAt *time.Time
}

// ImportOutcome is what became of an [ImportedUser].
type ImportOutcome struct {
	// Exists reports that the user was there before, and was left as it is.
	Exists bool
	// Refused is why the user was not imported, or nil.
	Refused []FieldError
	// HashFormat is the format of the password's hash, empty for a user without a usable password.
	HashFormat string
	// HashErr is why a hash can't be used. The user was imported without a password.
	HashErr error
	// Renamed reports that the user got another username.
	Renamed bool
}

// Import imports users in batches. It isn't safe for concurrent use.
type Import struct {
	service *Service
	dry     bool
	seen    seenKeys
}

// Import returns an import. A dry one writes nothing, and reports the same.
func (s *Service) Import(dry bool) *Import {
	return &Import{service: s, dry: dry, seen: newSeenKeys()}
}

// importLeeway is how far the clock of the server may be ahead that has exported the users.
const importLeeway = 10 * time.Minute

// ErrTooManyUsers reports that a file has more users than one import can compare with each other.
var ErrTooManyUsers = errors.New("the file has too many users: split it, and import the parts one after the other")

// maxSeen bounds what an import remembers, and so its memory: some 300 MB. A user takes up to five.
const maxSeen = 12_000_000

// Batch imports users in one transaction, and returns what became of each. A user that is there
// already stays as it is: the one with the same id or external id or, if neither is given, with the
// same email. So a batch that was imported before changes nothing.
//
// If somebody registers in between with an email or username of the batch, it takes several
// transactions.
//
// It fails with [ErrUnavailable] or [ErrTooManyUsers]. No user is half imported then.
func (i *Import) Batch(ctx context.Context, users []ImportedUser) ([]ImportOutcome, error) {
	if len(i.seen.lines) > maxSeen {
		return nil, ErrTooManyUsers
	}
	prepared := make([]preparedUser, len(users))
	now := i.service.opts.Now()
	for n, user := range users {
		prepared[n] = i.service.prepare(user, now)
		i.seen.judge(&prepared[n])
	}
	return i.all(ctx, prepared, now)
}

// importTries is how often a user alone is tried that meets registrations in between.
const importTries = 3

// all imports users. If a registration in between has one of their emails or usernames, it imports
// either half by itself, whose transactions see the registration.
func (i *Import) all(ctx context.Context, users []preparedUser, now time.Time) (outcomes []ImportOutcome, err error) {
	for range importTries {
		outcomes, err = i.try(ctx, users, now)
		if !collided(err) {
			return outcomes, err
		}
		if len(users) == 1 {
			continue
		}
		outcomes, err = i.all(ctx, users[:len(users)/2], now)
		if err != nil {
			return nil, err
		}
		second, err := i.all(ctx, users[len(users)/2:], now)
		return append(outcomes, second...), err
	}
	return nil, err
}

// collided reports whether a transaction has failed because somebody registered in between: after
// the import, or while either waited for the other.
func collided(err error) bool {
	var (
		taken   *store.TakenError
		refused *pgconn.PgError
	)
	return errors.As(err, &taken) || errors.As(err, &refused) && refused.Code == deadlockDetected
}

// deadlockDetected is a SQLSTATE.
const deadlockDetected = "40P01"

// try imports users in one transaction. It fails with a [*store.TakenError] if somebody registers
// in between.
func (i *Import) try(ctx context.Context, users []preparedUser, now time.Time) (outcomes []ImportOutcome, err error) {
	var added []preparedUser
	if i.dry {
		outcomes, added, err = i.settle(ctx, i.service.queries, users)
		for _, user := range added {
			i.seen.give(user)
		}
		return outcomes, err
	}
	err = store.InTx(ctx, i.service.opts.DB, func(tx store.Tx) error {
		if outcomes, added, err = i.settle(ctx, tx.Queries, users); err != nil {
			return err
		}
		return store.Error(copyUsers(ctx, tx.Queries, added, now))
	})
	return outcomes, err
}

// settle decides what becomes of each user, and returns those to be added.
func (i *Import) settle(
	ctx context.Context, queries *db.Queries, users []preparedUser,
) (outcomes []ImportOutcome, added []preparedUser, err error) {
	taken, err := takenKeys(ctx, queries, users)
	if err != nil {
		return nil, nil, err
	}
	i.seen.addGiven(taken, users)
	outcomes = make([]ImportOutcome, len(users))
	for n, user := range users {
		out := ImportOutcome{Refused: user.refused, HashFormat: user.hashFormat, HashErr: user.hashErr}
		if len(out.Refused) == 0 {
			taken.settle(&user, &out)
		}
		outcomes[n] = out
		if len(out.Refused) == 0 && !out.Exists {
			added = append(added, user)
		}
	}
	return outcomes, added, nil
}

// preparedUser is a user in the form in which it is stored.
type preparedUser struct {
	ImportedUser
	keys accountKeys
	// names are the usernames that the user may get, the first that is free.
	names []string
	// refused is why the user can't be imported, apart from other users.
	refused    []FieldError
	hashFormat string
	hashErr    error
}

// prepare brings a user into its stored form, or says what is wrong with it.
func (s *Service) prepare(user ImportedUser, now time.Time) preparedUser {
	p := preparedUser{ImportedUser: user}
	var (
		invalid InvalidInputError
		err     error
	)
	if p.keys.email, err = account.CanonicalEmail(user.Email); err != nil {
		invalid.add("email", err)
	} else if p.names, err = usernames(user, p.keys.email); err != nil {
		invalid.add("username", err)
	}
	for _, metadata := range []struct {
		name string
		json *json.RawMessage
	}{{"user_metadata", &p.UserMetadata}, {"app_metadata", &p.AppMetadata}} {
		*metadata.json = mergeMetadata(metadata.name, []byte("{}"), *metadata.json, &invalid)
	}
	p.setTimes(&invalid, now)
	if stored := user.PasswordHash.Reveal(); stored != "" {
		if p.hashFormat, p.hashErr = s.opts.Hasher.Recognise(stored); p.hashErr != nil {
			p.PasswordHash = secret.Text{}
		}
	}
	p.refused = invalid.Fields
	return p
}

// setTimes fills in the times that aren't known, and refuses those that haven't been yet: a session
// is dated after the last login, and would begin in the future.
func (p *preparedUser) setTimes(invalid *InvalidInputError, now time.Time) {
	for _, at := range []struct {
		name string
		time *time.Time
	}{
		{"created_at", p.CreatedAt},
		{"updated_at", p.UpdatedAt},
		{"last_login_at", p.LastLoginAt},
		{"password_changed_at", p.PasswordChangedAt},
	} {
		if at.time != nil && at.time.After(now.Add(importLeeway)) {
			invalid.Fields = append(invalid.Fields, FieldError{
				Field: at.name, Code: "invalid_format", Detail: "It is a time that has not been yet.",
			})
		}
	}
	if p.CreatedAt == nil {
		p.CreatedAt = &now
	}
	if p.UpdatedAt == nil {
		p.UpdatedAt = p.CreatedAt
	}
	if p.PasswordChangedAt == nil {
		p.PasswordChangedAt = p.UpdatedAt
	}
}
