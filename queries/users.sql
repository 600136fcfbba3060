-- name: UserCreate :one
-- The constraints users_email_key and users_username_key enforce uniqueness.
INSERT INTO users (
    id, email, email_key, username, username_key, email_verified, is_superuser, display_name, locale, app_metadata,
    last_login_at, created_at, updated_at
)
VALUES (
    @id, @email, @email_key, @username, @username_key, @email_verified, @is_superuser, sqlc.narg(display_name),
    sqlc.narg(locale), coalesce(sqlc.narg(app_metadata)::jsonb, '{}'), @last_login_at, @now, @now
)
RETURNING *;

-- name: UserGetByID :one
-- For the commands, and for a new password, which is judged beside what it must not be made of.
SELECT * FROM users WHERE id = @id;

-- name: UserListBySession :many
-- The one query of authenticated requests, such as GET /api/users/me/. It serves all requests that
-- wait at the moment. Each request asks for a user by a session, which may have ended. The LIMITs
-- make the planner look up each row by its key, whatever the statistics of the tables. The inner
-- SELECTs hide the number of ids from the planner. Otherwise it would plan again for each number,
-- which takes longer than the query. The roles are read only where they are asked for.
SELECT
    a.session_id::uuid AS session_id, a.with_roles::boolean AS with_roles,
    u.id, u.email, u.username, u.email_verified, u.is_active, u.is_superuser, u.created_at, u.updated_at,
    u.display_name, u.locale, u.user_metadata, u.app_metadata,
    CASE WHEN a.with_roles THEN roles_of(u.id) END::text[] AS roles,
    coalesce(s.authenticated_at, 'epoch')::timestamptz AS authenticated_at,
    coalesce(
        s.user_id = u.id AND s.expires_at > sqlc.arg(now)::timestamptz AND (u.tokens_not_before IS NULL OR s.created_at > u.tokens_not_before), false
    )::boolean AS is_alive
FROM (SELECT unnest((SELECT sqlc.arg(user_ids)::uuid[])) AS user_id, unnest((SELECT sqlc.arg(session_ids)::uuid[])) AS session_id,
    unnest((SELECT sqlc.arg(with_roles)::boolean[])) AS with_roles) a
CROSS JOIN LATERAL (
    SELECT users.id, users.email, users.username, users.email_verified, users.is_active, users.is_superuser, users.tokens_not_before, users.created_at, users.updated_at,
        users.display_name, users.locale, users.user_metadata, users.app_metadata
    FROM users WHERE users.id = a.user_id LIMIT 1
) u
LEFT JOIN LATERAL (
    SELECT sessions.user_id, sessions.expires_at, sessions.created_at,
        coalesce(sessions.authenticated_at, sessions.created_at) AS authenticated_at
    FROM sessions WHERE sessions.id = a.session_id LIMIT 1
) s ON true;

-- name: UserListRoles :many
-- Returns the roles of a user but the superuser's, which is users.is_superuser.
SELECT role FROM user_roles WHERE user_id = @user_id ORDER BY role;

-- name: UserGetByEmailKey :one
-- For the commands.
SELECT * FROM users WHERE email_key = @email_key;

-- name: UserGetCredentials :one
-- Returns what a login checks. The hash is NULL for a user without a password.
SELECT u.id, u.is_active, u.email_verified, p.hash AS password_hash
FROM users u
LEFT JOIN passwords p ON p.user_id = u.id
WHERE u.email_key = @email_key;

-- name: UserGetByUsernameKey :one
-- For the commands, which take an email, a username or an id.
SELECT * FROM users WHERE username_key = @username_key;

-- name: UserList :many
-- Returns a page of users after a given one. Ids are of version 7, so they sort by time of
-- creation.
SELECT * FROM users
WHERE id > @after
ORDER BY id
LIMIT @page_size;

-- name: UserLogIn :one
-- Records a login, and locks the user's row until the transaction ends. It returns no row if the
-- user was deactivated or deleted. last_login_at never goes back, so that sessions can be dated by
-- it even if the servers' clocks differ.
UPDATE users
SET last_login_at = greatest(sqlc.arg(now), last_login_at)
WHERE id = sqlc.arg(id) AND is_active
RETURNING *;

-- name: UserGetForUpdate :one
-- Locks the user's row until the transaction ends.
SELECT * FROM users WHERE id = @id FOR NO KEY UPDATE;

-- name: UserEndSessions :one
-- Ends all present sessions of a user. The work doesn't grow with their number. No session is dated
-- later than the later of these times: the last login, and 1 microsecond after the last such end.
-- The sweep deletes the rows later. The query locks the user's row.
UPDATE users
SET tokens_not_before = greatest(sqlc.arg(now)::timestamptz, last_login_at, tokens_not_before + interval '1 microsecond')
WHERE id = sqlc.arg(id)
RETURNING *;

-- name: UserTouch :one
-- Records the time of the last change of a user's account.
UPDATE users
SET updated_at = greatest(sqlc.arg(now)::timestamptz, updated_at + interval '1 microsecond')
WHERE id = @id
RETURNING *;

-- name: UserUpdate :one
-- Replaces the profile of a user. updated_at always moves, because ETags are made from it.
UPDATE users
SET username = @username, username_key = @username_key, display_name = sqlc.narg(display_name), locale = sqlc.narg(locale),
    user_metadata = @user_metadata, updated_at = greatest(sqlc.arg(now)::timestamptz, updated_at + interval '1 microsecond')
WHERE id = @id
RETURNING *;

-- name: UserDelete :one
DELETE FROM users
WHERE id = @id
RETURNING *;

-- name: UserVerifyEmail :execrows
-- Records that the user has proved its mailbox. No row means that it had been proved before.
UPDATE users
SET email_verified = true, updated_at = greatest(sqlc.arg(now)::timestamptz, updated_at + interval '1 microsecond')
WHERE id = sqlc.arg(id) AND NOT email_verified;

-- name: UserSetEmail :one
-- Gives a user another email, of which the user has proved the mailbox.
UPDATE users
SET email = @email, email_key = @email_key, email_verified = true,
    updated_at = greatest(sqlc.arg(now)::timestamptz, updated_at + interval '1 microsecond')
WHERE id = sqlc.arg(id)
RETURNING *;

-- name: UserMayHaveEmail :one
-- Reports whether a user could get an email: nobody else has it, and it isn't held for anybody else.
SELECT (NOT EXISTS (SELECT FROM users u WHERE u.email_key = sqlc.arg(email_key)::text AND u.id <> sqlc.arg(id)::uuid)
    AND NOT EXISTS (
        SELECT FROM challenges c
        WHERE c.email_key = sqlc.arg(email_key)::text AND c.purpose = 'undo_email_change' AND c.user_id <> sqlc.arg(id)::uuid
            AND c.used_at IS NULL AND c.expires_at > sqlc.arg(now)::timestamptz
    ))::boolean AS may;
