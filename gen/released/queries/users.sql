-- name: UserActivate :one
UPDATE users
SET is_active = true, updated_at = $1
WHERE id = $2
RETURNING id, email, email_key, username, username_key, password_hash, email_verified, is_active, is_superuser, tokens_not_before, last_login_at, created_at, updated_at

-- name: UserCreate :one
WITH created AS (
    INSERT INTO users (id, email, email_key, username, username_key, password_hash, is_superuser, last_login_at, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
    RETURNING id, email, email_key, username, username_key, password_hash, email_verified, is_active, is_superuser, tokens_not_before, last_login_at, created_at, updated_at
), known AS (
    INSERT INTO known_addresses AS k (key, seen_at, user_id)
    SELECT $10::bytea, $9, created.id FROM created WHERE length($10::bytea) > 0
    ON CONFLICT (key) DO UPDATE SET seen_at = excluded.seen_at, user_id = excluded.user_id
), opened AS (
    INSERT INTO sessions (id, user_id, rotated_at, expires_at, ends_at, budget_at, user_agent, address, created_at)
    SELECT $11::uuid, created.id, $9, $9::timestamptz + $12::interval, $9::timestamptz + $13::interval, 'epoch', $14, $15, $9
    FROM created WHERE last_login_at IS NOT NULL
)
SELECT id, email, email_key, username, username_key, password_hash, email_verified, is_active, is_superuser, tokens_not_before, last_login_at, created_at, updated_at FROM created

-- name: UserDeactivate :one
WITH ended AS (
    DELETE FROM sessions WHERE sessions.id IN (SELECT s.id FROM sessions s WHERE s.user_id = $2 LIMIT 1000)
), forgotten AS (
    DELETE FROM known_addresses WHERE known_addresses.key IN (SELECT k.key FROM known_addresses k WHERE k.user_id = $2 LIMIT 1000)
)
UPDATE users
SET is_active = false, updated_at = $1,
    tokens_not_before = greatest($1, last_login_at, tokens_not_before + interval '1 microsecond')
WHERE users.id = $2
RETURNING id, email, email_key, username, username_key, password_hash, email_verified, is_active, is_superuser, tokens_not_before, last_login_at, created_at, updated_at

-- name: UserDelete :one
DELETE FROM users
WHERE id = $1
RETURNING id, email, email_key, username, username_key, password_hash, email_verified, is_active, is_superuser, tokens_not_before, last_login_at, created_at, updated_at

-- name: UserEndSessions :exec
WITH ended AS (
    UPDATE users
    SET tokens_not_before = greatest($1::timestamptz, last_login_at, tokens_not_before + interval '1 microsecond')
    WHERE users.id = $2
    RETURNING id, email, email_key, username, username_key, password_hash, email_verified, is_active, is_superuser, tokens_not_before, last_login_at, created_at, updated_at
), known AS (
    UPDATE known_addresses k
    SET seen_at = ended.tokens_not_before + interval '1 microsecond'
    FROM ended, users u
    WHERE k.key = $3::bytea AND k.user_id = ended.id AND u.id = ended.id
        AND (u.tokens_not_before IS NULL OR k.seen_at > u.tokens_not_before)
), deleted AS (
    DELETE FROM sessions WHERE sessions.id IN (SELECT s.id FROM sessions s WHERE s.user_id = $2 LIMIT 1000)
)
SELECT id, email, email_key, username, username_key, password_hash, email_verified, is_active, is_superuser, tokens_not_before, last_login_at, created_at, updated_at FROM ended

-- name: UserGetByEmailKey :one
SELECT id, email, email_key, username, username_key, password_hash, email_verified, is_active, is_superuser, tokens_not_before, last_login_at, created_at, updated_at FROM users WHERE email_key = $1

-- name: UserGetByID :one
SELECT id, email, email_key, username, username_key, password_hash, email_verified, is_active, is_superuser, tokens_not_before, last_login_at, created_at, updated_at FROM users WHERE id = $1

-- name: UserGetByUsernameKey :one
SELECT id, email, email_key, username, username_key, password_hash, email_verified, is_active, is_superuser, tokens_not_before, last_login_at, created_at, updated_at FROM users WHERE username_key = $1

-- name: UserList :many
SELECT id, email, email_key, username, username_key, password_hash, email_verified, is_active, is_superuser, tokens_not_before, last_login_at, created_at, updated_at FROM users
WHERE id > $1
ORDER BY id
LIMIT $2

-- name: UserListBySession :many
SELECT
    a.session_id::uuid AS session_id,
    u.id, u.email, u.username, u.email_verified, u.is_active, u.is_superuser, u.created_at, u.updated_at,
    coalesce(
        s.user_id = u.id AND s.expires_at > $1::timestamptz AND (u.tokens_not_before IS NULL OR s.created_at > u.tokens_not_before), false
    )::boolean AS is_alive
FROM (SELECT unnest((SELECT $2::uuid[])) AS user_id, unnest((SELECT $3::uuid[])) AS session_id) a
CROSS JOIN LATERAL (
    SELECT users.id, users.email, users.username, users.email_verified, users.is_active, users.is_superuser, users.tokens_not_before, users.created_at, users.updated_at
    FROM users WHERE users.id = a.user_id LIMIT 1
) u
LEFT JOIN LATERAL (
    SELECT sessions.user_id, sessions.expires_at, sessions.created_at FROM sessions WHERE sessions.id = a.session_id LIMIT 1
) s ON true

-- name: UserRecordLogin :one
WITH recorded AS (
    UPDATE users
    SET last_login_at = greatest($1, last_login_at), password_hash = $2
    WHERE users.id = $3 AND users.password_hash = $4 AND users.is_active
    RETURNING id, email, email_key, username, username_key, password_hash, email_verified, is_active, is_superuser, tokens_not_before, last_login_at, created_at, updated_at
), returned AS (
    UPDATE rate_limits SET whole_at = whole_at - $5::interval
    WHERE key = $6::bytea AND EXISTS (SELECT FROM recorded)
    RETURNING key
), forgiven AS (
    DELETE FROM rate_limits
    WHERE key = $7::bytea AND EXISTS (SELECT FROM recorded) AND (SELECT count(*) FROM returned) >= 0
), known AS (
    INSERT INTO known_addresses AS k (key, seen_at, user_id)
    SELECT $8::bytea, greatest(last_login_at, tokens_not_before + interval '1 microsecond'), recorded.id
    FROM recorded WHERE length($8::bytea) > 0
    ON CONFLICT (key) DO UPDATE SET seen_at = excluded.seen_at
    WHERE k.seen_at < excluded.seen_at - interval '1 day' OR k.seen_at <= (SELECT tokens_not_before FROM recorded)
), opened AS (
    INSERT INTO sessions (id, user_id, rotated_at, expires_at, ends_at, budget_at, user_agent, address, created_at)
    SELECT
        $9::uuid, recorded.id, $1, $1::timestamptz + $10::interval, $1::timestamptz + $11::interval, 'epoch', $12, $13,
        -- After the last change of the credentials, whatever the clock says: else it would be born dead.
        greatest(last_login_at, tokens_not_before + interval '1 microsecond')
    FROM recorded
), crowd AS (
    -- How many sessions there were before, as far as it matters: log-ins at the same moment don't see each other's.
    SELECT count(*)::integer AS sessions FROM (SELECT s.id FROM sessions s WHERE s.user_id = $3 LIMIT $14::integer) few
)
SELECT id, email, email_key, username, username_key, password_hash, email_verified, is_active, is_superuser, tokens_not_before, last_login_at, created_at, updated_at, sessions FROM recorded, crowd

-- name: UserSetPassword :one
WITH ended AS (
    DELETE FROM sessions WHERE sessions.id IN (SELECT s.id FROM sessions s WHERE s.user_id = $3 LIMIT 1000)
), forgotten AS (
    DELETE FROM known_addresses WHERE known_addresses.key IN (SELECT k.key FROM known_addresses k WHERE k.user_id = $3 LIMIT 1000)
)
UPDATE users
SET password_hash = $1, updated_at = $2,
    tokens_not_before = greatest($2, last_login_at, tokens_not_before + interval '1 microsecond')
WHERE users.id = $3
RETURNING id, email, email_key, username, username_key, password_hash, email_verified, is_active, is_superuser, tokens_not_before, last_login_at, created_at, updated_at

