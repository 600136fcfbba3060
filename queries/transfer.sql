-- name: UserListTaken :many
-- Returns the users that have one of these ids, external ids, emails or usernames.
SELECT id, external_id, email, email_key, username_key FROM users WHERE id = ANY(sqlc.arg(ids)::uuid[])
UNION
SELECT id, external_id, email, email_key, username_key FROM users WHERE external_id = ANY(sqlc.arg(external_ids)::text[])
UNION
SELECT id, external_id, email, email_key, username_key FROM users WHERE email_key = ANY(sqlc.arg(email_keys)::text[])
UNION
SELECT id, external_id, email, email_key, username_key FROM users WHERE username_key = ANY(sqlc.arg(username_keys)::text[]);

-- name: ChallengeListHeld :many
-- Returns which of these emails are held for users that have left them, and until when.
SELECT email_key, max(expires_at)::timestamptz AS expires_at FROM challenges
WHERE email_key = ANY(sqlc.arg(email_keys)::text[]) AND purpose = 'undo_email_change' AND used_at IS NULL
GROUP BY email_key;

-- name: UserCopy :copyfrom
-- Adds users. A trigger of the users table adds their passwords, as for releases up to 0.6. If they
-- were added here, the trigger of the passwords table would write every user and its entries in the
-- indexes a second time.
INSERT INTO users (
    id, external_id, email, email_key, username, username_key, email_verified, is_active, is_superuser, display_name, locale,
    user_metadata, app_metadata, last_login_at, created_at, updated_at, password_hash
)
VALUES (
    @id, @external_id, @email, @email_key, @username, @username_key, @email_verified, @is_active, @is_superuser,
    @display_name, @locale, @user_metadata, @app_metadata, @last_login_at, @created_at, @updated_at,
    @password_hash
);

-- name: PasswordDate :exec
-- Sets when passwords were set. The trigger takes when their users were changed.
UPDATE passwords SET changed_at = at.changed_at
FROM (SELECT unnest(@user_ids::uuid[]) AS user_id, unnest(@changed_at::timestamptz[]) AS changed_at) at
WHERE passwords.user_id = at.user_id;

-- name: UserRoleCopy :copyfrom
INSERT INTO user_roles (user_id, role, granted_at) VALUES (@user_id, @role, @granted_at);

-- name: EventCopy :copyfrom
INSERT INTO events (id, type, user_id, actor, data, created_at) VALUES (@id, @type, @user_id, @actor, @data, @created_at);

-- name: UserListExport :many
-- Returns a page of users after a given one, with all that is kept of them.
SELECT sqlc.embed(users), p.hash, p.changed_at,
    ARRAY(SELECT r.role FROM user_roles r WHERE r.user_id = users.id ORDER BY r.role)::text[] AS roles
FROM users
LEFT JOIN passwords p ON p.user_id = users.id
WHERE users.id > @after
ORDER BY users.id
LIMIT @page_size;
