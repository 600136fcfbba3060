-- name: UserCreate :one
-- Uniqueness is the constraints' business: users_email_key and users_username_key. Who registers has logged in from there.
WITH created AS (
    INSERT INTO users (id, email, email_key, username, username_key, password_hash, is_superuser, last_login_at, created_at, updated_at)
    VALUES (@id, @email, @email_key, @username, @username_key, @password_hash, @is_superuser, @last_login_at, @now, @now)
    RETURNING *
), known AS (
    INSERT INTO known_addresses AS k (key, seen_at)
    SELECT @pair_key::bytea, @now FROM created WHERE length(@pair_key::bytea) > 0
    ON CONFLICT (key) DO UPDATE SET seen_at = excluded.seen_at
)
SELECT * FROM created;

-- name: UserGetByID :one
-- For the commands.
SELECT * FROM users WHERE id = @id;

-- name: UserListByID :many
-- The one query of authenticated requests: of all that wait at the moment, together.
SELECT id, email, username, email_verified, is_active, is_superuser, tokens_not_before, created_at, updated_at
FROM users WHERE id = ANY(@ids::uuid[]);

-- name: UserGetByEmailKey :one
-- The one query of a login.
SELECT * FROM users WHERE email_key = @email_key;

-- name: UserGetByUsernameKey :one
-- For the commands, which take an email, a username or an id.
SELECT * FROM users WHERE username_key = @username_key;

-- name: UserList :many
-- A page of users after a given one; ids are of version 7, so their order is that of the users' making.
SELECT * FROM users
WHERE id > @after
ORDER BY id
LIMIT @page_size;

-- name: UserRecordLogin :one
-- The one write of a login. It finds no row when, since the password was checked, it was changed or the user was deactivated or deleted.
-- Its token is dated by last_login_at, which never goes back: so this row alone, and no two clocks, tells which token is
-- older than a change of the password.
-- The attempt is given back to the address, and the budget whose attempts led here becomes whole: guesses count while they fail.
WITH recorded AS (
    UPDATE users
    SET last_login_at = greatest(sqlc.arg(now), last_login_at), password_hash = @new_hash
    WHERE id = @id AND password_hash = @checked_hash AND is_active
    RETURNING *
), forgiven AS (
    DELETE FROM rate_limits WHERE key = @forgiven_key::bytea AND EXISTS (SELECT FROM recorded)
), returned AS (
    UPDATE rate_limits SET whole_at = whole_at - @address_step::interval
    WHERE key = @address_key::bytea AND EXISTS (SELECT FROM recorded)
), known AS (
    INSERT INTO known_addresses AS k (key, seen_at)
    SELECT @pair_key::bytea, @now FROM recorded WHERE length(@pair_key::bytea) > 0
    ON CONFLICT (key) DO UPDATE SET seen_at = excluded.seen_at WHERE k.seen_at < excluded.seen_at - interval '1 day'
)
SELECT * FROM recorded;

-- name: UserSetPassword :one
-- Ends every token issued until now: none is dated after the last login or a second after the last such end.
UPDATE users
SET password_hash = @password_hash, updated_at = @now,
    tokens_not_before = greatest(@now, last_login_at, tokens_not_before + interval '1 second')
WHERE id = @id
RETURNING *;

-- name: UserActivate :one
-- Tokens from before the deactivation stay dead.
UPDATE users
SET is_active = true, updated_at = @now
WHERE id = @id
RETURNING *;

-- name: UserDeactivate :one
-- Ends every token issued until now: none is dated after the last login or a second after the last such end.
UPDATE users
SET is_active = false, updated_at = @now,
    tokens_not_before = greatest(@now, last_login_at, tokens_not_before + interval '1 second')
WHERE id = @id
RETURNING *;

-- name: UserDelete :one
DELETE FROM users
WHERE id = @id
RETURNING *;
