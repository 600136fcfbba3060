-- name: UserCreate :one
-- Uniqueness is the constraints' business: users_email_key and users_username_key. Who registers has logged in from there,
-- to a first session.
WITH created AS (
    INSERT INTO users (id, email, email_key, username, username_key, password_hash, is_superuser, last_login_at, created_at, updated_at)
    VALUES (sqlc.arg(id), sqlc.arg(email), sqlc.arg(email_key), sqlc.arg(username), sqlc.arg(username_key), sqlc.arg(password_hash), sqlc.arg(is_superuser), sqlc.arg(last_login_at), sqlc.arg(now), sqlc.arg(now))
    RETURNING *
), known AS (
    INSERT INTO known_addresses AS k (key, seen_at, user_id)
    SELECT sqlc.arg(pair_key)::bytea, sqlc.arg(now), created.id FROM created WHERE length(sqlc.arg(pair_key)::bytea) > 0
    ON CONFLICT (key) DO UPDATE SET seen_at = excluded.seen_at, user_id = excluded.user_id
), opened AS (
    INSERT INTO sessions (id, user_id, rotated_at, expires_at, ends_at, budget_at, user_agent, address, created_at)
    SELECT sqlc.arg(session_id)::uuid, created.id, sqlc.arg(now), sqlc.arg(now)::timestamptz + sqlc.arg(idle)::interval, sqlc.arg(now)::timestamptz + sqlc.arg(lifetime)::interval, 'epoch', sqlc.arg(user_agent), sqlc.arg(address), sqlc.arg(now)
    FROM created WHERE last_login_at IS NOT NULL
)
SELECT * FROM created;

-- name: UserGetByID :one
-- For the commands.
SELECT * FROM users WHERE id = @id;

-- name: UserListBySession :many
-- The one query of authenticated requests: of all that wait at the moment, together. Each asks for a user by a session, which may be dead.
-- By the limits each is looked up by its key, whatever the planner thinks of the tables; and the inner selects hide from it how many there are,
-- lest it should plan anew for each number of them, which takes longer than the answer.
SELECT
    a.session_id::uuid AS session_id,
    u.id, u.email, u.username, u.email_verified, u.is_active, u.is_superuser, u.created_at, u.updated_at,
    coalesce(
        s.user_id = u.id AND s.expires_at > sqlc.arg(now)::timestamptz AND (u.tokens_not_before IS NULL OR s.created_at > u.tokens_not_before), false
    )::boolean AS is_alive
FROM (SELECT unnest((SELECT sqlc.arg(user_ids)::uuid[])) AS user_id, unnest((SELECT sqlc.arg(session_ids)::uuid[])) AS session_id) a
CROSS JOIN LATERAL (
    SELECT users.id, users.email, users.username, users.email_verified, users.is_active, users.is_superuser, users.tokens_not_before, users.created_at, users.updated_at
    FROM users WHERE users.id = a.user_id LIMIT 1
) u
LEFT JOIN LATERAL (
    SELECT sessions.user_id, sessions.expires_at, sessions.created_at FROM sessions WHERE sessions.id = a.session_id LIMIT 1
) s ON true;

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
-- Its session is dated by last_login_at, which never goes back: so this row alone, and no two clocks, tells which session is
-- older than a change of the password.
-- The attempt is given back to the address, and the budget whose attempts led here becomes whole: guesses count while they fail. That the one
-- waits for the other's count is for the order of the locks, which is that of AttemptTake, lest two of them wait for each other: what nothing reads,
-- PostgreSQL runs in an order of its own, at present from the last to the first.
-- The address is dated as the session is: it is known until the credentials change.
WITH recorded AS (
    UPDATE users
    SET last_login_at = greatest(sqlc.arg(now), last_login_at), password_hash = sqlc.arg(new_hash)
    WHERE users.id = sqlc.arg(id) AND users.password_hash = sqlc.arg(checked_hash) AND users.is_active
    RETURNING *
), returned AS (
    UPDATE rate_limits SET whole_at = whole_at - sqlc.arg(address_step)::interval
    WHERE key = sqlc.arg(address_key)::bytea AND EXISTS (SELECT FROM recorded)
    RETURNING key
), forgiven AS (
    DELETE FROM rate_limits
    WHERE key = sqlc.arg(forgiven_key)::bytea AND EXISTS (SELECT FROM recorded) AND (SELECT count(*) FROM returned) >= 0
), known AS (
    INSERT INTO known_addresses AS k (key, seen_at, user_id)
    SELECT sqlc.arg(pair_key)::bytea, greatest(last_login_at, tokens_not_before + interval '1 microsecond'), recorded.id
    FROM recorded WHERE length(sqlc.arg(pair_key)::bytea) > 0
    ON CONFLICT (key) DO UPDATE SET seen_at = excluded.seen_at
    WHERE k.seen_at < excluded.seen_at - interval '1 day' OR k.seen_at <= (SELECT tokens_not_before FROM recorded)
), opened AS (
    INSERT INTO sessions (id, user_id, rotated_at, expires_at, ends_at, budget_at, user_agent, address, created_at)
    SELECT
        sqlc.arg(session_id)::uuid, recorded.id, sqlc.arg(now), sqlc.arg(now)::timestamptz + sqlc.arg(idle)::interval, sqlc.arg(now)::timestamptz + sqlc.arg(lifetime)::interval, 'epoch', sqlc.arg(user_agent), sqlc.arg(address),
        -- After the last change of the credentials, whatever the clock says: else it would be born dead.
        greatest(last_login_at, tokens_not_before + interval '1 microsecond')
    FROM recorded
), crowd AS (
    -- How many sessions there were before, as far as it matters: log-ins at the same moment don't see each other's.
    SELECT count(*)::integer AS sessions FROM (SELECT s.id FROM sessions s WHERE s.user_id = sqlc.arg(id) LIMIT sqlc.arg(crowd)::integer) few
)
SELECT * FROM recorded, crowd;

