-- name: EventAdd :exec
INSERT INTO events (id, type, user_id, actor, session_id, address, user_agent, data, created_at)
VALUES (@id, @type, @user_id, @actor, sqlc.narg(session_id), sqlc.narg(address), sqlc.narg(user_agent), @data, @created_at);

-- name: EventAddSampled :exec
-- Adds an event unless the user has one of its type since a moment.
INSERT INTO events (id, type, user_id, actor, session_id, address, user_agent, data, created_at)
SELECT @id, sqlc.arg(type)::text, sqlc.arg(user_id)::uuid, @actor, sqlc.narg(session_id), sqlc.narg(address), sqlc.narg(user_agent), @data, @created_at
WHERE NOT EXISTS (
    SELECT FROM events e
    WHERE e.user_id = sqlc.arg(user_id)::uuid AND e.id > sqlc.arg(since_id)::uuid AND e.type = sqlc.arg(type)::text
);

-- name: EventListByUser :many
-- Returns a page of a user's events, the newest first, before a given one.
SELECT id, type, actor, session_id, address, user_agent, data, created_at
FROM events
WHERE user_id = @user_id AND id < sqlc.arg(before)::uuid
ORDER BY id DESC
LIMIT sqlc.arg(page_size)::integer;

-- name: EventGetLogin :one
-- Returns what the mail about a login says. No row means that the user was deleted. To an email that
-- nobody has proved goes nothing that the client has written: it may be a stranger's.
SELECT e.address, coalesce(CASE WHEN u.email_verified THEN e.user_agent END, '')::text AS user_agent, u.username
FROM events e
JOIN users u ON u.id = e.user_id
WHERE e.id = @id AND e.type = 'user.logged_in';

-- name: EventSweep :execrows
-- Deletes a batch of old events, by the database's clock. A test may pass another.
DELETE FROM events
WHERE id IN (
    SELECT e.id FROM events e
    WHERE e.created_at < coalesce(sqlc.narg(database_now)::timestamptz, clock_timestamp()) - sqlc.arg(retention)::interval
    LIMIT sqlc.arg(batch)
    FOR UPDATE SKIP LOCKED
);
