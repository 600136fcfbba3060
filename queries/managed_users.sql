-- name: ManagedUserList :many
-- Returns users as operators see them, in any order. The LIMIT makes the planner look up each user by
-- its key, whatever the statistics of the table.
SELECT
    u.id, u.email, u.username, u.email_verified, u.is_active, u.is_superuser, u.last_login_at, u.created_at, u.updated_at,
    u.display_name, u.locale, u.user_metadata, u.app_metadata, u.external_id,
    ARRAY(SELECT r.role FROM user_roles r WHERE r.user_id = u.id)::text[] AS roles,
    EXISTS (SELECT FROM passwords p WHERE p.user_id = u.id)::boolean AS has_password
FROM (SELECT unnest((SELECT sqlc.arg(ids)::uuid[])) AS id) a
CROSS JOIN LATERAL (
    SELECT users.id, users.email, users.username, users.email_verified, users.is_active, users.is_superuser,
        users.last_login_at, users.created_at, users.updated_at, users.display_name, users.locale, users.user_metadata,
        users.app_metadata, users.external_id
    FROM users WHERE users.id = a.id LIMIT 1
) u;

-- name: ManagedUserPage :many
-- Returns a page of users before a given one, the newest first. It reads one page at most of each
-- state that is asked for, from one index: a rare state costs as little as a common one. The inner
-- LIMIT is one more than the contract's. As a constant it tells the planner how few rows there are.
SELECT f.id, f.email_key, f.created_at
FROM (SELECT unnest((SELECT sqlc.arg(is_active)::boolean[])) AS is_active, unnest((SELECT sqlc.arg(email_verified)::boolean[])) AS email_verified) s
CROSS JOIN LATERAL (
    SELECT users.id, users.email_key, users.created_at FROM users
    WHERE users.is_active = s.is_active AND users.email_verified = s.email_verified
        AND (users.created_at, users.id) < (sqlc.arg(before)::timestamptz, sqlc.arg(before_id)::uuid)
    ORDER BY users.created_at DESC, users.id DESC
    LIMIT 101
) f
ORDER BY f.created_at DESC, f.id DESC
LIMIT sqlc.arg(page_size)::integer;

-- name: ManagedUserPageByEmail :many
-- Is [ManagedUserPage] for the emails from one to another, in their order: after a given one.
SELECT f.id, f.email_key, f.created_at
FROM (SELECT unnest((SELECT sqlc.arg(is_active)::boolean[])) AS is_active, unnest((SELECT sqlc.arg(email_verified)::boolean[])) AS email_verified) s
CROSS JOIN LATERAL (
    SELECT users.id, users.email_key, users.created_at FROM users
    WHERE users.is_active = s.is_active AND users.email_verified = s.email_verified
        AND users.email_key COLLATE "C" >= sqlc.arg(from_key)::text AND users.email_key COLLATE "C" < sqlc.arg(until_key)::text
        AND users.email_key COLLATE "C" > sqlc.arg(after)::text
    ORDER BY users.email_key COLLATE "C"
    LIMIT 101
) f
ORDER BY f.email_key COLLATE "C"
LIMIT sqlc.arg(page_size)::integer;

-- name: ManagedUserPageByRole :many
-- Is [ManagedUserPage] for the holders of a role. It looks at each holder: there are few operators.
SELECT u.id, u.email_key, u.created_at
FROM (
    SELECT r.user_id AS id FROM user_roles r WHERE r.role = sqlc.arg(role)::text
    UNION ALL
    SELECT users.id FROM users WHERE users.is_superuser AND sqlc.arg(role)::text = 'superuser'
) h
CROSS JOIN LATERAL (
    SELECT users.id, users.email_key, users.created_at, users.is_active, users.email_verified FROM users WHERE users.id = h.id LIMIT 1
) u
WHERE u.is_active = ANY(sqlc.arg(is_active)::boolean[]) AND u.email_verified = ANY(sqlc.arg(email_verified)::boolean[])
    AND (u.created_at, u.id) < (sqlc.arg(before)::timestamptz, sqlc.arg(before_id)::uuid)
ORDER BY u.created_at DESC, u.id DESC
LIMIT sqlc.arg(page_size)::integer;

-- name: ManagedUserPageByRoleAndEmail :many
-- Is [ManagedUserPageByEmail] for the holders of a role.
SELECT u.id, u.email_key, u.created_at
FROM (
    SELECT r.user_id AS id FROM user_roles r WHERE r.role = sqlc.arg(role)::text
    UNION ALL
    SELECT users.id FROM users WHERE users.is_superuser AND sqlc.arg(role)::text = 'superuser'
) h
CROSS JOIN LATERAL (
    SELECT users.id, users.email_key, users.created_at, users.is_active, users.email_verified FROM users WHERE users.id = h.id LIMIT 1
) u
WHERE u.is_active = ANY(sqlc.arg(is_active)::boolean[]) AND u.email_verified = ANY(sqlc.arg(email_verified)::boolean[])
    AND u.email_key COLLATE "C" >= sqlc.arg(from_key)::text AND u.email_key COLLATE "C" < sqlc.arg(until_key)::text
    AND u.email_key COLLATE "C" > sqlc.arg(after)::text
ORDER BY u.email_key COLLATE "C"
LIMIT sqlc.arg(page_size)::integer;

-- name: ManagedUserUpdate :one
-- Replaces what an operator may change of a user. updated_at always moves, because ETags are made
-- from it.
UPDATE users
SET username = @username, username_key = @username_key, display_name = sqlc.narg(display_name), locale = sqlc.narg(locale),
    user_metadata = @user_metadata, app_metadata = @app_metadata, external_id = sqlc.narg(external_id),
    is_active = @is_active, is_superuser = @is_superuser,
    updated_at = greatest(sqlc.arg(now)::timestamptz, updated_at + interval '1 microsecond')
WHERE id = @id
RETURNING *;

-- name: RoleGrant :exec
-- Gives a user roles, other than superuser, unless it has them already.
INSERT INTO user_roles (user_id, role, granted_at)
SELECT sqlc.arg(user_id)::uuid, unnest(sqlc.arg(roles)::text[]), sqlc.arg(now)::timestamptz
ON CONFLICT DO NOTHING;

-- name: RoleRevokeOthers :exec
-- Takes all roles from a user but some, and but superuser.
DELETE FROM user_roles WHERE user_id = sqlc.arg(user_id) AND role <> ALL(sqlc.arg(kept)::text[]);

-- name: SuperuserLock :exec
-- Keeps others from taking a superuser away until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('latchkey superusers', 0));

-- name: SuperuserHasOther :one
-- Reports whether an active user besides one is a superuser, and can log in: it has a password, or has
-- proved its mailbox. An invitation that nobody has accepted may have gone astray.
SELECT EXISTS (
    SELECT FROM users u
    WHERE u.is_superuser AND u.is_active AND u.id <> @id
        AND (u.email_verified OR EXISTS (SELECT FROM passwords p WHERE p.user_id = u.id))
)::boolean AS has_other;