-- name: UserSetPassword :one
-- Ends every session until now: none is dated after the last login or a moment after the last such end. So it is what tokens_not_before says
-- that counts, also for the addresses that are known to the account; that the rows go is for tidiness, and those beyond 1,000 go with the sweep.
WITH ended AS (
    DELETE FROM sessions WHERE sessions.id IN (SELECT s.id FROM sessions s WHERE s.user_id = sqlc.arg(id) LIMIT 1000)
), forgotten AS (
    DELETE FROM known_addresses WHERE known_addresses.key IN (SELECT k.key FROM known_addresses k WHERE k.user_id = sqlc.arg(id) LIMIT 1000)
)
UPDATE users
SET password_hash = sqlc.arg(password_hash), updated_at = sqlc.arg(now),
    tokens_not_before = greatest(sqlc.arg(now), last_login_at, tokens_not_before + interval '1 microsecond')
WHERE users.id = sqlc.arg(id)
RETURNING *;

-- name: UserEndSessions :exec
-- Ends every session until now, as UserSetPassword does, in work that is bounded whatever their number. The address that asks stays known, if it is:
-- a stolen token makes none known.
WITH ended AS (
    UPDATE users
    SET tokens_not_before = greatest(sqlc.arg(now)::timestamptz, last_login_at, tokens_not_before + interval '1 microsecond')
    WHERE users.id = sqlc.arg(id)
    RETURNING *
), known AS (
    UPDATE known_addresses k
    SET seen_at = ended.tokens_not_before + interval '1 microsecond'
    FROM ended, users u
    WHERE k.key = sqlc.arg(pair_key)::bytea AND k.user_id = ended.id AND u.id = ended.id
        AND (u.tokens_not_before IS NULL OR k.seen_at > u.tokens_not_before)
), deleted AS (
    DELETE FROM sessions WHERE sessions.id IN (SELECT s.id FROM sessions s WHERE s.user_id = sqlc.arg(id) LIMIT 1000)
)
SELECT * FROM ended;

-- name: UserActivate :one
-- Tokens from before the deactivation stay dead.
UPDATE users
SET is_active = true, updated_at = @now
WHERE id = @id
RETURNING *;

-- name: UserDeactivate :one
-- Ends every session until now: none is dated after the last login or a moment after the last such end. So it is what tokens_not_before says
-- that counts, also for the addresses that are known to the account; that the rows go is for tidiness, and those beyond 1,000 go with the sweep.
WITH ended AS (
    DELETE FROM sessions WHERE sessions.id IN (SELECT s.id FROM sessions s WHERE s.user_id = sqlc.arg(id) LIMIT 1000)
), forgotten AS (
    DELETE FROM known_addresses WHERE known_addresses.key IN (SELECT k.key FROM known_addresses k WHERE k.user_id = sqlc.arg(id) LIMIT 1000)
)
UPDATE users
SET is_active = false, updated_at = sqlc.arg(now),
    tokens_not_before = greatest(sqlc.arg(now), last_login_at, tokens_not_before + interval '1 microsecond')
WHERE users.id = sqlc.arg(id)
RETURNING *;

-- name: UserDelete :one
DELETE FROM users
WHERE id = @id
RETURNING *;
